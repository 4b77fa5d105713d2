"""Where the result of a step goes: two files, each there in full or not at all.

The folder may be in the workspace, which is an untrusted checkout: no link on the way to it is
followed, so that nothing is written elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from pydeploy.errors import UsageError

VARIABLE = "PYDEPLOY_RESULT"
_HERE = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Folder:
    """An open folder: whatever happens to its name later, this is where `write` writes."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self.path = path

    def write(self, name: str, text: str) -> None:
        """Replace the file `name`; OSError when that cannot be done."""
        temporary = f".{name}.{secrets.token_hex(4)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with open(os.open(temporary, flags, 0o644, dir_fd=self._descriptor), "wb") as file:
                file.write(text.encode("utf-8", "replace"))
            os.replace(temporary, name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=self._descriptor)
            raise

    def close(self) -> None:
        os.close(self._descriptor)


def open_folder(name: str | None, here: Path) -> Folder:
    """Make the folder and open it; UsageError when a link or a file is in its way.

    `name` is relative to `here`, the workspace, or absolute.  Outside of the workspace, the way
    to the last part is this machine's own, and may have links.
    """
    if not name:
        raise UsageError(
            f"{VARIABLE} is not set", hint="name a folder for result.json and result.properties"
        )
    base, parts = _way(Path(name), here)
    if not parts or ".." in parts:
        raise UsageError(f"{VARIABLE}={name!r} is not the name of a folder in the workspace")
    try:
        base.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for part in parts:
            descriptor = _below(descriptor, part)
    except OSError as problem:
        raise UsageError(
            f"{VARIABLE}={name!r} cannot be written to: {problem.strerror}",
            hint="it may not be a symbolic link, nor lie behind one in the workspace",
        ) from problem
    return Folder(descriptor, base.joinpath(*parts))


def _way(path: Path, here: Path) -> tuple[Path, tuple[str, ...]]:
    """The trusted folder to begin with, and the names from there on."""
    if not path.is_absolute():
        return here, path.parts
    if path.is_relative_to(here):
        return here, path.relative_to(here).parts
    return path.parent, (path.name,)


def _below(descriptor: int, part: str) -> int:
    with _closing(descriptor):
        with contextlib.suppress(FileExistsError):
            os.mkdir(part, 0o755, dir_fd=descriptor)
        return os.open(part, _HERE, dir_fd=descriptor)


@contextlib.contextmanager
def _closing(descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(descriptor)
