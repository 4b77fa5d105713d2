"""A whole site on loopback for one test session, made of the project's own platform."""

from __future__ import annotations

import http.client
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydeploy.clients.docker import DockerEngine
from pydeploy.config.site import Site
from pydeploy.deploy.session import Session, open_session
from pydeploy.state.store import Store
from tests.integration.support.cli import Cli


@dataclass(frozen=True)
class Ports:
    etcd: int
    etcd_peer: int
    registry: int
    http: int
    https: int
    dns: int


@dataclass(frozen=True)
class LiveSite:
    """A running site: its configuration, its doors, and the command line on it."""

    site: Site
    file: Path
    ports: Ports
    project: str  # the platform's compose project

    @property
    def cli(self) -> Cli:
        return Cli(self.file)

    @property
    def session(self) -> Session:
        return open_session(self.site)

    @property
    def store(self) -> Store:
        return self.session.store

    @property
    def engine(self) -> DockerEngine:
        return self.session.engine

    def get(self, environment: object, path: str = "/", *, timeout: float = 10) -> Answer:
        """GET through the gateway, by the environment's name."""
        return self.get_host(f"{environment}.{self.site.domains[0]}", path, timeout=timeout)

    def get_host(self, host: str, path: str = "/", *, timeout: float = 10) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports.http, timeout=timeout)
        try:
            connection.request("GET", path, headers={"Host": host})
            response = connection.getresponse()
            return Answer(response.status, response.read().decode())
        finally:
            connection.close()

    def containers(self, environment: object) -> list[str]:
        """Names of all containers of an environment, running or not."""
        return self._docker("ps", "--all", environment)

    def networks(self, environment: object) -> list[str]:
        return self._docker("network ls", "", environment)

    def volumes(self, environment: object) -> list[str]:
        return self._docker("volume ls", "", environment)

    def _docker(self, what: str, flags: str, environment: object) -> list[str]:
        name = "Names" if what == "ps" else "Name"
        argv = ["docker", *what.split(), *flags.split()]
        argv += ["--filter", f"label=io.pydeploy.site={self.site.site}"]
        argv += ["--filter", f"label=io.pydeploy.environment={environment}"]
        argv += ["--format", f"{{{{.{name}}}}}"]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split()

    def keys(self, kind: str = "") -> dict[str, Any]:
        """Every key of that kind (`routes`, `ports/local`, ...), without the schema's prefix."""
        prefix = f"{self.store.keys.root}/{kind}"
        return {
            kv.key.removeprefix(f"{self.store.keys.root}/"): json.loads(kv.value)
            for kv in self.store.etcd.range(prefix).kvs
        }

    def compose(self, *arguments: str) -> None:
        """`docker compose` on the platform itself: to stop and start parts of it."""
        subprocess.run(
            ["docker", "compose", "--project-name", self.project, *arguments],
            check=True,
            capture_output=True,
        )


@dataclass(frozen=True)
class Answer:
    status: int
    body: str

    @property
    def told(self) -> dict[str, str]:
        """What the tests' program says it was told: its PYDEPLOY_* variables."""
        value: dict[str, str] = json.loads(self.body)
        return value
