"""How the containers of a scope are right now, as the engine says it."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from pydeploy import names
from pydeploy.clients.docker import DockerEngine
from pydeploy.deploy import health
from pydeploy.deploy.inventory import Scope
from pydeploy.deploy.session import Session
from pydeploy.errors import UsageError
from pydeploy.state.records import Environment, Kept

_LOOK_AGAIN = 0.1  # seconds between looks at a container that was started again


def states(engine: DockerEngine, scope: Scope) -> tuple[health.ContainerState, ...]:
    """The containers of `scope` as they are now."""
    with engine.answering():
        listed = engine.api.containers(all=True, filters=scope.filters())
        looked = (look_at(engine, one) for one in listed)
        found = [state for state in looked if state]
    return tuple(sorted(found, key=lambda state: state.service))


def look_at(engine: DockerEngine, listed: dict[str, Any]) -> health.ContainerState | None:
    """A container of the engine's list as it is now; None where it is gone."""
    with engine.answering(), contextlib.suppress(_not_found()):
        inspected = engine.api.inspect_container(listed["Id"])
        return health.of(inspected, listed["Labels"].get(names.SERVICE, "?"))
    return None


def kept(
    session: Session, environment: str, recorded: Kept | None
) -> dict[str, health.ContainerState]:
    """The stateful containers that are on record and there, by service."""
    if recorded is None:
        return {}
    engine = session.engine_of(recorded.engine)
    attempts = {one.attempt for one in recorded.services.values()}
    return {
        state.service: state
        for attempt in attempts
        for state in states(engine, session.scope(environment, attempt, is_kept=True))
        if (one := recorded.services.get(state.service)) and one.attempt == attempt
    }


def of_record(session: Session, record: Environment) -> tuple[health.ContainerState, ...]:
    """All containers of what is on record: the release's and the stateful ones."""
    if record.current is None:
        return ()
    engine = session.engine_of(record.current.engine)
    scope = session.scope(record.name, record.current.attempt, is_kept=False)
    found = [*states(engine, scope), *kept(session, record.name, record.kept).values()]
    return tuple(sorted(found, key=lambda state: state.service))


def of_service(session: Session, record: Environment, service: str) -> str:
    """The id of the container of a service, running or not; UsageError if there is none."""
    return _of_service(session, record, service).identity


def running(session: Session, environment: str, service: str) -> str:
    """The id of the container in which a service of an environment runs; UsageError if none."""
    record = session.store.environment(environment)
    if record is None:
        raise UsageError(
            f"there is no environment {environment!r}", hint="`pydeploy status` lists them"
        )
    found = _of_service(session, record, service)
    if found.status != "running":
        raise UsageError(
            f"{service} of {environment} does not run: it is {found.status}",
            hint=f"`pydeploy logs {environment} {service}` says why",
        )
    return found.identity


def _of_service(session: Session, record: Environment, service: str) -> health.ContainerState:
    found = {one.service: one for one in of_record(session, record)}
    if service not in found:
        raise UsageError(
            f"environment {record.name} has no service {service!r}",
            hint=f"choose one of: {', '.join(found) or 'none'}",
        )
    return found[service]


def wait_up(engine: DockerEngine, identity: str, limit: float) -> bool:
    """Until a container runs, and is healthy if it can tell; False after `limit` seconds."""
    until = time.monotonic() + limit
    while True:
        with engine.obeying():
            state = health.of(engine.api.inspect_container(identity), "")
        if state.status == "running" and state.health in ("", "healthy"):
            return True
        if time.monotonic() > until:
            return False
        time.sleep(_LOOK_AGAIN)


def _not_found() -> type[Exception]:
    import docker.errors

    return docker.errors.NotFound
