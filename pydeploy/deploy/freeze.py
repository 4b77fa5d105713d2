"""Containers that stand still while their volumes are copied, and surely go on afterwards.

Should we be killed meanwhile, or the engine be away when they are to go on, a child of ours lets
them; should the whole machine die, the next sweep of that environment does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from pydeploy import console, interrupts, names
from pydeploy.clients import docker_cli, shell
from pydeploy.clients.docker import DockerEngine
from pydeploy.deploy import turn
from pydeploy.deploy.inventory import Scope
from pydeploy.deploy.session import Session
from pydeploy.errors import PydeployError, ServiceError

_CONFLICT = 409
_PATIENCE = 300.0  # seconds for which an engine that is away is waited for


@contextmanager
def frozen_environment(
    session: Session, environment: str, engine: DockerEngine, volumes: Collection[str]
) -> Iterator[None]:
    """Under its lock, so that nobody replaces what is copied: who uses `volumes` is paused."""
    with (
        turn.lock_of(session, environment),
        frozen(engine, users(engine, volumes)) as ensure,
    ):
        yield
        ensure()


@contextmanager
def frozen(engine: DockerEngine, containers: Collection[str]) -> Iterator[Callable[[], None]]:
    """Pause these containers for the block, which gets what raises if one of them went on.

    ServiceError where they could not be let go on at its end: then a child of ours tries for a
    while, because the engine may be away for a moment only.
    """
    if not containers:
        yield lambda: None
        return
    ids = sorted(containers)
    act, look = docker_cli.unpause(ids), docker_cli.paused(ids)
    env_vars = shell.scrubbed(engine.lasting_env_vars())
    with shell.watchdog(act, look, env_vars=env_vars, seconds=_PATIENCE) as watchdog:
        try:
            for one in ids:
                _stand_still(engine, one)
            yield partial(_ensure_still, engine, ids)
        finally:
            with interrupts.held_back():
                _all_go_on(engine, ids)
                watchdog.call_off()


def _all_go_on(engine: DockerEngine, containers: Iterable[str]) -> None:
    """One that fails must not leave the others standing."""
    left: dict[str, PydeployError] = {}
    for one in containers:
        try:
            _go_on(engine, one)
        except PydeployError as failure:
            left[one[:12]] = failure
    if left:
        why = next(iter(left.values()))
        raise ServiceError(
            f"{', '.join(left)} on engine {engine.name!r} may stand still: {why.message}",
            service="docker",
            hint=f"it is tried again for {_PATIENCE:g} s; then `pydeploy prune` lets them go on",
        ) from why


def _ensure_still(engine: DockerEngine, containers: Sequence[str]) -> None:
    filters = {"id": containers, "status": ["running"]}
    with engine.answering():
        going = engine.api.containers(filters=filters)
    if going:
        raise ServiceError(
            f"{going[0]['Names'][0].lstrip('/')} was let go on while its volumes were read, "
            "so what was read is not of one moment",
            service="docker",
            hint="run the same command again",
        )


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
    """The containers that have one of these volumes and run, or would if they were let go on."""
    if not volumes:
        return []
    filters = {"volume": sorted(volumes), "status": ["running", "paused"]}
    with engine.answering():
        return [one["Id"] for one in engine.api.containers(filters=filters)]


def _stand_still(engine: DockerEngine, container: str) -> None:
    """409: it does already; somebody dead may have paused it."""
    import docker.errors

    with engine.obeying():
        try:
            engine.api.pause(container)
        except docker.errors.APIError as refused:
            if refused.status_code != _CONFLICT:
                raise


def _go_on(engine: DockerEngine, container: str) -> None:
    """No matter if it is not paused (which the engine takes for an error of its own), or gone."""
    import docker.errors

    with engine.obeying():
        try:
            engine.api.unpause(container)
        except docker.errors.NotFound:
            return
        except docker.errors.APIError:
            if engine.api.inspect_container(container)["State"]["Paused"]:
                raise
