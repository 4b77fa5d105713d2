"""Small wheels of a pydeploy that is none, for the tests of resources/: made in a millisecond."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from zipfile import ZipFile

# `pydeploy --version` as the real one; everything else writes down how it was called, then does
# what the first argument says.
_MAIN = """
import json, os, signal, sys, time

if sys.argv[1:] == ["--version"]:
    print("pydeploy {version}")
    sys.exit()
told = {{"version": "{version}", "argv": sys.argv[1:], "path": sys.path, "cwd": os.getcwd(),
        "pid": os.getpid(), "umask": os.umask(0), "stdin": sys.stdin.read(4)}}
if sys.argv[1:2] == ["wait"]:
    def end(number, frame):
        os.write(1, b"undone\\n")
        os._exit(143)
    signal.signal(signal.SIGTERM, end)
print(json.dumps(told), flush=True)
if sys.argv[1:2] == ["exit"]:
    sys.exit(int(sys.argv[2]))
while sys.argv[1:2] == ["wait"]:
    time.sleep(0.05)
"""


def fake(folder: Path, version: str) -> str:
    """Write the wheel of `version` into the folder; returns its sha256."""
    info = f"pydeploy-{version}.dist-info"
    files = {
        "pydeploy/__init__.py": "",
        "pydeploy/__main__.py": _MAIN.format(version=version),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: pydeploy\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = [f"{name},sha256={_digest(text)},{len(text)}" for name, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""])
    wheel = folder / f"pydeploy-{version}-py3-none-any.whl"
    with ZipFile(wheel, "w") as packed:
        for name, text in files.items():
            packed.writestr(name, text)
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def _digest(text: str) -> str:
    whole = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(whole).rstrip(b"=").decode()
