"""Ending a build: asked kindly first, harder only on demand."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from pydeploy.clients.jenkins import CAUSES, Force, Jenkins, is_of_job, path_of
from pydeploy.clients.jenkins_answers import Refused
from pydeploy.errors import UsageError
from pydeploy.jenkins import jobs
from pydeploy.jenkins.values import Build, Triggered
from pydeploy.jenkins.waiting import Patience, TimedOut, for_number, for_result, item_of

_EACH = 20.0  # seconds that a build gets to end before it is asked harder


def stop(
    jenkins: Jenkins,
    name: str,
    number: int,
    *,
    is_hard: bool = False,
    each: float = _EACH,
    say: Callable[[str], None] = lambda _: None,
) -> Build:
    """Ask a build to stop, and wait `each` seconds for its end; the build as it is then.

    `is_hard`: what does not end is terminated, and at last killed (WorkflowRun.doTerm, doKill);
    only pipelines know these.
    """
    found = jobs.build(jenkins, name, number)
    ways: tuple[Force, ...] = ("stop", "term", "kill") if is_hard else ("stop",)
    for way in ways:
        if found.has_ended:
            return found
        if not _ask(jenkins, found, way, say):
            break
        found = _ended_within(jenkins, found, each)
    return found


def stop_triggered(
    jenkins: Jenkins,
    triggered: Triggered,
    *,
    is_hard: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Build | None:
    """Take it out of the queue (none), or stop the build that it has become by now.

    UsageError when the queue item is another job's: a number is easily mistaken.
    """
    if triggered.number is None and _is_cancelled(jenkins, triggered):
        say(f"{triggered.job} was taken out of the queue")
        return None
    number = for_number(jenkins, triggered, Patience.of(_EACH))
    return stop(jenkins, triggered.job, number, is_hard=is_hard, say=say)


def is_shared(jenkins: Jenkins, triggered: Triggered) -> bool:
    """Whether others asked for the same while it waited, and get this build, too.

    Jenkins then keeps the causes of all (CauseAction.foldIntoExisting).  Who came later is told so
    only where the job has parameters, and who came first never.
    """
    found = None if triggered.number else jenkins.queue_item(triggered.queue_id)
    if triggered.number:
        name, number = triggered.job, triggered.number
        found = jenkins.read(
            f"{path_of(name)}/{number}", f"show {name} {number}", f"actions[{CAUSES}]"
        )
    actions = found.get("actions", []) if found else []
    return sum(len(one.get("causes", [])) for one in actions) > 1


def _is_cancelled(jenkins: Jenkins, triggered: Triggered) -> bool:
    """Whether it is out of the queue without having become a build."""
    item = item_of(jenkins, triggered)
    if item and item.job_url and not is_of_job(item.job_url, triggered.job):
        raise UsageError(
            f"queue item {item.id} is not of {triggered.job}", hint=f"it is of {item.job_url}"
        )
    if item is None or item.number is not None:
        return False
    if item.state not in ("left", "cancelled"):
        # It may leave the queue now: then Jenkins says 404 or 500, and the next look tells.
        with suppress(Refused):
            jenkins.cancel(triggered.queue_id)
        item = item_of(jenkins, triggered)
    return item is not None and item.state == "cancelled"


def _ask(jenkins: Jenkins, build: Build, way: Force, say: Callable[[str], None]) -> bool:
    """False when this kind of build does not know that way."""
    say(f"{'stopping' if way == 'stop' else way} {build.job} {build.number}")
    try:
        jenkins.stop(build.job, build.number, way)
    except Refused as no:
        if way == "stop" or no.status != 404:
            raise
        say("only a pipeline can be ended harder")
        return False
    return True


def _ended_within(jenkins: Jenkins, build: Build, seconds: float) -> Build:
    try:
        return for_result(jenkins, build.job, build.number, Patience.of(seconds))
    except TimedOut:
        return jobs.build(jenkins, build.job, build.number)
