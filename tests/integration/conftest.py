"""One real site for the session: etcd, registry, gateway and dns by the project's own platform."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from pydeploy.config import site as site_config
from tests.integration.support import leftovers
from tests.integration.support.remote_engine import RemoteEngine
from tests.integration.support.repositories import PYTHON, WEB, repository
from tests.integration.support.site import LiveSite, Ports

ROOT = Path(__file__).parents[2]
CA = Path("/etc/ssl/certs/ca-certificates.crt")
PREFIX = "pytest"
LOCK_TTL = 4  # seconds; a test that kills need not wait 15
SLOTS = 12  # of 500 ports and a /16 each; which one is taken follows from the process id


@pytest.fixture(scope="session")
def site_name() -> str:
    """Each test process has a site of its own, so that several may run on one engine."""
    return f"{PREFIX}{os.getpid()}"


@pytest.fixture(scope="session")
def site_ports() -> Ports:
    sockets = [socket.socket() for _ in range(6)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = Ports(*(one.getsockname()[1] for one in sockets))
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(scope="session")
def site_file(tmp_path_factory: pytest.TempPathFactory, site_ports: Ports, site_name: str) -> Path:
    folder = tmp_path_factory.mktemp("site")
    slot = os.getpid() % SLOTS
    first = 22000 + 500 * slot
    text = yaml.safe_dump(
        {
            "site": site_name,
            "compose_prefix": site_name,
            "domains": ["deploy.deepin.test", "deploy.localhost"],
            "state_dir": str(folder / "state"),
            "etcd": {"endpoints": [f"http://127.0.0.1:{site_ports.etcd}"]},
            "engines": {
                "local": {
                    "ports": f"{first}-{first + 499}",
                    "subnets": f"10.{215 + slot}.0.0/16",
                }
            },
            "gateway": {"bind": "127.0.0.1", "http_port": site_ports.http, "drain": "10s"},
            "dns": {"port": site_ports.dns},
            "registry": {
                "address": f"127.0.0.1:{site_ports.registry}",
                "namespace": site_name,
            },
            "build": {"ca": str(CA)} if CA.is_file() else {},
            "limits": {"memory": "256m", "pids": 128},
            "defaults": {
                "deadline": "40s",
                "stop_grace": "5s",
                "lock_wait": "60s",
                "lock_ttl": LOCK_TTL,
            },
        }
    )
    path = folder / "site.yml"
    path.write_text(text)
    return path


@pytest.fixture(scope="session")
def gateway_site_file(site_file: Path, site_ports: Ports, tmp_path_factory: Any) -> Path:
    """The same site as its gateway sees it: with the engine that some tests start elsewhere."""
    data = yaml.safe_load(site_file.read_text())
    remote = RemoteEngine(Path("/none"), site_ports.registry)
    data["engines"]["remote"] = remote.by_tls()
    path: Path = tmp_path_factory.mktemp("gateway") / "site.yml"
    path.write_text(yaml.safe_dump({**data, "default_engine": "local"}))
    for folder in (path.parent.parent, path.parent):  # gateway-sync is another user
        folder.chmod(0o755)
    return path


@pytest.fixture(scope="session")
def platform_env_vars(gateway_site_file: Path, site_ports: Ports, site_name: str) -> Iterator[None]:
    """What platform/docker-compose.yml takes from the environment; `pydeploy up` sets the same."""
    mine = {
        "PYDEPLOY_SITE": site_name,
        "PYDEPLOY_ETCD_CLIENT_PORT": str(site_ports.etcd),
        "PYDEPLOY_ETCD_PEER_PORT": str(site_ports.etcd_peer),
        "PYDEPLOY_REGISTRY_PORT": str(site_ports.registry),
        "PYDEPLOY_GATEWAY_BIND": "127.0.0.1",
        "PYDEPLOY_GATEWAY_HTTP_PORT": str(site_ports.http),
        "PYDEPLOY_GATEWAY_HTTPS_PORT": str(site_ports.https),
        "PYDEPLOY_DNS_PORT": str(site_ports.dns),
        "PYDEPLOY_DNS_DOMAINS": "deploy.deepin.test deploy.localhost",
        "PYDEPLOY_SITE_FILE": str(gateway_site_file),
        **({"PYDEPLOY_CA_FILE": str(CA)} if CA.is_file() else {}),
    }
    before = {name: os.environ.get(name) for name in mine}
    os.environ.update(mine)
    yield
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


@pytest.fixture(scope="session")
def docker_compose_file() -> str:
    return str(ROOT / "platform" / "docker-compose.yml")


@pytest.fixture(scope="session")
def docker_compose_project_name(site_name: str) -> str:
    return f"pydeploy-{site_name}"


@pytest.fixture(scope="session")
def docker_setup(platform_env_vars: None) -> list[str]:
    return ["up --build --detach --wait"]


@pytest.fixture(scope="session")
def docker_cleanup() -> list[str]:
    return ["down --volumes --timeout 1"]


@pytest.fixture(scope="session")
def live(
    site_file: Path,
    site_ports: Ports,
    docker_compose_project_name: str,
    python_image: str,
    dead_sessions_erased: None,
    docker_services: object,
) -> Iterator[LiveSite]:
    """The running site; whatever tests left on the engine under its name goes with it."""
    site = site_config.load(str(site_file), {})
    yield LiveSite(site=site, file=site_file, ports=site_ports, project=docker_compose_project_name)
    leftovers.erase(site.site)


@pytest.fixture(scope="session")
def dead_sessions_erased() -> None:
    """What test sessions that were killed left on the engine would only get in the way."""
    leftovers.erase_dead(PREFIX)


@pytest.fixture(scope="session")
def python_image() -> str:
    """debian:bookworm-slim with Python, made once per engine."""
    there = subprocess.run(["docker", "image", "inspect", PYTHON], capture_output=True)
    if there.returncode:
        dockerfile = (
            "FROM debian:bookworm-slim\n"
            "RUN apt-get update -qq && apt-get install -qqy --no-install-recommends python3 "
            "&& rm -rf /var/lib/apt/lists/*\n"
        )
        subprocess.run(
            ["docker", "buildx", "build", "--load", "--tag", PYTHON, "-"],
            input=dockerfile,
            text=True,
            check=True,
            capture_output=True,
        )
    return PYTHON


@pytest.fixture(scope="session")
def remote(live: LiveSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteEngine]:
    """An engine elsewhere, started when it is first asked for."""
    engine = RemoteEngine(tmp_path_factory.mktemp("remote"), live.ports.registry)
    try:
        engine.start()
        yield engine
    finally:
        engine.stop()


@pytest.fixture(params=["tls", "ssh"])
def by(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def two_engines(
    live: LiveSite, remote: RemoteEngine, tmp_path: Path, by: str, monkeypatch: pytest.MonkeyPatch
) -> LiveSite:
    """The same site with a second engine, `remote`, reached `by` TLS or ssh."""
    monkeypatch.setenv("PATH", remote.path)
    data = yaml.safe_load(live.file.read_text())
    data["engines"]["remote"] = remote.by_tls() if by == "tls" else remote.by_ssh()
    file = tmp_path / "two.yml"
    file.write_text(yaml.safe_dump({**data, "default_engine": "local"}))
    return replace(live, file=file, site=site_config.load(str(file), {}))


@pytest.fixture
def change(live: LiveSite, _numbers: Iterator[int]) -> Iterator[int]:
    """A change number that no other test uses; its environment is removed afterwards."""
    number = next(_numbers)
    yield number
    live.cli("remove", number)


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return itertools.count(10100)


@pytest.fixture
def web(tmp_path: Path) -> Callable[..., Path]:
    """Writes a repository with the tests' web service (or another compose file)."""

    def write(compose: str = WEB, name: str = "web", **files: str) -> Path:
        return repository(tmp_path / name, compose, **files)

    return write
