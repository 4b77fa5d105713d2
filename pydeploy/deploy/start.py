"""Start a release and wait until it is healthy at its own address.

Compose starts it; the engine's events say when to look again; ports are probed directly.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydeploy import console
from pydeploy.clients import compose, plugins, shell
from pydeploy.clients.docker import DockerEngine
from pydeploy.deploy import answering, containers, diagnosis, failpoints, health, refused
from pydeploy.deploy.inventory import Scope
from pydeploy.deploy.plan import Kind, Model, Plan
from pydeploy.errors import ServiceError
from pydeploy.repository import documents
from pydeploy.state.records import Port

_FOLDER = Path("/")  # compose resolves relative paths against it; there are none left
_LOOK_AGAIN = 5.0  # seconds after which we look without an event: one may have been lost


@dataclass(frozen=True, kw_only=True)
class Start:
    """Everything that starting one release needs."""

    engine: DockerEngine
    scope: Scope
    project: str
    model: Model
    plan: Plan
    ports: tuple[Port, ...]
    subnets: tuple[str, ...]
    host: str  # the front's Host header
    deadline: int
    cancel: threading.Event
    ensure: Callable[[], None]  # raises Superseded
    services: tuple[str, ...] = ()  # of the model; all where none is named

    def settings(self) -> dict[str, Any]:
        """How compose is run for it, whatever it does."""
        return {
            "stdin": documents.dumped(self.model),
            "env_vars": shell.scrubbed(self.engine.env_vars()),
            "timeout": self.deadline + 30,
        }


@dataclass(frozen=True, kw_only=True)
class Started:
    """How it came up: `kind` is settled now; `http` are the ports that answered HTTP."""

    kind: Kind
    states: tuple[health.ContainerState, ...]
    http: tuple[Port, ...]
    is_completed: bool
    warnings: tuple[str, ...] = ()


def run(start: Start) -> Started:
    """Start and wait; DeployError (author) says what did not come up, with its last lines."""
    until = time.monotonic() + start.deadline
    with _Events(start) as events, _Compose(start, events.changed.set) as up:
        failpoints.reach("during-start")
        states = _wait_settled(start, up, events, until)
    failpoints.reach("after-start")
    http = answering.wait(start, until) if start.ports else ()
    overall = health.overall(start.plan, states)
    return Started(
        kind=start.plan.kind,
        states=states,
        http=http,
        is_completed=overall.is_done and not start.ports,
    )


def create(start: Start) -> None:
    """Make the containers and networks of a start, and start nothing yet."""
    argv = plugins.direct(compose.create(project=start.project, directory=_FOLDER))
    try:
        made = shell.run(argv, cancel=start.cancel, **start.settings())
    except shell.TimedOut as late:
        raise ServiceError(
            f"engine {start.engine.name!r} does not make containers: {late}",
            service="docker",
            hint="see what it is busy with; `pydeploy doctor`",
        ) from late
    if made.code:
        overall = health.overall(start.plan, containers.states(start.engine, start.scope))
        raise refused.reason(start, overall, made.tail) or diagnosis.compose_failed(
            start.engine, overall, made.tail
        )


def _wait_settled(
    start: Start, up: _Compose, events: _Events, until: float
) -> tuple[health.ContainerState, ...]:
    """Until compose has ended and every container is up or done."""
    while True:
        start.ensure()
        events.changed.clear()
        ended = up.is_ended  # before looking, so that what it did last is seen
        now = containers.states(start.engine, start.scope)
        overall = health.overall(start.plan, now)
        if overall.broken:
            raise _why_broken(start, overall)
        if ended and up.has_failed():
            raise refused.reason(start, overall, up.tail) or diagnosis.compose_failed(
                start.engine, overall, up.tail
            )
        if ended and overall.is_settled and not _may_still_end(start, overall):
            return now
        left = until - time.monotonic()
        if left <= 0:
            if ended and overall.is_settled and not start.plan.is_job_certain:
                _warn_taken_for_worker(start)
                return now
            raise diagnosis.late(start.engine, overall, start.deadline)
        events.changed.wait(min(left, _LOOK_AGAIN))


def _why_broken(start: Start, overall: health.Overall) -> Exception:
    """The author's, unless it is the engine that could not start a container."""
    words = "\n".join(one.state.error for one in overall.broken if one.state.error)
    theirs = refused.reason(start, overall, words) if words else None
    return theirs or diagnosis.broken(start.engine, overall.broken)


def _may_still_end(start: Start, overall: health.Overall) -> bool:
    """A job that is still running; it has until the deadline."""
    return start.plan.kind == "job" and not overall.is_done


def _warn_taken_for_worker(start: Start) -> None:
    console.warn(
        f"still running after {start.deadline} s, and no port: taken for a worker. Say `kind: "
        "worker` or `kind: job` (with a longer `deadline`) in pydeploy.yml"
    )


# -- the two things that run beside us --------------------------------------------------


class _Events:
    """The engine's events of our containers; `changed` is set at each."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self.changed = threading.Event()
        self._stream: Any = None

    def __enter__(self) -> _Events:
        with self._start.engine.answering():
            self._stream = self._start.engine.sdk.events(
                filters=self._start.scope.filters(), decode=True
            )
        threading.Thread(target=self._follow, daemon=True).start()
        return self

    def _follow(self) -> None:
        with contextlib.suppress(Exception):  # the end of the stream; we look again anyway
            for _ in self._stream:
                self.changed.set()

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(Exception):
            self._stream.close()


class _Compose:
    """`docker compose up` in a thread: it waits for `depends_on`, while we look for failures."""

    def __init__(self, start: Start, on_end: Callable[[], None]) -> None:
        self._start = start
        self._on_end = on_end
        self._cancel = threading.Event()
        self._finished: shell.Finished | None = None
        self._problem: BaseException | None = None
        self.is_ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> _Compose:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._cancel.set()
        self._thread.join()

    def _run(self) -> None:
        up = compose.up(
            project=self._start.project, directory=_FOLDER, services=self._start.services
        )
        try:
            self._finished = shell.run(
                plugins.direct(up), cancel=self._cancel, **self._start.settings()
            )
        except BaseException as problem:  # handed to the main thread
            self._problem = problem
        self.is_ended = True
        self._on_end()

    def has_failed(self) -> bool:
        if self._problem is not None and not isinstance(self._problem, shell.TimedOut):
            raise self._problem
        return self._finished is None or self._finished.code != 0

    @property
    def tail(self) -> str:
        return self._finished.tail if self._finished else ""
