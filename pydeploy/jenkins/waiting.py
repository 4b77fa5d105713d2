"""Following a build: through the queue, to its number, to its result; always with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from pydeploy.clients.jenkins import Jenkins, path_of
from pydeploy.clients.jenkins_answers import Away, Refused
from pydeploy.errors import ServiceError, UsageError
from pydeploy.jenkins import jobs
from pydeploy.jenkins.values import Build, QueueItem, QueueState, Triggered

T = TypeVar("T")
_RECENT = 100  # builds among which one is looked for by its queue item
_GONE = 30.0  # seconds until we believe that neither an item nor a build is there
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 3.0


class TimedOut(ServiceError):
    """The deadline passed; what was waited for goes on."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to wait, and how.  `say` is told what is new, once."""

    deadline: float  # of `clock`
    say: Callable[[str], None] = lambda _: None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    @classmethod
    def of(cls, seconds: float, say: Callable[[str], None] = lambda _: None) -> Patience:
        return cls(deadline=time.monotonic() + seconds, say=say)

    @property
    def is_over(self) -> bool:
        return self.clock() >= self.deadline

    def rounds(self, longest: float = _LONGEST_PAUSE) -> Iterator[None]:
        """One after the other, with growing pauses, until the deadline; at least one."""
        pause = _FIRST_PAUSE
        while True:
            yield
            left = self.deadline - self.clock()
            if left <= 0:
                return
            self.sleep(min(pause, left))
            pause = min(pause * 1.5, longest)

    def through(self, ask: Callable[[], T]) -> T:
        """What `ask` says, also when Jenkins is away for a while: it may be restarted."""
        is_told = False
        for _ in self.rounds():
            try:
                return ask()
            except Away as away:
                if self.is_over:
                    raise
                if not is_told:
                    self.say(f"{away.message}; waiting for it")
                    is_told = True
                self.sleep(max(min(away.retry_after, self.deadline - self.clock()), 0.0))
        return ask()


def for_number(jenkins: Jenkins, triggered: Triggered, patience: Patience) -> int:
    """The number of the build, once it has left the queue.

    ServiceError when it was cancelled, or is in neither queue nor builds; TimedOut with Jenkins'
    own reason when it still waits.
    """
    if triggered.number is not None:
        return triggered.number
    told, gone_since = "", None
    for _ in patience.rounds():
        item = patience.through(lambda: item_of(jenkins, triggered))
        if item is not None:
            told = _tell(item, told, patience)
            if item.state == "cancelled":
                raise _cancelled(triggered)
            if item.number is not None:
                return item.number
            gone_since = None
            continue
        number = patience.through(lambda: _by_queue_id(jenkins, triggered))
        if number is not None:
            return number
        gone_since = patience.clock() if gone_since is None else gone_since
        if patience.clock() - gone_since >= _GONE:
            break
    if gone_since is not None:
        raise ServiceError(
            f"queue item {triggered.queue_id} of {triggered.job} is gone, and none of its last "
            f"{_RECENT} builds came from it",
            service="jenkins",
            hint="it was cancelled, or its build was deleted; see the job in Jenkins",
        )
    raise TimedOut(
        f"{triggered.job} still waits in the queue of Jenkins{f' ({told})' if told else ''}",
        service="jenkins",
        hint="it goes on waiting; to take it out: "
        f"`pydeploy stop-build {triggered.job} --queue-id {triggered.queue_id}`",
    )


def for_result(jenkins: Jenkins, name: str, number: int, patience: Patience) -> Build:
    """The build, once it has ended; TimedOut when it has not by then."""
    found = None
    for _ in patience.rounds():
        found = look(jenkins, name, number, patience)
        if found.has_ended:
            return found
    raise not_ended(name, number, found.url if found else "")


def look(jenkins: Jenkins, name: str, number: int, patience: Patience) -> Build:
    """A build that was there; ServiceError when it is gone, which is no fault of the caller's."""
    try:
        return patience.through(lambda: jobs.build(jenkins, name, number))
    except UsageError as gone:
        raise ServiceError(
            f"{name} {number} is gone: it was deleted while it was waited for ({gone.message})",
            service="jenkins",
            hint="nobody knows its result; see who deletes builds there, or how few are kept",
        ) from gone


def not_ended(name: str, number: int, url: str = "") -> TimedOut:
    """For who would have waited for the end of a build."""
    return TimedOut(
        f"{name} {number} has not ended yet",
        service="jenkins",
        hint=f"it goes on: `pydeploy build-log {name} {number} --follow`, "
        f"`pydeploy stop-build {name} {number}`" + (f"; {url}" if url else ""),
    )


def item_of(jenkins: Jenkins, triggered: Triggered) -> QueueItem | None:
    """The queue item; none when Jenkins does not know it any more."""
    found = jenkins.queue_item(triggered.queue_id)
    if found is None:
        return None
    executable = found.get("executable") or {}
    return QueueItem(
        id=triggered.queue_id,
        state=_state(found),
        why=str(found.get("why") or ""),
        number=int(executable["number"]) if "number" in executable else None,
        job_url=str(found.get("task", {}).get("url", "")),
    )


def _state(found: dict[str, Any]) -> QueueState:
    """Of the classes WaitingItem, BlockedItem, BuildableItem and LeftItem of hudson.model.Queue."""
    if found.get("cancelled"):
        return "cancelled"
    if found.get("executable") or str(found.get("_class", "")).endswith("LeftItem"):
        return "left"
    if found.get("stuck"):
        return "stuck"
    if found.get("blocked"):
        return "blocked"
    if found.get("pending"):
        return "pending"
    return "buildable" if found.get("buildable") else "waiting"


def _tell(item: QueueItem, told: str, patience: Patience) -> str:
    """Say why it waits, when that is news.  The quiet period counts down: that is none."""
    if item.state in ("left", "cancelled"):
        return told
    why = f"{item.state}: {item.why}" if item.why else item.state
    if item.state == "waiting":
        why = "waiting: quiet period"
    if why != told:
        patience.say(f"in the queue, {why}")
    return why


def _by_queue_id(jenkins: Jenkins, triggered: Triggered) -> int | None:
    """The build that came from a queue item, among the last ones (Run.getQueueId)."""
    tree = f"builds[number,queueId]{{0,{_RECENT}}}"
    name = triggered.job
    try:
        found = jenkins.read(path_of(name), f"list the builds of {name}", tree)
    except Refused as no:
        if no.status == 404:
            return None
        raise
    for one in found.get("builds", []):
        if one.get("queueId") == triggered.queue_id:
            return int(one["number"])
    return None


def _cancelled(triggered: Triggered) -> ServiceError:
    return ServiceError(
        f"{triggered.job} was cancelled while it waited (queue item {triggered.queue_id})",
        service="jenkins",
        hint="somebody took it out of Jenkins' queue; trigger it again if it is still wanted",
    )
