"""Single parts of the site, started from platform/docker-compose.yml on free ports."""

from __future__ import annotations

import http.client
import http.server
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

COMPOSE_FILE = Path(__file__).parents[3] / "platform" / "docker-compose.yml"
CA_FILE = Path("/etc/ssl/certs/ca-certificates.crt")


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def site_ports() -> dict[str, str]:
    """Free ports for every service, as the variables of docker-compose.yml; all on loopback."""
    names = ("ETCD_CLIENT", "ETCD_PEER", "REGISTRY", "GATEWAY_HTTP", "GATEWAY_HTTPS", "DNS")
    with ExitStack() as stack:  # all at once, so that none is given twice
        probes = [stack.enter_context(socket.socket()) for _ in names]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        ports = [str(probe.getsockname()[1]) for probe in probes]
    variables = (f"PYDEPLOY_{name}_PORT" for name in names)
    return {"PYDEPLOY_GATEWAY_BIND": "127.0.0.1", **dict(zip(variables, ports, strict=True))}


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A running compose project of some of the site's services."""

    project: str
    env_vars: Mapping[str, str]

    def compose(self, *arguments: str) -> str:
        done = subprocess.run(
            ["docker", "compose", "-p", self.project, "-f", str(COMPOSE_FILE), *arguments],
            env={**os.environ, **self.env_vars},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def container(self, service: str) -> str:
        return f"{self.project}-{service}-1"

    def volume(self, name: str) -> Path:
        """Where the engine keeps a volume of this project."""
        argv = ["docker", "volume", "inspect", "-f", "{{.Mountpoint}}", f"{self.project}_{name}"]
        return Path(subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip())


@contextmanager
def running(*services: str, **env_vars: str) -> Iterator[Parts]:
    """Start `services` and wait until they are healthy; everything goes at the end."""
    project = f"pydeploy-parts-{os.getpid()}-{free_port()}"
    variables = {"PYDEPLOY_SITE": project, "PYDEPLOY_CA_FILE": str(CA_FILE), **env_vars}
    parts = Parts(project=project, env_vars=variables)
    try:
        parts.compose("--progress", "quiet", "build", *services)
        parts.compose("up", "--detach", "--no-build", "--wait", *services)
        yield parts
    finally:
        parts.compose("down", "--volumes", "--timeout", "1")


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: str


def get(port: int, host: str, path: str = "/", **headers: str) -> Answer:
    """One GET to 127.0.0.1:port for `host`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        wanted = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", path, headers={"Host": host, **wanted})
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(status=response.status, headers=found, body=response.read().decode())
    finally:
        connection.close()


def wait_until(holds: Callable[[], bool], *, limit: float = 10.0) -> None:
    until = time.monotonic() + limit
    while not holds():
        assert time.monotonic() < until, f"not so after {limit:g} s"
        time.sleep(0.02)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections that are broken off are part of these tests."""


@contextmanager
def serving(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[int]:
    """An HTTP server on a free port of loopback."""
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
