"""Volumes on a real engine: what is read is what was written, owners and modes included."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

import pytest

from pydeploy.clients.docker import DockerEngine
from pydeploy.deploy import inventory, volumes
from pydeploy.errors import ServiceError
from tests.integration.support.site import LiveSite

IMAGE = "debian:bookworm-slim"


@pytest.fixture
def two(live: LiveSite) -> Iterator[tuple[DockerEngine, str, str]]:
    engine, labels = live.engine, {"io.pydeploy.site": live.site.site}
    found = (f"{live.site.site}-one", f"{live.site.site}-two")
    for name in found:
        volumes.make(engine, name, labels)
    yield (engine, *found)
    for name in found:
        engine.api.remove_volume(name)


def a_tar() -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        root = tarfile.TarInfo("volume")
        root.type, root.mode, root.uid, root.gid = tarfile.DIRTYPE, 0o700, 999, 998
        archive.addfile(root)
        file = tarfile.TarInfo("volume/a/b")
        file.mode, file.uid, file.size = 0o600, 5, 3
        archive.addfile(file, io.BytesIO(b"abc"))
        link = tarfile.TarInfo("volume/a/link")
        link.type, link.linkname = tarfile.SYMTYPE, "b"
        archive.addfile(link)
    return raw.getvalue()


def entries(stream: Iterator[bytes]) -> dict[str, tuple[int, int, int, str]]:
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
        return {one.name: (one.mode, one.uid, one.gid, one.linkname) for one in archive}


def test_a_copy_has_the_same_owners_and_modes(two: tuple[DockerEngine, str, str]) -> None:
    """Also of the volume's own root: a database refuses a folder that is not its own."""
    engine, one, other = two
    with volumes.opened(engine, one, image=IMAGE, labels={}) as source:
        source.write(a_tar())
        with volumes.opened(engine, other, image=IMAGE, labels={}) as target:
            target.write(source.read())
            copied = entries(target.read())
    assert (0o700, 999, 998, "") == copied["volume"]
    assert (0o600, 5, 0, "") == copied["volume/a/b"]
    assert "b" == copied["volume/a/link"][3]


def test_an_empty_volume_takes_over_what_the_image_has(
    two: tuple[DockerEngine, str, str],
) -> None:
    """As at a container's first start."""
    engine, one, _ = two
    volumes.fill_from_image(engine, one, image=IMAGE, folder="/etc/apt", labels={})
    with volumes.opened(engine, one, image=IMAGE, labels={}) as source:
        assert "volume/sources.list.d" in entries(source.read())


def test_a_volume_that_is_not_there_is_not_made(live: LiveSite) -> None:
    """The engine would, empty and without labels, and who reads it would take it for the data."""
    name = f"{live.site.site}-nowhere"
    with (
        pytest.raises(ServiceError, match="has no volume"),
        volumes.opened(live.engine, name, image=IMAGE, labels={}),
    ):
        pass
    assert [] == inventory.existing(live.engine, [name])
