"""A small world for builds: the engine, an etcd and a registry of our own, a base image of 2 MB."""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from pydeploy.clients.docker import DockerEngine
from pydeploy.clients.etcd import Etcd
from pydeploy.clients.registry import Registry
from pydeploy.config.site import Site
from pydeploy.errors import ServiceError
from pydeploy.state import store
from tests.integration.images.build_world import (
    APPLETS,
    BASE,
    World,
    docker,
    free_port,
    platform_container,
    wait_until,
)
from tests.integration.support.site import LiveSite


@pytest.fixture(scope="session")
def engine() -> DockerEngine:
    engine = DockerEngine("local", Site().engines["local"])
    engine.sdk.ping()
    return engine


@pytest.fixture(scope="session")
def etcd(live: LiveSite) -> Etcd:
    return store.connect(live.site, {}).etcd


@pytest.fixture(scope="session")
def registry(live: LiveSite) -> Registry:
    registry = Registry.of_site(live.site, None)
    assert registry is not None
    return registry


@pytest.fixture(scope="session")
def private_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that lets only `bot` in, with the password `hunter2`."""
    users = tmp_path_factory.mktemp("registry") / "htpasswd"
    users.write_text("bot:$2b$04$H3p3lRHlthaRkwwmcYnhe.ZD/6xoIWHc1rKDx1QpAom.suZgR6zsC\n")
    address = f"127.0.0.1:{free_port()}"
    settings = {
        "REGISTRY_HTTP_ADDR": address,
        "REGISTRY_AUTH": "htpasswd",
        "REGISTRY_AUTH_HTPASSWD_REALM": "test",
        "REGISTRY_AUTH_HTPASSWD_PATH": "/htpasswd",
    }
    options = [f"--env={name}={value}" for name, value in settings.items()]
    with platform_container("registry", f"--volume={users}:/htpasswd:ro", *options):
        registry = Registry(address, login=("bot", "hunter2"))

        def answers() -> bool:
            with contextlib.suppress(ServiceError):
                registry.ping()
                return True
            return False

        wait_until(answers)
        yield registry


@pytest.fixture(scope="session", autouse=True)
def base_image(engine: DockerEngine) -> str:
    """Busybox alone, from Debian's busybox-static; made once, and left for the next run."""
    if docker("image", "ls", "-q", BASE):
        return BASE
    busybox = shutil.which("busybox")
    assert busybox, "busybox is missing: platform/setup.sh --test installs it"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(busybox, "bin/busybox")
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        for name, mode in (("tmp", 0o1777), ("etc", 0o755), ("run", 0o755)):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, mode
            tar.addfile(folder)
    subprocess.run(
        ["docker", "import", "-", BASE], input=archive.getvalue(), check=True, capture_output=True
    )
    return BASE


@pytest.fixture
def world(tmp_path: Path, engine: DockerEngine, etcd: Etcd) -> Iterator[World]:
    """Without a registry."""
    namespace = f"pdit-{uuid.uuid4().hex[:8]}"
    root = tmp_path / "repo"
    root.mkdir()
    one = World(root=root, engine=engine, etcd=etcd, namespace=namespace)
    one.write(Dockerfile=f"FROM {BASE}\nRUN echo hello > /hello\n")
    yield one
    one.forget()


@pytest.fixture
def pushing(world: World, registry: Registry) -> World:
    """With a registry."""
    world.registry = registry.address
    return world
