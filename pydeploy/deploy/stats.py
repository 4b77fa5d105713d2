"""What environments use right now: one sample of every container, taken side by side.

The engine's own two samples a second apart would be a second for each; here all containers are
asked twice in one pass, `_PAUSE` apart, and the processor's share is computed between them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from pydeploy import console, names
from pydeploy.clients.docker import DockerEngine
from pydeploy.deploy.session import Session
from pydeploy.errors import ServiceError

_WORKERS = 16
_PAUSE = 0.5  # seconds between the two samples
_NANO = 1e9


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Of one container.  `cpu` is in processors (1.5: one and a half), the rest in bytes."""

    engine: str
    environment: str
    service: str
    cpu: float
    memory: int
    memory_limit: int
    network_in: int
    network_out: int
    block_read: int
    block_write: int
    processes: int
    restarts: int
    is_oom_killed: bool

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def sample(
    session: Session, environments: Iterable[str], sleep: Callable[[float], None] = time.sleep
) -> list[Usage]:
    """The running containers of these environments (of all without any), the biggest first.

    An engine that does not answer is said, and left out.
    """
    wanted = set(environments)
    found: list[Usage] = []
    for name in session.site.engines:
        try:
            found += _of_engine(session, session.engine_of(name), wanted, sleep)
        except ServiceError as away:
            console.warn(f"engine {name}: {away.message}")
    return sorted(found, key=lambda one: one.memory, reverse=True)


def by(usages: Iterable[Usage], attribute: str) -> dict[str, dict[str, float]]:
    """Sums by `environment` or `engine`: cpu, memory, containers."""
    sums: dict[str, dict[str, float]] = {}
    for one in usages:
        total = sums.setdefault(getattr(one, attribute), {"cpu": 0.0, "memory": 0, "containers": 0})
        total["cpu"] = round(total["cpu"] + one.cpu, 3)
        total["memory"] += one.memory
        total["containers"] += 1
    return sums


def _of_engine(
    session: Session, engine: DockerEngine, wanted: set[str], sleep: Callable[[float], None]
) -> list[Usage]:
    with engine.answering():
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
        _usage(engine.name, one["Labels"], before, after, state)
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

    with engine.answering():
        try:
            return act()
        except docker.errors.NotFound:
            return {}


def _usage(
    engine: str,
    labels: dict[str, str],
    before: dict[str, Any],
    after: dict[str, Any],
    inspected: dict[str, Any],
) -> Usage:
    networks = (after.get("networks") or {}).values()
    blocks = (after.get("blkio_stats") or {}).get("io_service_bytes_recursive") or []
    memory = after.get("memory_stats") or {}
    return Usage(
        engine=engine,
        environment=labels.get(names.ENVIRONMENT, ""),
        service=labels.get(names.SERVICE, ""),
        cpu=round(_cpu(before, after), 3),
        memory=_memory(memory),
        memory_limit=int(memory.get("limit", 0)),
        network_in=sum(one["rx_bytes"] for one in networks),
        network_out=sum(one["tx_bytes"] for one in networks),
        block_read=sum(one["value"] for one in blocks if one["op"].lower() == "read"),
        block_write=sum(one["value"] for one in blocks if one["op"].lower() == "write"),
        processes=int((after.get("pids_stats") or {}).get("current", 0)),
        restarts=int(inspected.get("RestartCount", 0)),
        is_oom_killed=bool(inspected["State"].get("OOMKilled")),
    )


def _cpu(before: dict[str, Any], after: dict[str, Any]) -> float:
    """Processors in use between two samples."""
    spent = _total(after) - _total(before)
    seconds = _read(after) - _read(before)
    return max(spent, 0) / _NANO / seconds if seconds > 0 else 0.0


def _total(sample_: dict[str, Any]) -> int:
    return int(sample_["cpu_stats"]["cpu_usage"].get("total_usage", 0))


def _read(sample_: dict[str, Any]) -> float:
    from datetime import datetime

    return datetime.fromisoformat(f"{sample_['read'][:26].rstrip('Z')}+00:00").timestamp()


def _memory(memory: dict[str, Any]) -> int:
    """Without the page cache that can be dropped, as `docker stats` counts."""
    detail = memory.get("stats") or {}
    cache = detail.get("inactive_file", detail.get("total_inactive_file", 0))
    return max(int(memory.get("usage", 0)) - int(cache), 0)
