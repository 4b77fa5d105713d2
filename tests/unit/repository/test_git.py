"""A revision is a commit only when the files are that commit's; nothing of .git is ever run."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest

from pydeploy.repository import git

_AUTHOR = ("-c", "user.name=a", "-c", "user.email=a@example.invalid")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "main.sh").write_text("true\n")
    (tmp_path / "source" / "main.sh").chmod(0o755)
    (tmp_path / "ümlaut").write_text("text\n")
    (tmp_path / "link").symlink_to("source/main.sh")
    (tmp_path / ".gitignore").write_text("*.log\n")
    return tmp_path


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *_AUTHOR, *arguments], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def _commit(root: Path) -> str:
    _git(root, "init", "-q")
    _git(root, "add", "-A")
    _git(root, "commit", "-qm", "one")
    return _git(root, "rev-parse", "HEAD")


def test_clean(root: Path) -> None:
    """The commit, also with ignored files beside it."""
    head = _commit(root)
    (root / "x.log").write_text("ignored")
    assert git.revision(root) == git.Revision(name=head, is_dirty=False)


@pytest.mark.parametrize("change", ["content", "mode", "link", "untracked", "removed"])
def test_dirty(root: Path, change: str) -> None:
    """Any difference makes it a hash of the content."""
    head = _commit(root)
    if change == "content":
        (root / "source" / "main.sh").write_text("false\n")
    elif change == "mode":
        (root / "source" / "main.sh").chmod(0o644)
    elif change == "link":
        (root / "link").unlink()
        (root / "link").symlink_to("elsewhere")
    elif change == "untracked":
        (root / "new").write_text("")
    else:
        (root / "ümlaut").unlink()
    revision = git.revision(root)
    assert revision.is_dirty
    assert revision.name != head
    assert re.fullmatch(r"[0-9a-f]{40}", revision.name)


def test_without_git(root: Path) -> None:
    """The same content has the same name, another content another one."""
    first = git.revision(root)
    assert first.is_dirty
    assert git.revision(root) == first
    (root / "link").unlink()
    (root / "link").write_text("source/main.sh")
    assert git.revision(root) != first


def test_hostile_configuration_runs_nothing(root: Path, tmp_path: Path) -> None:
    """Filters, fsmonitor, hooks and remotes of .git/config are programs of whoever wrote it."""
    _commit(root)
    mark = root / "x.log"
    program = root / ".git" / "evil"
    program.write_text(f"#!/bin/sh\ntouch {mark}\n")
    program.chmod(0o755)
    with (root / ".git" / "config").open("a") as config:
        config.write(
            f"[core]\n\tfsmonitor = {program}\n\thooksPath = {root}/.git\n"
            f"\tsshCommand = {program}\n"
            f'[filter "evil"]\n\tclean = {program}\n\tsmudge = {program}\n\tprocess = {program}\n'
            f"[diff]\n\texternal = {program}\n[pager]\n\tls-files = {program}\n"
            f'[remote "origin"]\n\turl = ext::{program}\n\tpromisor = true\n'
            f"[extensions]\n\tpartialClone = origin\n"
        )
    (root / ".gitattributes").write_text("* filter=evil diff=evil\n")
    (root / ".git" / "post-index-change").symlink_to(program)
    assert git.revision(root).is_dirty
    git.remote_name(root)
    assert not mark.exists()


def test_parent_repository_is_not_asked(root: Path) -> None:
    """A folder without .git is not a part of whatever lies above it."""
    _commit(root)
    assert git.revision(root / "source").is_dirty
    assert git.remote_name(root / "source") is None


def test_remote_name(root: Path) -> None:
    _commit(root)
    assert git.remote_name(root) is None
    _git(root, "remote", "add", "origin", "ssh://review.example.invalid:29418/docs/hello-web.git")
    assert git.remote_name(root) == "hello-web"


def test_what_is_checked_out(root: Path) -> None:
    """The commit, the refs that name it, where it came from, and what was fetched."""
    assert ("", (), "", "") == (
        git.head(root),
        git.refs_at_head(root),
        git.origin(root),
        git.fetched(root),
    )
    head = _commit(root)
    _git(root, "update-ref", "refs/changes/20/10020/3", "HEAD")
    _git(root, "remote", "add", "origin", "ssh://review.example.invalid:29418/docs/hello-web.git")
    _git(root, "fetch", "-q", ".", "refs/changes/20/10020/3")
    assert head == git.head(root)
    assert "refs/changes/20/10020/3" in git.refs_at_head(root)
    assert "ssh://review.example.invalid:29418/docs/hello-web.git" == git.origin(root)
    assert f"{head}\t\t'refs/changes/20/10020/3' of ." == git.fetched(root).strip()


def test_is_quick(root: Path) -> None:
    """At most 30 ms for a small repository, the best of five on a busy machine."""
    _commit(root)
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        git.revision(root)
        taken.append(time.perf_counter() - started)
    assert min(taken) < 0.03
