"""What runs, from the records, and how its containers are right now."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

from pydeploy import durations, names
from pydeploy.deploy import extend
from pydeploy.deploy.session import Session
from pydeploy.errors import ServiceError, SiteConfigError
from pydeploy.state import store
from pydeploy.state.records import Environment


def describe(session: Session, records: list[Environment]) -> list[dict[str, Any]]:
    """Each record with `health`: `3/3 up`, `gone`, `engine away`, or empty when completed."""
    alive = _containers(session, {one.current.engine for one in records if one.current})
    return [_one(session, record, alive) for record in sorted(records, key=_order)]


def _order(record: Environment) -> tuple[bool, int, str]:
    is_number = record.name.isdigit()
    return (is_number, int(record.name) if is_number else 0, record.name)


Alive = dict[str, "dict[int, dict[str, str]] | None"]
"""engine → attempt → service → how its container is; None for an engine that is away."""


def _containers(session: Session, engines: set[str]) -> Alive:
    found: Alive = {}
    for name in engines:
        by_attempt: dict[int, dict[str, str]] = defaultdict(dict)
        try:
            engine = session.engine_of(name)
            with engine.answering():
                listed = engine.api.containers(all=True, filters=session.scope().filters())
        except (ServiceError, SiteConfigError):  # away, or no longer in the site
            found[name] = None
            continue
        for one in listed:
            labels = one["Labels"]
            service = labels.get(names.SERVICE, "?")
            by_attempt[int(labels.get(names.ATTEMPT, "0"))][service] = one["Status"]
        found[name] = by_attempt
    return found


def _one(session: Session, record: Environment, alive: Alive) -> dict[str, Any]:
    current = record.current
    value = record.model_dump(exclude={"current", "kept"})
    value["release"] = current.name if current else ""
    value["engine"] = current.engine if current else ""
    value["ports"] = [port.model_dump() for port in current.ports] if current else []
    value["images"] = [image.model_dump() for image in current.images] if current else []
    value["data"] = _data(record)
    value["is_expiring"] = extend.is_expiring(session, record)
    value["health"] = _health(record, alive)
    return value


def _data(record: Environment) -> dict[str, Any] | None:
    """What is kept, if anything: the stateful services, and volumes by name."""
    kept = record.kept
    return {"services": sorted(kept.services), "volumes": kept.volumes} if kept else None


def _health(record: Environment, alive: Alive) -> str:
    if record.state == "completed" or record.current is None:
        return ""
    by_attempt = alive.get(record.current.engine)
    if by_attempt is None:
        return "engine away"
    states = dict(by_attempt.get(record.current.attempt, {}))
    for service, one in (record.kept.services if record.kept else {}).items():
        if service in (there := by_attempt.get(one.attempt, {})):
            states[service] = there[service]
    served = {port.service for port in record.current.ports}
    up = sum(_is_up(status, service in served) for service, status in states.items())
    return f"{up}/{len(states)} up" if states else "gone"


def _is_up(status: str, has_port: bool) -> bool:
    """`status` as `docker ps` words it; a one-shot that exited 0 counts as up."""
    if status.startswith("Exited (0)"):
        return not has_port
    return status.startswith("Up") and "(unhealthy)" not in status


def left(expires: str | None) -> str:
    """`2d 3h` until then, `expired`, or `never`."""
    if expires is None:
        return "never"
    seconds = (datetime.fromisoformat(expires) - store.now()).total_seconds()
    return durations.show(seconds) if seconds > 0 else "expired"


def age(created: str) -> str:
    return durations.show((store.now() - datetime.fromisoformat(created)).total_seconds())
