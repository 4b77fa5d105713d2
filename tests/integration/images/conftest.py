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
from build_world import APPLETS, BASE, World, docker, free_port, platform_container, wait_until

from pydeploy.clients.docker import DockerEngine
from pydeploy.clients.etcd import Etcd
from pydeploy.clients.registry import Registry
from pydeploy.config.site import Site


@pytest.fixture(scope="session")
def own_engine() -> DockerEngine:
    engine = DockerEngine("local", Site().engines["local"])
    engine.sdk.ping()
    return engine


@pytest.fixture(scope="session")
def own_etcd() -> Iterator[Etcd]:
    port, peer = free_port(), free_port()
    ports = [f"PYDEPLOY_ETCD_CLIENT_PORT={port}", f"PYDEPLOY_ETCD_PEER_PORT={peer}"]
    with platform_container("etcd", "-e", ports[0], "-e", ports[1]):
        etcd = Etcd((f"http://127.0.0.1:{port}",))

        def answers() -> bool:
            with contextlib.suppress(Exception):
                return bool(etcd.status())
            return False

        wait_until(answers)
        yield etcd


@pytest.fixture(scope="session")
def own_registry() -> Iterator[Registry]:
    address = f"127.0.0.1:{free_port()}"
    with platform_container("registry", "-e", f"REGISTRY_HTTP_ADDR={address}"):
        registry = Registry(address)

        def answers() -> bool:
            with contextlib.suppress(Exception):
                registry.ping()
                return True
            return False

        wait_until(answers)
        yield registry


@pytest.fixture(scope="session", autouse=True)
def base_image(own_engine: DockerEngine) -> str:
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
def world(tmp_path: Path, own_engine: DockerEngine, own_etcd: Etcd) -> Iterator[World]:
    """Without a registry."""
    namespace = f"pdit-{uuid.uuid4().hex[:8]}"
    root = tmp_path / "repo"
    root.mkdir()
    one = World(root=root, engine=own_engine, etcd=own_etcd, namespace=namespace)
    one.write(Dockerfile=f"FROM {BASE}\nRUN echo hello > /hello\n")
    yield one
    one.forget()


@pytest.fixture
def pushing(world: World, own_registry: Registry) -> World:
    """With a registry."""
    world.registry = own_registry.address
    return world
