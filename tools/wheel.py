"""The wheel of pydeploy: the same bytes from the same tree, whoever builds it, and wherever.

Its hash stands in `resources/com/deepin/pydeploy/requirements.txt`, so it must not depend on the
machine: only what git knows is packed, with one date for all, and stored without compression,
because the versions of zlib do not agree in their output.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

ROOT = Path(__file__).parents[1]
DATE = (2020, 2, 2, 0, 0, 0)  # a zip knows no date before 1980
EPOCH = "1580601600"  # the same, as SOURCE_DATE_EPOCH


def build(folder: Path, root: Path = ROOT) -> Path:
    """Build the wheel of the clone `root` into `folder`; returns its path."""
    with tempfile.TemporaryDirectory() as temporary:
        tree, raw = Path(temporary, "tree"), Path(temporary, "raw")
        _copy_tracked(root, tree)
        subprocess.run(  # no frontend, no isolation: the hatchling of requirements/dev.txt
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(raw)],
            cwd=tree,
            env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH},
            check=True,
            capture_output=True,
        )
        (made,) = raw.glob("*.whl")
        folder.mkdir(parents=True, exist_ok=True)
        settled = folder / made.name
        part = settled.with_suffix(".part")
        _settle(made, part)
        part.replace(settled)
    return settled


def sha256(wheel: Path) -> str:
    """The hash as pip has it after `--hash=sha256:`."""
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def _copy_tracked(root: Path, tree: Path) -> None:
    """What lies about in a working tree, such as __pycache__ or a draft, is not packed."""
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z"], check=True, capture_output=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        source, target = root / name, tree / name
        if source.is_file():  # else it was deleted, and git was not told yet
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


def _settle(made: Path, settled: Path) -> None:
    """Write the wheel anew, with nothing of this machine in it."""
    with ZipFile(made) as old, ZipFile(settled, "w", ZIP_STORED) as new:
        for entry in old.infolist():
            is_program = entry.external_attr >> 16 & 0o100
            plain = ZipInfo(entry.filename, DATE)
            plain.create_system = 3  # Unix
            plain.external_attr = (0o100755 if is_program else 0o100644) << 16
            new.writestr(plain, old.read(entry))
