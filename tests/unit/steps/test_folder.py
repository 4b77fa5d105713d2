"""The result's folder: each file whole or not there, and nothing written through a link."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from pydeploy.errors import UsageError
from pydeploy.steps.folder import open_folder


def refusal(name: str | None, here: Path) -> str:
    with pytest.raises(UsageError) as refused:
        open_folder(name, here)
    return refused.value.message


def test_it_is_made_and_written(tmp_path: Path) -> None:
    """Relative to the workspace, with what is on the way."""
    open_folder("a/b", tmp_path).write("result.json", "{}\n")
    assert "{}\n" == (tmp_path / "a/b/result.json").read_text()
    assert ["result.json"] == os.listdir(tmp_path / "a/b")


def test_an_absolute_one(tmp_path: Path) -> None:
    """The machine's own links on the way to it are right; the folder itself is none."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    open_folder(str(tmp_path / "link" / "r"), workspace).write("x", "1")
    assert "1" == (tmp_path / "real/r/x").read_text()
    assert "cannot be written to" in refusal(str(tmp_path / "link"), workspace)


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("name", ["link", "link/r", "file", "dangling"])
def test_no_link_of_the_workspace_is_followed(tmp_path: Path, name: str, absolute: bool) -> None:
    """A change may hold one that leads to the agent's own files."""
    outside, workspace = tmp_path / "outside", tmp_path / "workspace"
    outside.mkdir()
    workspace.mkdir()
    (workspace / "link").symlink_to(outside)
    (workspace / "dangling").symlink_to(tmp_path / "none")
    (workspace / "file").write_text("")
    assert "cannot be written to" in refusal(str(workspace / name) if absolute else name, workspace)
    assert [] == os.listdir(outside)
    assert not (tmp_path / "none").exists()


def test_a_link_in_a_files_place_is_replaced(tmp_path: Path) -> None:
    """What it leads to stays as it is."""
    target = tmp_path / "target"
    target.write_text("before")
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "result.json").symlink_to(target)
    open_folder("r", tmp_path).write("result.json", "after")
    assert ("before", "after") == (target.read_text(), (tmp_path / "r/result.json").read_text())


@pytest.mark.parametrize("name", [None, "", ".", "../x", "a/../../x"])
def test_what_is_no_folder_in_the_workspace(tmp_path: Path, name: str | None) -> None:
    """Neither nothing, nor the workspace itself, nor what is above it."""
    assert "PYDEPLOY_RESULT" in refusal(name, tmp_path)


def test_a_folder_that_is_exchanged_later_gets_nothing(tmp_path: Path) -> None:
    """What was opened is written to, whatever has its name by then."""
    outside = tmp_path / "outside"
    outside.mkdir()
    folder = open_folder("r", tmp_path)
    (tmp_path / "r").rename(tmp_path / "moved")
    (tmp_path / "r").symlink_to(outside)
    folder.write("x", "1")
    assert ([], ["x"]) == (os.listdir(outside), os.listdir(tmp_path / "moved"))


def test_many_at_once(tmp_path: Path) -> None:
    """Parallel branches make the same parent."""
    threads = [
        threading.Thread(target=lambda n=n: open_folder(f"p/q/{n}", tmp_path).write("x", "1"))
        for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 20 == len(list((tmp_path / "p/q").glob("*/x")))


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    """A folder in the file's place: an OSError, and no temporary file."""
    folder = open_folder("r", tmp_path)
    (tmp_path / "r" / "x").mkdir()
    with pytest.raises(OSError, match="x"):
        folder.write("x", "1")
    assert ["x"] == os.listdir(tmp_path / "r")
