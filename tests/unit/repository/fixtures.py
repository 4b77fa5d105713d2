"""Checkouts made from tests/fixtures: the fixture, and around it what every repository has.

A fixture is a folder with `expect.yml`; what git cannot hold (pipes, .git, anything that looks
like a real secret) is made here.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import yaml

from pydeploy.config.site import Site

FIXTURES = Path(__file__).parents[2] / "fixtures"
# Written in two halves, so that no scanner takes this repository for a leak.
_PLACEHOLDERS = {
    "@PRIVATE_KEY@": "-----BEGIN " + "PRIVATE KEY-----",
    "@TOKEN@": "ghp_" + "0" * 36,
    "@PASSWORD@": "example" + "-only",
}
_AROUND = {
    "Dockerfile": "FROM debian:bookworm-slim\n",
    "readme.md": "# a fixture\n",
    "makefile": "build:\nrun:\n",
}


def names(kind: str) -> list[str]:
    return sorted(path.parent.name for path in (FIXTURES / kind).glob("*/expect.yml"))


def expectation(kind: str, name: str) -> dict[str, Any]:
    text = (FIXTURES / kind / name / "expect.yml").read_text(encoding="utf-8")
    expected: dict[str, Any] = yaml.safe_load(text)
    return expected


def site(kind: str, name: str) -> Site:
    """The site that the fixture is read at: the default one, or with the keys it names."""
    return Site.model_validate(expectation(kind, name).get("site", {}))


def checkout(kind: str, name: str, parent: Path) -> Path:
    """The fixture as a checkout in `parent`, which is empty otherwise."""
    expected = expectation(kind, name)
    root = parent / "checkout"
    shutil.copytree(FIXTURES / kind / name, root, symlinks=True)
    (root / "expect.yml").unlink()
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            _fill(path)
    if not expected.get("is_bare"):
        for file, text in _AROUND.items():
            if not os.path.lexists(root / file):
                (root / file).write_text(text)
    if "make_fifo" in expected:
        os.mkfifo(root / expected["make_fifo"])
    if "make_big" in expected:
        (root / expected["make_big"]).write_text("x: " + "#" * (10 << 20) + "\n")
    if expected.get("make_git"):
        (root / ".git").mkdir()
        (root / ".git" / "config").write_text("[core]\n")
    return root


def _fill(path: Path) -> None:
    content = path.read_bytes()
    filled = content
    for placeholder, value in _PLACEHOLDERS.items():
        filled = filled.replace(placeholder.encode(), value.encode())
    if filled != content:
        path.write_bytes(filled)
