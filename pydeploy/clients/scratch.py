"""Folders for the time of one command, which also go when the process was killed.

Whoever makes one holds a lock (flock) on it.  One that nobody holds belonged to a process that
died, and whoever makes the next one removes it: it may hold a password.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "pydeploy-scratch-"
_SETTLED = 10.0  # seconds; a folder is made before it is locked


@contextmanager
def folder(base: Path | None = None) -> Iterator[Path]:
    """A new folder, readable by us alone, gone afterwards."""
    base = base or Path(tempfile.gettempdir())
    remove_forgotten(base, now=time.time())
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=base) as name:  # mode 700
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield Path(name)
        finally:
            os.close(descriptor)


def remove_forgotten(base: Path, *, now: float) -> None:
    """Remove the folders of processes that died; what is another user's stays."""
    for found in base.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            status = found.lstat()
            if status.st_uid == os.getuid() and now - status.st_mtime > _SETTLED:
                _remove_unless_held(found)


def _remove_unless_held(found: Path) -> None:
    descriptor = os.open(found, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(found)
    finally:
        os.close(descriptor)
