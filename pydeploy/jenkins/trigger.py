"""Asking for a build: looked at first, then one request."""

from __future__ import annotations

from collections.abc import Callable

from pydeploy import interrupts
from pydeploy.clients.jenkins import CAUSE, Jenkins
from pydeploy.clients.jenkins_answers import Refused
from pydeploy.clients.jenkins_http import Field, Upload
from pydeploy.errors import UsageError
from pydeploy.jenkins import jobs, parameters
from pydeploy.jenkins.once import MARK, Ledger
from pydeploy.jenkins.values import CORE_FILE, Job, Request, Triggered


def trigger(
    jenkins: Jenkins,
    request: Request,
    *,
    ledger: Ledger | None = None,
    key: str = "",
    warn: Callable[[str], None] = lambda _: None,
    on_asked: Callable[[Triggered], None] = lambda _: None,
) -> Triggered:
    """Ask for one build, and say which queue item it is.

    While the request is on its way, a signal is held back until Jenkins has answered, for at most
    interrupts.DEFER_LIMIT seconds; then it is Unsettled.  `on_asked` gets what this returns, also
    when a signal is raised instead.

    With a `ledger` and an idempotency `key`, at most one build a day is asked for under that key,
    however often and wherever this is called.  Raises UsageError for what the job does not take,
    ServiceError where Jenkins does not; Unsettled (a ServiceError) when the request went out and
    nobody knows what became of it.
    """
    job = buildable(jenkins, request.job)
    token = jenkins.login.trigger_token
    parameters.check(job, request, has_trigger_token=bool(token))
    for one in job.parameters:
        if one.is_password and one.name in request.open:
            warn(f"everybody on this machine can read {one.name!r} in the command line; use -e")

    def ask(mark: str) -> Triggered:
        triggered = _ask(jenkins, job, request, mark)
        on_asked(triggered)
        return triggered

    if ledger and key:
        return ledger.once(jenkins, job, key, ask, warn=warn)
    with interrupts.deferred():
        return ask("")


def buildable(jenkins: Jenkins, name: str) -> Job:
    """The job of that name, which can be built."""
    job = jobs.job(jenkins, name)
    if job.is_folder:
        below = f": {', '.join(job.children[:10])}" if job.children else ", and it is empty"
        raise UsageError(
            f"{job.name!r} is a folder of jobs{below}", hint=f"`pydeploy jobs {job.name}` lists all"
        )
    if not job.is_buildable:
        raise Refused(
            f"{job.name} cannot be built: it is disabled",
            status=409,
            hint="enable it in Jenkins, on its page",
        )
    return job


def _ask(jenkins: Jenkins, job: Job, request: Request, mark: str) -> Triggered:
    names = {one.name for one in job.parameters}
    fields: list[Field] = list(request.parameters.items())
    if mark and MARK in names - request.parameters.keys():
        fields.append((MARK, mark))
    queued = jenkins.build(
        job.name,
        is_parameterized=job.is_parameterized,
        fields=fields,
        uploads=[
            Upload(name=name, file_name=file_name, content=content)
            for name, (file_name, content) in request.files.items()
        ],
        # file-parameters looks for its own in a multipart body, also where none is given.
        is_multipart=any(one.is_file and one.kind != CORE_FILE for one in job.parameters),
        cause="" if CAUSE in names else f"pydeploy {mark}".strip(),  # it would be a value
    )
    return Triggered(job=job.name, queue_id=queued.queue_id, is_merged=queued.is_merged)
