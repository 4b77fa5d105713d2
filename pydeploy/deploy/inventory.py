"""What of ours is on an engine, by label, and how it goes.  Undo, drain, remove and prune use this.

Nothing without our site's label is ever looked at, so nothing foreign can be touched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydeploy import names
from pydeploy.clients.docker import DockerEngine

_GONE = 404
_WORKERS = 8


@dataclass(frozen=True, kw_only=True)
class Item:
    """One container, network or volume with our labels."""

    kind: str
    identity: str  # id of a container or network, name of a volume
    name: str
    labels: Mapping[str, str]
    anonymous_volumes: tuple[str, ...] = ()

    @property
    def environment(self) -> str:
        return self.labels.get(names.ENVIRONMENT, "")

    @property
    def release(self) -> str:
        return self.labels.get(names.RELEASE, "")

    @property
    def service(self) -> str:
        return self.labels.get(names.SERVICE, "")

    @property
    def is_kept(self) -> bool:
        """Of the environment, not of one of its releases."""
        return self.labels.get(names.KEPT) == "true"

    @property
    def attempt(self) -> int:
        text = self.labels.get(names.ATTEMPT, "")
        return int(text) if text.isdigit() else 0


@dataclass(frozen=True, kw_only=True)
class Inventory:
    containers: tuple[Item, ...] = ()
    networks: tuple[Item, ...] = ()
    volumes: tuple[Item, ...] = ()

    def where(self, keep: Callable[[Item], bool]) -> Inventory:
        return Inventory(
            containers=tuple(filter(keep, self.containers)),
            networks=tuple(filter(keep, self.networks)),
            volumes=tuple(filter(keep, self.volumes)),
        )

    def items(self) -> tuple[Item, ...]:
        return (*self.containers, *self.networks, *self.volumes)

    def counts(self) -> dict[str, int]:
        return {
            "containers": len(self.containers),
            "networks": len(self.networks),
            "volumes": len(self.volumes)
            + sum(len(container.anonymous_volumes) for container in self.containers),
        }


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Which of our things: all of a site, or of one environment, or of one attempt.

    `is_kept` chooses what belongs to the environment, or what belongs to its releases.
    """

    site: str
    environment: str | None = None
    attempt: int | None = None
    is_kept: bool | None = None

    def filters(self) -> dict[str, list[str]]:
        labels = [f"{names.SITE}={self.site}"]
        if self.environment is not None:
            labels.append(f"{names.ENVIRONMENT}={self.environment}")
        if self.attempt is not None:
            labels.append(f"{names.ATTEMPT}={self.attempt}")
        if self.is_kept is not None:
            labels.append(f"{names.KEPT}={'true' if self.is_kept else 'false'}")
        return {"label": labels}


def take(engine: DockerEngine, scope: Scope) -> Inventory:
    """What is there now; ServiceError when the engine does not answer."""
    filters = scope.filters()
    with engine.answering():
        containers = engine.api.containers(all=True, filters=filters)
        networks = engine.api.networks(filters=filters)
        volumes = engine.api.volumes(filters=filters)["Volumes"] or []
    return Inventory(
        containers=tuple(_container(one) for one in containers),
        networks=tuple(
            Item(kind="network", identity=one["Id"], name=one["Name"], labels=one["Labels"] or {})
            for one in networks
        ),
        volumes=tuple(
            Item(kind="volume", identity=one["Name"], name=one["Name"], labels=one["Labels"] or {})
            for one in volumes
        ),
    )


def _container(one: dict[str, Any]) -> Item:
    return Item(
        kind="container",
        identity=one["Id"],
        name=(one["Names"] or ["/?"])[0].lstrip("/"),
        labels=one["Labels"] or {},
        anonymous_volumes=tuple(
            mount["Name"]
            for mount in one.get("Mounts", [])
            if mount.get("Type") == "volume" and len(mount.get("Name", "")) == 64
        ),
    )


def existing(engine: DockerEngine, volumes: Sequence[str]) -> list[str]:
    """Which of these volumes are still there."""
    if not volumes:
        return []
    with engine.answering():
        there = engine.api.volumes()["Volumes"] or []
    names_there = {one["Name"] for one in there}
    return [name for name in volumes if name in names_there]


def erase(engine: DockerEngine, found: Inventory, *, grace: int) -> None:
    """Stop and remove what `found` lists: containers first, then networks and volumes.

    What has gone meanwhile is no error.  `grace` is the seconds between SIGTERM and SIGKILL; what
    keeps data has at least those that it asks for itself.
    """
    with engine.obeying(), ThreadPoolExecutor(_WORKERS) as pool:
        list(pool.map(lambda one: _erase_container(engine, one, grace), found.containers))
        list(pool.map(lambda one: _erase_network(engine, one), found.networks))
        list(pool.map(lambda one: _erase_volume(engine, one.identity), found.volumes))
        anonymous = [name for one in found.containers for name in one.anonymous_volumes]
        list(pool.map(lambda name: _erase_volume(engine, name), anonymous))


def _erase_container(engine: DockerEngine, one: Item, grace: int) -> None:
    _unless_gone(lambda: engine.api.stop(one.identity, timeout=_grace(engine, one, grace)))
    _unless_gone(lambda: engine.api.remove_container(one.identity, v=True, force=True))


def _grace(engine: DockerEngine, one: Item, least: int) -> int:
    if not one.is_kept:
        return least
    return max(least, engine.api.inspect_container(one.identity)["Config"].get("StopTimeout") or 0)


def _erase_network(engine: DockerEngine, one: Item) -> None:
    def go() -> None:
        for container in engine.api.inspect_network(one.identity).get("Containers") or {}:
            leave = partial(engine.api.disconnect_container_from_network, container, one.identity)
            _unless_gone(partial(leave, force=True))
        engine.api.remove_network(one.identity)

    _unless_gone(go)


def _erase_volume(engine: DockerEngine, name: str) -> None:
    _unless_gone(lambda: engine.api.remove_volume(name))


def _unless_gone(act: Callable[[], Any]) -> None:
    """404: it has gone already; 409 on removal: somebody else is removing it."""
    import docker.errors

    try:
        act()
    except docker.errors.APIError as refused:
        status = refused.response.status_code if refused.response is not None else 0
        in_progress = status == 409 and "is already in progress" in str(refused.explanation)
        if status != _GONE and not in_progress:
            raise
