"""A checkout's files are opened inside of it, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pydeploy.repository.tree import Refused, Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (root / "file").write_text("content")
    (root / ".git").mkdir()
    (root / "inside").symlink_to("folder")
    (root / "outside").symlink_to("..")
    (root / "dangling").symlink_to("../gone")
    (tmp_path / "secret").write_text("secret")
    return Tree(root)


@pytest.mark.parametrize(
    ("path", "clean"),
    [("file", "file"), ("./folder/../file", "file"), ("inside/x", "inside/x"), (".", ".")],
)
def test_inside(tree: Tree, path: str, clean: str) -> None:
    """Names are cleaned as Compose cleans them: by their text."""
    assert tree.locate(path) == clean


@pytest.mark.parametrize(
    "path",
    ["..", "../secret", "/etc/passwd", "~/.ssh", "outside/secret", "dangling", ".git/config",
     "folder/../.git", "folder/../../secret"],
)  # fmt: skip
def test_outside(tree: Tree, path: str) -> None:
    """By its text, through a link, or git's own."""
    with pytest.raises(Refused) as refused:
        tree.locate(path)
    assert refused.value.code == "path.outside"


@pytest.mark.parametrize(
    "path",
    ["https://x/y", "git@x:y", "ssh://x", "oci://x", "github.com/x/y", "docker-image://x",
     "GIT://x", "user@host:path", "s3://bucket"],
)  # fmt: skip
def test_remote(tree: Tree, path: str) -> None:
    """Whatever Compose or the builder would fetch."""
    with pytest.raises(Refused) as refused:
        tree.locate(path)
    assert refused.value.code == "path.remote"


def test_read(tree: Tree) -> None:
    """Regular files within the limit only."""
    assert tree.read("file") == b"content"
    os.mkfifo(tree.root / "pipe")
    for name, code in (
        ("pipe", "path.special"),
        ("folder", "path.special"),
        ("no", "path.missing"),
    ):
        with pytest.raises(Refused) as refused:
            tree.read(name)
        assert refused.value.code == code
    with pytest.raises(Refused) as refused:
        tree.read("file", limit=3)
    assert refused.value.code == "path.too-large"


def test_swapped_after_it_was_located(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that becomes a link between the look and the open does not lead out."""
    real = os.path.realpath
    (tree.root / "folder" / "secret").write_text("harmless")

    def then_swapped(path: str) -> str:
        found = real(path)
        (tree.root / "folder").rename(tree.root / "moved")
        (tree.root / "folder").symlink_to("..")
        return found

    located = tree.locate("folder/secret")
    monkeypatch.setattr(os.path, "realpath", then_swapped)
    with pytest.raises(Refused) as refused:
        tree.read(located)
    assert refused.value.code == "path.outside"
