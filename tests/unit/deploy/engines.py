"""An engine that lists what a test says, for the parts of the deploy that only look."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import docker.errors

from pydeploy.clients.docker import DockerEngine
from pydeploy.config.site import Engine


def container(service: str = "web", **state: Any) -> dict[str, Any]:
    """What `docker inspect` says of one that runs, without a health check."""
    return {
        "Id": service,
        "State": {"Status": "running", **state},
        "HostConfig": {"RestartPolicy": {"Name": "no"}},
    }


class Api:
    """`gone` are containers that end between being listed and being looked at."""

    def __init__(
        self, *containers: dict[str, Any], gone: tuple[str, ...] = (), networks: Any = ()
    ) -> None:
        self.inspected = {one["Id"]: one for one in containers}
        self.listed = [*self.inspected, *gone]
        self.updated: dict[str, Any] = {}
        self._networks = networks

    def containers(self, **_: Any) -> list[dict[str, Any]]:
        return [{"Id": one, "Labels": {"io.pydeploy.service": one}} for one in self.listed]

    def inspect_container(self, identity: str) -> dict[str, Any]:
        if identity not in self.inspected:
            raise docker.errors.NotFound("gone")
        return self.inspected[identity]

    def update_container(self, identity: str, *, restart_policy: Any) -> None:
        self.updated[identity] = restart_policy

    def networks(self, **_: Any) -> Any:
        return self._networks

    def logs(self, *_: Any, **__: Any) -> bytes:
        return b""


def engine(
    api: Any, *, name: str = "local", host: str = "unix:///x", is_away: bool = False
) -> DockerEngine:
    """One that answers as `api` does, wherever it is: no ssh is started."""

    def ping() -> bool:
        if is_away:
            raise docker.errors.DockerException("connection refused")
        return True

    api.ping = ping
    found = DockerEngine(name, Engine(host=host))
    found.__dict__["sdk"] = SimpleNamespace(api=api)
    found._tunnel = None
    return found
