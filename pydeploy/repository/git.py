"""The revision of a checkout: a commit, or a hash of what is there.

`git status` and `git diff` run programs that .git/config names (filters, fsmonitor), so they
are not used.  The tree of HEAD is listed, and the files are compared with it here.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydeploy.clients import shell

_TIMEOUT = 20.0
_SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
# What of git's own environment and configuration could run a program or reach a network.
_ENV = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
}
_CONFIG = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.sshCommand=false",
    "core.attributesFile=/dev/null",
    "protocol.allow=never",
    "safe.directory=*",
)


@dataclass(frozen=True, kw_only=True)
class Revision:
    """`name` has 40 hex digits; `is_dirty` says that it is not a commit of the repository."""

    name: str
    is_dirty: bool


def argv(root: Path, *arguments: str) -> tuple[str, ...]:
    """A git command for `root` alone (no search in parent folders)."""
    options = [part for setting in _CONFIG for part in ("-c", setting)]
    folders = (f"--git-dir={root / '.git'}", f"--work-tree={root}")
    return ("git", "--no-pager", *folders, *options, *arguments)


def revision(root: Path) -> Revision:
    """HEAD when the working tree equals it, else a hash of the content."""
    head = _head(root)
    entries = sorted(_walk(root))
    if head and _equals_head(root, entries):
        return Revision(name=head[:40], is_dirty=False)
    return Revision(name=_content_hash(root, entries), is_dirty=True)


def committed(root: Path) -> str | None:
    """When HEAD was committed, as ISO 8601; None without a commit."""
    text = _git(root, "log", "-1", "--no-show-signature", "--format=%cI", "HEAD")
    return text.strip() if text else None


def remote_name(root: Path) -> str | None:
    """The last part of the origin's URL; for a name when nobody gave one."""
    url = _git(root, "config", "--get", "remote.origin.url")
    return url.strip().rstrip("/").removesuffix(".git").rsplit("/", 1)[-1] if url else None


def origin(root: Path) -> str:
    """The URL that the checkout came from; empty when there is none."""
    return (_git(root, "config", "--get", "remote.origin.url") or "").strip()


def head(root: Path) -> str:
    """The commit that is checked out; empty without one."""
    return _head(root) or ""


def refs_at_head(root: Path) -> tuple[str, ...]:
    """Full names of all refs that point at HEAD."""
    listed = _git(root, "for-each-ref", "--points-at=HEAD", "--format=%(refname)") or ""
    return tuple(listed.splitlines())


def fetched(root: Path) -> str:
    """FETCH_HEAD as it is: commit, tab, note, tab, `'<ref>' of <URL>` in each line."""
    path = (_git(root, "rev-parse", "--git-path", "FETCH_HEAD") or "").rstrip("\n")
    try:
        return (root / path).read_text(errors="replace") if path else ""
    except OSError:
        return ""


def _head(root: Path) -> str | None:
    text = (_git(root, "rev-parse", "--verify", "HEAD^{commit}") or "").strip()
    return text if _SHA.fullmatch(text) else None


def _git(root: Path, *arguments: str) -> str | None:
    """stdout, or None when git is missing, fails or is too slow: then the content is hashed."""
    if not os.path.lexists(root / ".git"):
        return None
    try:
        finished = shell.run(
            argv(root, *arguments), cwd=str(root), env_vars=shell.scrubbed(_ENV), timeout=_TIMEOUT
        )
    except (FileNotFoundError, shell.TimedOut):
        return None
    return finished.stdout if finished.code == 0 else None


def _equals_head(root: Path, entries: list[str]) -> bool:
    """Whether each tracked file has HEAD's content, and nothing is untracked but ignored files."""
    listing = _git(root, "ls-tree", "-r", "-z", "--full-tree", "HEAD")
    others = _git(root, "ls-files", "--others", "--exclude-standard", "-z")
    if listing is None or others is None or others.strip("\0"):
        return False
    tracked = dict(_tracked(listing))
    return tracked.keys() <= set(entries) and all(
        _blob(root / path, mode, len(sha)) == sha for path, (mode, sha) in tracked.items()
    )


def _tracked(listing: str) -> Iterator[tuple[str, tuple[str, str]]]:
    for entry in listing.split("\0"):
        if entry:
            meta, path = entry.split("\t", 1)
            mode, _, sha = meta.split(" ")
            yield path, (mode, sha)


def _blob(path: Path, mode: str, digits: int) -> str:
    """git's id of the file as it is in the working tree; empty when its kind or mode differ."""
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode) and mode == "120000":
        content = os.fsencode(os.readlink(path))
    elif stat.S_ISREG(status.st_mode) and mode == _mode(status.st_mode):
        content = path.read_bytes()
    else:
        return ""
    digest = hashlib.new("sha1" if digits == 40 else "sha256", usedforsecurity=False)
    digest.update(b"blob %d\0" % len(content))
    digest.update(content)
    return digest.hexdigest()


def _mode(mode: int) -> str:
    return "100755" if mode & stat.S_IXUSR else "100644"


def _walk(root: Path) -> Iterator[str]:
    """Every file, link and other entry below `root` but `.git`, links not followed."""
    folders = [""]
    while folders:
        folder = folders.pop()
        with os.scandir(root / folder) as entries:
            for entry in entries:
                path = os.path.join(folder, entry.name)
                if path == ".git":
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                else:
                    yield path


def _content_hash(root: Path, entries: list[str]) -> str:
    whole = hashlib.sha256()
    for path in entries:
        kind, digest = _entry(root / path)
        whole.update(os.fsencode(path) + b"\0" + kind + b"\0" + digest + b"\0")
    return whole.hexdigest()[:40]


def _entry(path: Path) -> tuple[bytes, bytes]:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return b"link", os.fsencode(os.readlink(path))
    if not stat.S_ISREG(mode):
        return b"special", b""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return _mode(mode).encode(), digest.encode()
