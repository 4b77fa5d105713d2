"""What one container uses, read off two samples of the engine's; and sums of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from pydeploy import names

_NANO = 1e9
_SUMMED = (
    "cpu",
    "memory",
    "memory_limit",
    "network_in",
    "network_out",
    "block_read",
    "block_write",
    "processes",
    "restarts",
)


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Of one container.  `cpu` is in percent of one processor (150: one and a half), memory,
    network and blocks are in bytes, the latter two since it started."""

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


def sums(
    usages: Iterable[Usage], by: Literal["environment", "engine"]
) -> dict[str, dict[str, float]]:
    """Name → all numbers summed, `containers`, and how many are `oom_killed`; biggest first."""
    groups: dict[str, list[Usage]] = defaultdict(list)
    for one in usages:
        groups[getattr(one, by)].append(one)
    found = {name: _sum(group) for name, group in groups.items()}
    return dict(sorted(found.items(), key=lambda item: item[1]["memory"], reverse=True))


def _sum(group: list[Usage]) -> dict[str, float]:
    return {
        "containers": len(group),
        **{key: round(sum(getattr(one, key) for one in group), 1) for key in _SUMMED},
        "oom_killed": sum(one.is_oom_killed for one in group),
    }


def of(
    engine: str,
    labels: Mapping[str, str],
    before: dict[str, Any],
    after: dict[str, Any],
    inspected: dict[str, Any],
) -> Usage:
    """From two answers of `/stats` and one of `/json`."""
    networks = (after.get("networks") or {}).values()
    memory = after.get("memory_stats") or {}
    return Usage(
        engine=engine,
        environment=labels.get(names.ENVIRONMENT, ""),
        service=labels.get(names.SERVICE, ""),
        cpu=round(_cpu(before, after), 1),
        memory=_memory(memory),
        memory_limit=int(memory.get("limit", 0)),
        network_in=sum(one["rx_bytes"] for one in networks),
        network_out=sum(one["tx_bytes"] for one in networks),
        block_read=_blocks(after, "read"),
        block_write=_blocks(after, "write"),
        processes=int((after.get("pids_stats") or {}).get("current", 0)),
        restarts=int(inspected.get("RestartCount", 0)),
        is_oom_killed=bool(inspected["State"].get("OOMKilled")),
    )


def _cpu(before: dict[str, Any], after: dict[str, Any]) -> float:
    spent = (_total(after) - _total(before)) / _NANO
    seconds = (_read(after) - _read(before)).total_seconds()
    return 100 * max(spent, 0) / seconds if seconds > 0 else 0.0


def _total(sample: dict[str, Any]) -> int:
    return int((sample.get("cpu_stats") or {}).get("cpu_usage", {}).get("total_usage", 0))


def _read(sample: dict[str, Any]) -> datetime:
    """When it was taken; the engine says the year 1 of what does not run."""
    return datetime.fromisoformat(sample["read"])


def _memory(memory: dict[str, Any]) -> int:
    """Without the page cache that can be dropped, as `docker stats` counts."""
    detail = memory.get("stats") or {}
    cache = detail.get("inactive_file", detail.get("total_inactive_file", 0))
    return max(int(memory.get("usage", 0)) - int(cache), 0)


def _blocks(sample: dict[str, Any], kind: str) -> int:
    blocks = (sample.get("blkio_stats") or {}).get("io_service_bytes_recursive") or []
    return sum(one["value"] for one in blocks if one["op"].lower() == kind)
