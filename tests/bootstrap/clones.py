"""A clone of this tree as it is, changed files included."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tools.wheel import ROOT


def make(folder: Path) -> Path:
    """Copy what git knows and build needs; returns the folder."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/", "bench/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    for words in (["init", "-q"], ["add", "--all"]):
        subprocess.run(["git", "-C", str(folder), *words], check=True)
    return folder
