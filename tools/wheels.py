"""Fill a folder with everything an agent installs: `make wheels DIR=/folder`.

    python -m tools.wheels FOLDER [--python 3.12]...

pydeploy's own wheel is built, those of its requirements are downloaded with the pip of this
environment, from its index.  Then the library's requirements.txt names the wheel by its hash.
That is what a release has already; there, a wheel with another hash is refused.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from pydeploy import __version__
from tools import requirements, wheel


def main() -> None:
    """What `make wheels` runs."""
    words = argparse.ArgumentParser(prog="make wheels", description=__doc__.partition("\n")[0])
    words.add_argument("folder", type=Path)
    words.add_argument("--python", action="append", default=[], help="for which version of Python")
    asked = words.parse_args()
    own = add_own(asked.folder)
    for version in asked.python or [""]:
        download(asked.folder, version)
    print(f"{asked.folder}: {len(list(asked.folder.glob('*.whl')))} wheels, {own.name} among them")


def add_own(folder: Path) -> Path:
    """Build pydeploy's wheel into the folder, and pin it."""
    with tempfile.TemporaryDirectory() as temporary:
        built = wheel.build(Path(temporary))
        found = wheel.sha256(built)
        if not requirements.is_development(__version__):
            check_release(found)
        folder.mkdir(parents=True, exist_ok=True)
        own = folder / built.name
        own.write_bytes(built.read_bytes())
    requirements.write(__version__, found)
    return own


def check_release(found: str) -> None:
    """Two different things with one version must not get about."""
    if requirements.pinned() != (__version__, found):
        raise SystemExit(
            f"this is not pydeploy {__version__} any more: its wheel is not the one that"
            f" {requirements.FILE.name} names; check out v{__version__}, or see"
            " CONTRIBUTING.md for the next release"
        )


def download(folder: Path, python: str) -> None:
    """The wheels of all requirements, checked by pip, for this Python or another one."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    checked = ["--require-hashes", "--only-binary", ":all:", "--no-deps"]
    which = ["--python-version", python] if python else []
    files = ["--dest", str(folder), "--requirement", str(requirements.RUNTIME)]
    code = subprocess.run([*pip, *checked, *which, *files], check=False).returncode
    if code:
        raise SystemExit(f"pip could not download all requirements; it ended with {code}")


if __name__ == "__main__":
    main()
