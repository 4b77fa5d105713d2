"""Start a release and wait until it is healthy at its own address.

Compose starts it; the engine's events say when to look again; ports are probed directly.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from pydeploy import console, names
from pydeploy.clients import compose, plugins, shell
from pydeploy.clients.docker import DockerEngine
from pydeploy.deploy import diagnosis, failpoints, health, probe, subnets
from pydeploy.deploy.inventory import Scope
from pydeploy.deploy.plan import Kind, Model, Plan
from pydeploy.errors import ServiceError
from pydeploy.repository import documents
from pydeploy.state.records import Port

_LOOK_AGAIN = 5.0  # seconds after which we look without an event: one may have been lost
_PROBE_FIRST, _PROBE_LAST = 0.05, 0.5  # seconds between probes of a port, growing
_SILENCE = 10.0  # seconds after which a port that accepts but never answers is not HTTP


class Taken(Exception):
    """Something foreign holds a port or a subnet that we claimed."""

    def __init__(self, port: int | None = None, subnet: str | None = None) -> None:
        super().__init__(f"port {port}" if port else f"subnet {subnet}")
        self.port = port
        self.subnet = subnet


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
    folder: Path  # compose resolves relative paths against it; there are none left
    deadline: int
    cancel: threading.Event
    ensure: Callable[[], None]  # raises Superseded


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
    http = _wait_answering(start, until) if start.ports else ()
    overall = health.overall(start.plan, states)
    return Started(
        kind=start.plan.kind,
        states=states,
        http=http,
        is_completed=overall.is_done and not start.ports,
    )


def states(engine: DockerEngine, scope: Scope) -> tuple[health.ContainerState, ...]:
    """The containers of `scope` as they are now."""
    with engine.answering():
        listed = engine.api.containers(all=True, filters=scope.filters())
        found = []
        for one in listed:
            with contextlib.suppress(_not_found()):
                inspected = engine.api.inspect_container(one["Id"])
                found.append(health.of(inspected, one["Labels"].get(names.SERVICE, "?")))
    return tuple(sorted(found, key=lambda state: state.service))


def _not_found() -> type[Exception]:
    import docker.errors

    return docker.errors.NotFound


def _wait_settled(
    start: Start, up: _Compose, events: _Events, until: float
) -> tuple[health.ContainerState, ...]:
    """Until compose has ended and every container is up or done."""
    while True:
        start.ensure()
        events.changed.clear()
        ended = up.is_ended  # before looking, so that what it did last is seen
        now = states(start.engine, start.scope)
        overall = health.overall(start.plan, now)
        if overall.broken:
            raise diagnosis.broken(start.engine, overall.broken)
        if ended and up.has_failed():
            raise _why_compose_failed(start, up, overall)
        if ended and overall.is_settled and not _may_still_end(start, overall):
            return now
        left = until - time.monotonic()
        if left <= 0:
            if ended and overall.is_settled and not start.plan.is_job_certain:
                _warn_taken_for_worker(start)
                return now
            raise diagnosis.late(start.engine, overall, start.deadline)
        events.changed.wait(min(left, _LOOK_AGAIN))


def _may_still_end(start: Start, overall: health.Overall) -> bool:
    """A job that is still running; it has until the deadline."""
    return start.plan.kind == "job" and not overall.is_done


def _warn_taken_for_worker(start: Start) -> None:
    console.warn(
        f"still running after {start.deadline} s, and no port: taken for a worker. Say `kind: "
        "worker` or `kind: job` (with a longer `deadline`) in pydeploy.yml"
    )


def _why_compose_failed(start: Start, up: _Compose, overall: health.Overall) -> Exception:
    for port in start.ports:
        users = {one.state.service for one in overall.judgements if one.state.status == "running"}
        if port.service not in users and probe.accepts(start.engine.settings.bind, port.host_port):
            return Taken(port=port.host_port)
    for subnet in _foreign_subnets(start):
        return Taken(subnet=subnet)
    if "no space left on device" in up.tail:
        return ServiceError(
            f"the disk of engine {start.engine.name!r} is full",
            service="docker",
            hint="free some: `pydeploy prune`, `docker builder prune`",
            logs=up.tail,
        )
    if not start.engine.is_answering():
        return ServiceError(
            f"engine {start.engine.name!r} went away during the start",
            service="docker",
            hint="see that Docker runs there: `pydeploy doctor`",
        )
    return diagnosis.compose_failed(start.engine, overall, up.tail)


def _foreign_subnets(start: Start) -> list[str]:
    """Our subnets that overlap a network of somebody else: compose could not create ours."""
    mine = [IPv4Network(one) for one in start.subnets]
    others = subnets.taken(start.engine, but_project=start.project)
    return [str(one) for one in mine if any(one.overlaps(IPv4Network(other)) for other in others)]


# -- ports ------------------------------------------------------------------------------


def _wait_answering(start: Start, until: float) -> tuple[Port, ...]:
    """Until each published TCP port accepts and the front answers HTTP; the ports that are HTTP."""
    tcp = [port for port in start.ports if port.protocol == "tcp"]
    with ThreadPoolExecutor(max(len(tcp), 1)) as pool:
        answers = list(pool.map(lambda port: _wait_port(start, port, until), tcp))
    return tuple(port for port, is_http in zip(tcp, answers, strict=True) if is_http)


def _wait_port(start: Start, port: Port, until: float) -> bool:
    """True when it speaks HTTP.  Only the front must, and only where nobody can doubt it."""
    front = start.plan.front
    is_front = front is not None and (port.service, port.container_port) == (
        front.service,
        front.container_port,
    )
    must = is_front and start.plan.is_front_certain
    patience = until if is_front else min(until, time.monotonic() + _SILENCE)
    path = start.plan.settings.path if is_front else "/"
    answer = probe.Answer(kind="closed", detail="not asked in time")
    for _ in _growing_pauses(start, until):
        answer = _ask(start, port, path)
        if answer.kind == "http" and (not is_front or start.plan.settings.accepts(answer.status)):
            return True
        if must or answer.kind == "http":
            continue
        if answer.kind == "other" or (answer.kind == "silent" and time.monotonic() > patience):
            return False
        if answer.kind == "closed" and _closes_on_http(start, port, path):
            return False
    if answer.kind == "silent" and not must:
        return False
    raise diagnosis.not_answering(
        start.engine, start.scope, port, path, answer, start.plan.settings
    )


def _closes_on_http(start: Start, port: Port, path: str) -> bool:
    """True when the port surely listens, and yet closes at every request.

    Listening is seen before each request: a program that comes up between the two would else be
    taken for one that does not speak HTTP.
    """
    bind = start.engine.settings.bind
    return all(
        probe.accepts(bind, port.host_port) and _ask(start, port, path).kind == "closed"
        for _ in range(2)
    )


def _ask(start: Start, port: Port, path: str) -> probe.Answer:
    return probe.ask(start.engine.settings.bind, port.host_port, host=start.host, path=path)


def _growing_pauses(start: Start, until: float) -> Iterator[None]:
    pause = _PROBE_FIRST
    while True:
        start.ensure()
        yield
        if time.monotonic() + pause > until:
            return
        _fail_if_broken(start)
        start.cancel.wait(pause)
        pause = min(pause * 1.5, _PROBE_LAST)


def _fail_if_broken(start: Start) -> None:
    """A container that ends while we probe is the cause; do not wait for the deadline."""
    overall = health.overall(start.plan, states(start.engine, start.scope))
    if overall.broken:
        raise diagnosis.broken(start.engine, overall.broken)


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
        try:
            self._finished = shell.run(
                plugins.direct(
                    compose.up(project=self._start.project, directory=self._start.folder)
                ),
                stdin=documents.dumped(self._start.model),
                env_vars=shell.scrubbed(self._start.engine.env_vars()),
                cancel=self._cancel,
                timeout=self._start.deadline + 30,
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
