"""The only way to open a file of an untrusted checkout.

A path is resolved through every link, must stay inside the repository (its `.git` is not
content), and must be a regular file or a folder: a FIFO blocks and a device answers anything.
Resolving and opening are two steps, and whoever owns the checkout could change it in between;
so what was opened is asked for its own path, and that has to be inside, too.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

MAX_TEXT = 1 << 20
_REMOTE = re.compile(
    r"[a-z][a-z0-9+.-]*://|git@|github\.com/|gitlab\.com/|bitbucket\.org/|[\w.-]+@[\w.-]+:",
    re.IGNORECASE,
)


class Refused(Exception):
    """A path that is not read; `code` is the finding it becomes."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def is_remote(path: str) -> bool:
    """Whether compose or the builder would fetch `path` from somewhere else."""
    return bool(_REMOTE.match(path.strip()))


@dataclass(frozen=True)
class Tree:
    """A checkout's folder."""

    root: Path

    @cached_property
    def real_root(self) -> str:
        return os.path.realpath(self.root)

    def locate(self, relative: str, base: str = "") -> str:
        """`relative` (seen from the folder `base`) as a clean path below the root.

        Raises Refused when the name is remote, absolute, or leaves the repository, by its text
        or through a link.  What it names need not exist.
        """
        if is_remote(relative):
            raise Refused("path.remote", f"{relative!r} is remote")
        if "\0" in relative:
            raise Refused("path.special", f"{relative!r} contains NUL")
        if os.path.isabs(relative) or relative.startswith("~"):
            raise Refused("path.outside", f"{relative!r} is not a path inside the repository")
        clean = os.path.normpath(os.path.join(base, relative))
        if clean == ".." or clean.startswith("../"):
            raise Refused("path.outside", f"{relative!r} leaves the repository")
        self._refuse_if_outside(clean, relative)
        return clean

    def inside(self, absolute: str) -> str:
        """The path below the root of an absolute path; Refused when it is elsewhere."""
        clean = os.path.relpath(os.path.normpath(absolute), os.path.normpath(self.root))
        if clean == ".." or clean.startswith("../"):
            raise Refused("path.outside", f"{absolute!r} is outside of the repository")
        self._refuse_if_outside(clean, absolute)
        return clean

    def _refuse_if_outside(self, clean: str, shown: str) -> None:
        real = os.path.realpath(os.path.join(self.real_root, clean))
        if not self._holds(real):
            raise Refused("path.outside", f"{shown!r} leads out of the repository through a link")
        if os.path.relpath(real, self.real_root).split(os.sep)[0] == ".git":
            raise Refused("path.outside", f"{shown!r} is git's own, not content of the repository")

    def _holds(self, real: str) -> bool:
        return real == self.real_root or real.startswith(self.real_root.rstrip("/") + "/")

    def kind(self, clean: str) -> str:
        """`file`, `folder`, `missing`, or `special`, following links."""
        try:
            mode = os.stat(os.path.join(self.real_root, clean)).st_mode
        except OSError:
            return "missing"
        if stat.S_ISREG(mode):
            return "file"
        return "folder" if stat.S_ISDIR(mode) else "special"

    def has(self, clean: str) -> bool:
        """Whether there is anything of that name, a dangling link included."""
        return os.path.lexists(os.path.join(self.real_root, clean))

    def read(self, clean: str, limit: int = MAX_TEXT) -> bytes:
        """The content of a located file; Refused when missing, special or longer than `limit`."""
        real = os.path.realpath(os.path.join(self.real_root, clean))
        try:
            handle = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as problem:
            code = "path.missing" if isinstance(problem, FileNotFoundError) else "path.special"
            raise Refused(code, f"{clean!r} cannot be read: {problem.strerror}") from problem
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise Refused("path.special", f"{clean!r} is not a regular file")
            self._refuse_if_swapped(handle, clean)
            with open(handle, "rb", closefd=False) as stream:
                content = stream.read(limit + 1)
        finally:
            os.close(handle)
        if len(content) > limit:
            raise Refused("path.too-large", f"{clean!r} is longer than {limit >> 10} KiB")
        return content

    def _refuse_if_swapped(self, handle: int, clean: str) -> None:
        try:
            opened = os.readlink(f"/proc/self/fd/{handle}")
        except OSError:  # no /proc: the check before has to do
            return
        if not self._holds(opened):
            raise Refused("path.outside", f"{clean!r} was swapped for a link while it was read")
