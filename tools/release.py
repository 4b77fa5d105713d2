"""Set the version: `make release VERSION=0.2.0`, and afterwards `VERSION=0.3.0.dev0`.

    python -m tools.release VERSION

Writes the version, the library's requirements.txt with the hash of the wheel that the tree makes,
and for a release the heading in CHANGELOG.md.  Commits nothing, and says what comes next.
"""

from __future__ import annotations

import datetime
import re
import sys
import tempfile
from pathlib import Path

from tools import requirements, wheel

VERSION_FILE = wheel.ROOT / "pydeploy/__init__.py"
CHANGELOG = wheel.ROOT / "CHANGELOG.md"


def main(version: str) -> None:
    """What `make release` runs."""
    if not re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?", version):
        raise SystemExit(f"{version!r} is no version: 0.2.0, or 0.3.0.dev0 after a release")
    _replace(VERSION_FILE, r'(?m)^__version__ = ".*"$', f'__version__ = "{version}"')
    if requirements.is_development(version):
        requirements.write(version, requirements.NO_HASH)
        print(f"next: git commit -am 'Go on as {version}'")
        return
    today = datetime.datetime.now(datetime.UTC).date()
    _replace(CHANGELOG, r"(?m)^## \[Unreleased\]$", f"## [Unreleased]\n\n## [{version}] - {today}")
    with tempfile.TemporaryDirectory() as temporary:
        requirements.write(version, wheel.sha256(wheel.build(Path(temporary))))
    print(f"next: git commit -am 'Release {version}' && git tag v{version}")


def _replace(file: Path, pattern: str, new: str) -> None:
    text, count = re.subn(pattern, new, file.read_text(encoding="utf-8"), count=1)
    if count != 1:
        raise SystemExit(f"{file} has no line for the version")
    file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
