"""How the containers of a scope are right now, as the engine says it."""

from __future__ import annotations

import contextlib

from pydeploy import names
from pydeploy.clients.docker import DockerEngine
from pydeploy.deploy import health
from pydeploy.deploy.inventory import Scope


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
