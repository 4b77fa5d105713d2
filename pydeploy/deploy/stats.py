"""What environments use right now: one sample of every container, taken side by side.

The engine's own two samples a second apart would be a second for each; here all containers are
asked twice in one pass, `_PAUSE` apart, and the processor's share is computed between them.
Engines are asked at the same time, and one that has not answered within `_LIMIT` is away.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from pydeploy import names
from pydeploy.clients.docker import DockerEngine
from pydeploy.deploy import usage
from pydeploy.deploy.session import Session
from pydeploy.deploy.usage import Usage
from pydeploy.errors import ServiceError
from pydeploy.state.records import Environment

_WORKERS = 16
_PAUSE = 0.5  # seconds between the two samples
_LIMIT = 20.0  # seconds


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The running containers, the biggest first; and why an engine said nothing."""

    containers: tuple[Usage, ...]
    away: dict[str, str]


def sample(
    session: Session,
    records: Collection[Environment] = (),
    *,
    limit: float = _LIMIT,
    sleep: Callable[[float], None] = time.sleep,
) -> Sample:
    """Of these environments, on the engines that they are on; of everything without any."""
    wanted = {one.name for one in records}
    asked = _engines(session, records)
    answers: queue.Queue[tuple[str, list[Usage] | ServiceError]] = queue.Queue()

    def ask(name: str) -> None:
        try:
            answers.put((name, _of_engine(session, session.engine_of(name), wanted, sleep)))
        except ServiceError as away:
            answers.put((name, away))

    for name in asked:  # daemons: one that hangs is not waited for, at the end neither
        threading.Thread(target=ask, args=(name,), daemon=True).start()
    found: list[Usage] = []
    away = dict.fromkeys(asked, f"no answer within {limit:g} seconds")
    for name, answer in _within(limit, answers, len(asked)):
        if isinstance(answer, ServiceError):
            away[name] = answer.message
        else:
            del away[name]
            found += answer
    by_memory = sorted(found, key=lambda one: one.memory, reverse=True)
    return Sample(containers=tuple(by_memory), away=away)


def _engines(session: Session, records: Collection[Environment]) -> list[str]:
    """An engine on which none of the environments is has nothing to say."""
    named = {one.current.engine for one in records if one.current}
    named |= {one.kept.engine for one in records if one.kept}
    return [name for name in session.site.engines if name in named or not records]


def _within(limit: float, answers: queue.Queue[Any], count: int) -> Iterable[Any]:
    until = time.monotonic() + limit
    for _ in range(count):
        try:
            yield answers.get(timeout=max(until - time.monotonic(), 0))
        except queue.Empty:
            return


def _of_engine(
    session: Session, engine: DockerEngine, wanted: set[str], sleep: Callable[[float], None]
) -> list[Usage]:
    with engine.obeying():
        listed = engine.api.containers(filters=session.scope().filters())
    mine = [one for one in listed if not wanted or one["Labels"][names.ENVIRONMENT] in wanted]
    if not mine:
        return []
    with ThreadPoolExecutor(_WORKERS) as pool:
        first = list(pool.map(lambda one: _ask(engine, one["Id"]), mine))
        sleep(_PAUSE)
        second = list(pool.map(lambda one: _ask(engine, one["Id"]), mine))
        states = list(pool.map(lambda one: _inspect(engine, one["Id"]), mine))
    samples = zip(mine, first, second, states, strict=True)
    return [
        usage.of(engine.name, one["Labels"], before, after, state)
        for one, before, after, state in samples
        if before and after and state
    ]


def _ask(engine: DockerEngine, container: str) -> dict[str, Any]:
    """Empty when it has ended meanwhile."""
    return _unless_gone(
        engine, lambda: engine.api.stats(container, stream=False, one_shot=True, decode=None)
    )


def _inspect(engine: DockerEngine, container: str) -> dict[str, Any]:
    return _unless_gone(engine, lambda: engine.api.inspect_container(container))


def _unless_gone(engine: DockerEngine, act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    import docker.errors

    with engine.obeying():
        try:
            return act()
        except docker.errors.NotFound:
            return {}
