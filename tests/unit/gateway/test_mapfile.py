"""The map's file."""

from __future__ import annotations

from pathlib import Path

from pydeploy.gateway import mapfile


def test_the_file_is_replaced_whole(tmp_path: Path) -> None:
    """Whoever has the old one open goes on reading the old one."""
    path = tmp_path / "routes.map"
    mapfile.write(path, "a.test starting\n")
    with path.open() as old:
        mapfile.write(path, "b.test failed\n")
        assert old.read() == "a.test starting\n"
    assert path.read_text() == "b.test failed\n"
    assert [one.name for one in tmp_path.iterdir()] == ["routes.map"]


def test_haproxys_master_may_read_it(tmp_path: Path) -> None:
    """By the group: it has no right to override."""
    mapfile.write(tmp_path / "routes.map", "")
    assert (tmp_path / "routes.map").stat().st_mode & 0o777 == 0o640
