"""`resources/com/deepin/pydeploy/requirements.txt`: what an agent installs, each file by its hash.

It is requirements/runtime.txt below the pin of pydeploy itself, which comes first because
bootstrap.sh reads the version and the hash off the first two lines.  A development version has
no hash that stays true from one commit to the next: zeros, which no file has.

    python -m tools.requirements      writes it anew after runtime.txt has changed
"""

from __future__ import annotations

import re

from tools.wheel import ROOT

RUNTIME = ROOT / "requirements/runtime.txt"
FILE = ROOT / "resources/com/deepin/pydeploy/requirements.txt"
NO_HASH = "0" * 64
_PIN = re.compile(r"pydeploy==(\S+) \\\n    --hash=sha256:([0-9a-f]{64})\n")


def text(version: str, wheel_hash: str) -> str:
    """The whole file."""
    own = f"pydeploy=={version} \\\n    --hash=sha256:{wheel_hash}\n"
    return own + RUNTIME.read_text(encoding="utf-8")


def pinned() -> tuple[str, str]:
    """Version and hash as the file has them."""
    found = _PIN.match(FILE.read_text(encoding="utf-8"))
    if found is None:
        raise SystemExit(f"{FILE} does not begin with the pin of pydeploy on two lines")
    return found[1], found[2]


def write(version: str, wheel_hash: str) -> None:
    """Only if it differs: whoever makes the wheels of a release leaves the clone as it is."""
    if FILE.read_text(encoding="utf-8") != text(version, wheel_hash):
        FILE.write_text(text(version, wheel_hash), encoding="utf-8")
        print(f"wrote {FILE.relative_to(ROOT)}: pydeploy {version}, sha256 {wheel_hash[:12]}")


def is_development(version: str) -> bool:
    """Between releases: `0.2.0.dev0`."""
    return ".dev" in version


if __name__ == "__main__":
    write(*pinned())
