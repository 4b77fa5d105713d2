"""Containers that stand still while their volumes are copied, and surely go on afterwards.

Should we be killed meanwhile, a child of ours lets them go on; should the whole machine die, the
next sweep of that environment does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from pydeploy import console, names
from pydeploy.clients import docker_cli, shell
from pydeploy.clients.docker import DockerEngine
from pydeploy.deploy import turn
from pydeploy.deploy.inventory import Scope
from pydeploy.deploy.session import Session


@contextmanager
def frozen_environment(
    session: Session, environment: str, engine: DockerEngine, volumes: Collection[str]
) -> Iterator[None]:
    """Under its lock, so that nobody replaces what is copied: who uses `volumes` is paused."""
    with (
        turn.lock_of(session, environment),
        frozen(engine, users(engine, volumes)),
    ):
        yield


@contextmanager
def frozen(engine: DockerEngine, containers: Collection[str]) -> Iterator[None]:
    """Pause these containers for the block."""
    if not containers:
        yield
        return
    argv = docker_cli.unpause(sorted(containers))
    with shell.if_killed(argv, env_vars=shell.scrubbed(engine.lasting_env_vars())):
        try:
            with engine.obeying():
                for one in containers:
                    engine.api.pause(one)
            yield
        finally:
            for one in containers:
                _go_on(engine, one)


def paused(engine: DockerEngine, scope: Scope) -> list[str]:
    """The environment of each container that stands still now."""
    return [one["Labels"][names.ENVIRONMENT] for one in _paused(engine, scope)]


def _paused(engine: DockerEngine, scope: Scope) -> list[dict[str, Any]]:
    with engine.answering():
        there = engine.api.containers(filters=scope.filters())
    return [one for one in there if one.get("State") == "paused"]


def thaw(engine: DockerEngine, scope: Scope) -> int:
    """Let go on what somebody dead has paused; who calls holds the lock.  Returns how many."""
    found = _paused(engine, scope)
    for one in found:
        console.warn(f"{one['Names'][0].lstrip('/')} was paused by somebody who died; it goes on")
        _go_on(engine, one["Id"])
    return len(found)


def users(engine: DockerEngine, volumes: Collection[str]) -> list[str]:
    """The running containers that have one of these volumes."""
    if not volumes:
        return []
    filters = {"volume": sorted(volumes), "status": ["running"]}
    with engine.answering():
        return [one["Id"] for one in engine.api.containers(filters=filters)]


def _go_on(engine: DockerEngine, container: str) -> None:
    """409: it is not paused; 404: it is gone."""
    import docker.errors

    with engine.answering():
        try:
            engine.api.unpause(container)
        except docker.errors.APIError as refused:
            if refused.status_code not in (404, 409, 500):
                raise
