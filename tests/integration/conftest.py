"""One real site for the session: etcd, registry, gateway and dns by the project's own platform."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from pydeploy.config import site as site_config
from tests.integration.support.repositories import PYTHON, WEB, repository
from tests.integration.support.site import LiveSite, Ports

ROOT = Path(__file__).parents[2]
CA = Path("/etc/ssl/certs/ca-certificates.crt")


@pytest.fixture(scope="session")
def worker() -> int:
    """Which of several test processes this is: each has a site, ports and networks of its own."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


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
def site_file(tmp_path_factory: pytest.TempPathFactory, site_ports: Ports, worker: int) -> Path:
    folder = tmp_path_factory.mktemp("site")
    first = 22000 + 1000 * worker
    text = yaml.safe_dump(
        {
            "site": f"test{worker}",
            "compose_prefix": f"pt{worker}",
            "domains": ["deploy.deepin.test", "deploy.localhost"],
            "state_dir": str(folder / "state"),
            "etcd": {"endpoints": [f"http://127.0.0.1:{site_ports.etcd}"]},
            "engines": {
                "local": {
                    "ports": f"{first}-{first + 999}",
                    "subnets": f"10.{215 + worker}.0.0/16",
                }
            },
            "gateway": {"bind": "127.0.0.1", "http_port": site_ports.http, "drain": "10s"},
            "dns": {"port": site_ports.dns},
            "registry": {
                "address": f"127.0.0.1:{site_ports.registry}",
                "namespace": f"pydeploy-test{worker}",
            },
            "build": {"ca": str(CA)} if CA.is_file() else {},
            "limits": {"memory": "256m", "pids": 128},
            "defaults": {"deadline": "40s", "stop_grace": "5s", "lock_wait": "60s"},
        }
    )
    path = folder / "site.yml"
    path.write_text(text)
    return path


@pytest.fixture(scope="session")
def platform_env_vars(site_file: Path, site_ports: Ports, worker: int) -> Iterator[None]:
    """What platform/docker-compose.yml takes from the environment; `pydeploy up` sets the same."""
    mine = {
        "PYDEPLOY_SITE": f"test{worker}",
        "PYDEPLOY_ETCD_CLIENT_PORT": str(site_ports.etcd),
        "PYDEPLOY_ETCD_PEER_PORT": str(site_ports.etcd_peer),
        "PYDEPLOY_REGISTRY_PORT": str(site_ports.registry),
        "PYDEPLOY_GATEWAY_BIND": "127.0.0.1",
        "PYDEPLOY_GATEWAY_HTTP_PORT": str(site_ports.http),
        "PYDEPLOY_GATEWAY_HTTPS_PORT": str(site_ports.https),
        "PYDEPLOY_DNS_PORT": str(site_ports.dns),
        "PYDEPLOY_DNS_DOMAINS": "deploy.deepin.test deploy.localhost",
        "PYDEPLOY_SITE_FILE": str(site_file),
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
def docker_compose_project_name(worker: int) -> str:
    return f"pydeploy-test{worker}"


@pytest.fixture(scope="session")
def docker_setup(platform_env_vars: None) -> list[str]:
    return ["down --volumes --timeout 1", "up --build --detach --wait"]


@pytest.fixture(scope="session")
def docker_cleanup() -> list[str]:
    return ["down --volumes --timeout 1"]


@pytest.fixture(scope="session")
def live(
    site_file: Path,
    site_ports: Ports,
    docker_compose_project_name: str,
    python_image: str,
    docker_services: object,
    worker: int,
) -> Iterator[LiveSite]:
    """The running site; whatever tests left on the engine under its name goes with it."""
    site = site_config.load(str(site_file), {})
    _erase_labelled(site.site)
    yield LiveSite(
        site=site, file=site_file, ports=site_ports, project=docker_compose_project_name
    )
    _erase_labelled(site.site)


def _erase_labelled(site: str) -> None:
    label = f"label=io.pydeploy.site={site}"
    for kind, flags in (("container", ["--all"]), ("network", []), ("volume", [])):
        listing = ["docker", kind, "ls", *flags, "--quiet", "--filter", label]
        found = subprocess.run(listing, check=True, capture_output=True, text=True).stdout.split()
        if found:
            force = [] if kind == "network" else ["--force"]
            subprocess.run(["docker", kind, "rm", *force, *found], check=True, capture_output=True)


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
