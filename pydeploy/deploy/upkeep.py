"""What is on record runs, and comes back with its engine: found and mended where it does not.

A dead attempt may have stopped a stateful service and not started it again, or have died after its
switch, before what it started was given its restart policy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydeploy import names
from pydeploy.clients.docker import DockerEngine
from pydeploy.deploy import containers, retire, stateful
from pydeploy.deploy.session import Session
from pydeploy.state.records import Environment


def failing(
    session: Session, engine: DockerEngine, records: Mapping[str, Environment]
) -> list[str]:
    """The environment of each container on `engine` that `mend` would see to."""
    with engine.answering():
        listed = engine.api.containers(all=True, filters=session.scope().filters())
    return [
        environment
        for one in listed
        if (environment := one["Labels"].get(names.ENVIRONMENT, "")) in records
        and _is_failing(engine, records[environment], one)
    ]


def mend(session: Session, record: Environment, fence: Callable[[], None]) -> None:
    """Start what is to run, and let it come back with its engine; the caller has the lock."""
    if record.current is None or record.state != "running":
        return
    engine = session.engine_of(record.current.engine)
    stateful.revive(session, record, engine, fence)
    retire.keep_running(engine, containers.of_record(session, record), retire.lasting(record))


def _is_failing(engine: DockerEngine, record: Environment, one: dict[str, Any]) -> bool:
    current, labels = record.current, one["Labels"]
    if current is None or record.state != "running" or current.engine != engine.name:
        return False
    service, attempt = labels.get(names.SERVICE, ""), labels.get(names.ATTEMPT, "")
    if labels.get(names.KEPT) == "true":
        kept = record.kept.services.get(service) if record.kept else None
        if kept is None or kept.is_done or attempt != str(kept.attempt):
            return False
        if one.get("State") in stateful.STOPPED:
            return True
    elif attempt != str(current.attempt):
        return False
    return one.get("State") == "running" and _would_not_come_back(engine, record, one)


def _would_not_come_back(engine: DockerEngine, record: Environment, one: dict[str, Any]) -> bool:
    found = containers.look_at(engine, one)
    return found is not None and retire.is_forgotten(found, retire.lasting(record))
