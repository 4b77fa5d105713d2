"""What the tests of images work with: containers of the platform, and a repository to build."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydeploy import images
from pydeploy.clients.docker import DockerEngine
from pydeploy.clients.etcd import Etcd
from pydeploy.config.site import Site
from pydeploy.images import BuildIdentity, Prepared

PLATFORM = Path(__file__).parents[3] / "platform"
BASE = "pydeploy-images-test/base:2"
APPLETS = (
    *("sh", "cat", "dd", "echo", "env", "false", "head", "id", "ls", "mkdir", "nc", "ping", "ps"),
    *("rm", "sha256sum", "sleep", "stat", "test", "touch", "wget"),
)


def docker(*arguments: str, check: bool = True) -> str:
    finished = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if check and finished.returncode:
        raise AssertionError(f"docker {arguments}: {finished.stderr}")
    return finished.stdout.strip()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(is_so: Callable[[], Any], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


@contextlib.contextmanager
def platform_container(part: str, *options: str) -> Iterator[str]:
    """One service of the site, built from its own Dockerfile, on loopback ports of our own."""
    name = f"pydeploy-images-test-{part}-{uuid.uuid4().hex[:6]}"
    image = f"pydeploy-images-test/{part}"
    docker("build", "-q", "-t", image, "-f", str(PLATFORM / part / "Dockerfile"), str(PLATFORM))
    docker("run", "-d", "--rm", "--network=host", "--name", name, *options, image)
    try:
        yield name
    finally:
        docker("rm", "-f", "-v", name, check=False)


@dataclass
class World:
    """A repository, and what `prepare` needs for it.  All image names begin with `namespace`."""

    root: Path
    engine: DockerEngine
    etcd: Etcd
    namespace: str
    registry: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.root / name).write_text(text)

    @property
    def site(self) -> Site:
        registry = {"address": self.registry, "namespace": self.namespace}
        etcd = {"endpoints": self.etcd.endpoints, "prefix": f"/{self.namespace}"}
        return Site.model_validate({"registry": registry, "etcd": etcd, **self.extra})

    def prepare(
        self,
        services: dict[str, Any] | None = None,
        *,
        revision: str = "a" * 40,
        change: int | None = 7,
        cancel: threading.Event | None = None,
        **top: Any,
    ) -> Prepared:
        """`services`, or one that builds the repository's Dockerfile."""
        return images.prepare(
            {"services": services or {"web": self.build()}, **top},
            root=self.root,
            identity=self.identity(revision, change),
            site=self.site,
            engine=self.engine,
            etcd=self.etcd,
            cancel=cancel,
            on_line=self.lines.append,
        )

    def identity(self, revision: str, change: int | None = 7) -> BuildIdentity:
        return BuildIdentity(
            gerrit_project="demo/hello",
            change=change,
            patchset=1 if change else None,
            revision=revision,
            created="2026-01-01T00:00:00Z",
            source_url="https://gerrit.test/demo/hello",
        )

    def build(self, **keys: Any) -> dict[str, Any]:
        return {"build": {"context": str(self.root), "dockerfile": "Dockerfile", **keys}}

    def run(self, prepared: Prepared, *command: str, service: str = "web") -> str:
        """What `command` prints in a container of the service's pinned image."""
        return docker("run", "--rm", prepared.model["services"][service]["image"], *command)

    def built(self, instruction: str) -> int:
        """How often an instruction was really carried out, here."""
        return sum(instruction in line and "(cached)" not in line for line in self.lines)

    def forget(self) -> None:
        """Remove what this world has in the engine: its names, then its content by digest."""
        for image in self.engine.api.images():
            ours = [*(image["RepoTags"] or []), *(image["RepoDigests"] or [])]
            names = [name for name in ours if f"{self.namespace}/" in name]
            for name in names:
                docker("image", "rm", "-f", name, check=False)


def inspect(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker("image", "inspect", name))[0]
    return found


def runs(words: str) -> bool:
    """Whether a process with these words runs; builds on this engine are this machine's."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                argv = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            except OSError:
                continue
            if argv == words:
                return True
    return False
