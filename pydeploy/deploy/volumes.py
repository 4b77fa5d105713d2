"""What is in a volume, read and written as a tar stream, on an engine wherever it is.

Through a container that has the volume mounted and is never started: the engine reads and writes
the files of such a container, too (`docker cp`), so no program of anybody runs for it, and nothing
but the engine's API is needed.  The tar holds the volume as a folder named `volume`: only so does
the engine put back owner and mode of the volume's own root.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pydeploy.clients.docker import DockerEngine
from pydeploy.deploy import inventory
from pydeploy.errors import ServiceError

FOLDER = "volume"  # of the tar, and of the container's root
_CHUNK = 1 << 20


def make(engine: DockerEngine, name: str, labels: Mapping[str, str]) -> None:
    """A new, empty volume; one of that name that is there already is left as it is."""
    with engine.obeying():
        engine.api.create_volume(name, labels=dict(labels))


def some_image(engine: DockerEngine, wanted: str | None) -> str:
    """`wanted`, or whichever the engine has instead: nothing of it runs."""
    import docker.errors

    with engine.obeying():
        if wanted:
            try:
                engine.api.inspect_image(wanted)
                return wanted
            except docker.errors.NotFound:
                pass
        return next((str(one["Id"]) for one in engine.api.images()), "")


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A volume that can be read and written until the block ends."""

    engine: DockerEngine
    container: str

    def read(self) -> Iterator[bytes]:
        """A tar stream of all that is in it."""
        with self.engine.obeying():
            stream, _ = self.engine.api.get_archive(self.container, f"/{FOLDER}", _CHUNK)
            yield from stream

    def write(self, tar: bytes | Iterable[bytes]) -> None:
        """Put the content of a tar in; what is there and not in the tar stays."""
        with self.engine.obeying():
            self.engine.api.put_archive(self.container, "/", tar)


@contextlib.contextmanager
def opened(
    engine: DockerEngine, volume: str, *, image: str, labels: Mapping[str, str]
) -> Iterator[Opened]:
    """The volume's content for the block.

    `image` is one that the engine has, whichever; nothing of it runs.  `labels` are those of an
    attempt, so that a killed process's container is swept.
    """
    with _mounted(engine, volume, image, f"/{FOLDER}", labels, is_filled=False) as container:
        yield Opened(engine=engine, container=container)


def fill_from_image(
    engine: DockerEngine, volume: str, *, image: str, folder: str, labels: Mapping[str, str]
) -> None:
    """Give a volume that is empty what `image` has in `folder`, as a container's start does."""
    with _mounted(engine, volume, image, folder, labels, is_filled=True):
        pass


@contextlib.contextmanager
def _mounted(
    engine: DockerEngine,
    volume: str,
    image: str,
    target: str,
    labels: Mapping[str, str],
    *,
    is_filled: bool,
) -> Iterator[str]:
    """A container that has the volume at `target`, and never starts.

    ServiceError where there is no such volume: the engine would make one, empty and without labels,
    and who reads it would take that for what had been there.
    """
    if not inventory.existing(engine, [volume]):
        raise ServiceError(
            f"engine {engine.name!r} has no volume {volume}",
            service="docker",
            hint="a record names it, so it was removed by hand, or etcd was put back: "
            "`pydeploy restore` brings a backup of it back",
        )
    mount = {
        "Type": "volume",
        "Source": volume,
        "Target": target,
        "VolumeOptions": {"NoCopy": not is_filled},
    }
    with engine.obeying():
        made = engine.api.create_container(
            image,
            command=["never-started"],
            entrypoint=["never-started"],
            host_config=engine.api.create_host_config(mounts=[mount]),
            labels=dict(labels),
        )
    try:
        yield made["Id"]
    finally:
        with engine.obeying():
            # `v`: with the anonymous volumes that an image asks for; they have no label
            engine.api.remove_container(made["Id"], v=True, force=True)
