"""placeholder"""

from __future__ import annotations

from pydeploy.repository.findings import Notes
from pydeploy.repository.sources import Sources
from pydeploy.repository.tree import Tree


def scan(tree: Tree, sources: Sources, notes: Notes) -> None: ...
