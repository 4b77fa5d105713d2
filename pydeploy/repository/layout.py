"""Which files of the microservice layout are there."""

from __future__ import annotations

import os

from pydeploy.repository.findings import Notes, Place
from pydeploy.repository.tree import Tree

COMPOSE_NAMES = ("docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml")
_OVERRIDES = tuple(name.replace("compose.", "compose.override.") for name in COMPOSE_NAMES)
_READMES = ("readme", "readme.md", "readme.rst", "readme.txt")
_MAKEFILES = ("makefile", "gnumakefile")


def compose_file(tree: Tree, notes: Notes) -> str | None:
    """The name of the one compose file; None with a finding when there is none or more."""
    names = _names(tree)
    found = [name for name in COMPOSE_NAMES if name in names]
    if not found:
        notes.add("layout.no-compose", "there is no docker-compose.yml", Place(file="."))
        return None
    if len(found) > 1:
        notes.add("layout.two-compose", f"{' and '.join(found)} are there", Place(file=found[1]))
        return None
    return found[0]


def look(tree: Tree, notes: Notes) -> None:
    """Notes what people would miss, and what compose alone would take in silence."""
    names = _names(tree)
    lowered = {name.lower() for name in names}
    if not lowered & set(_READMES):
        notes.add("layout.no-readme", "there is no readme", Place(file="."))
    if not lowered & set(_MAKEFILES):
        notes.add("layout.no-makefile", "there is no makefile", Place(file="."))
    for name in _OVERRIDES:
        if name in names:
            notes.add("layout.override-ignored", f"{name} is not used", Place(file=name))


def _names(tree: Tree) -> set[str]:
    return set(os.listdir(tree.real_root))
