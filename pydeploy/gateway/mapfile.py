"""The map's file, from which HAProxy starts."""

from __future__ import annotations

import os
from pathlib import Path

# HAProxy's master reads it as root without the right to override: by the group.
_MODE = 0o640


def write(path: Path, text: str) -> None:
    """Replace the file in one step: a HAProxy that starts reads the old or the new one, whole.

    No fsync: the file has to survive the death of processes, not of the machine. After that,
    HAProxy waits for a file that gateway-sync has written anew (see presence.py).
    """
    temporary = path.with_name(f"{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(text)
    temporary.rename(path)
