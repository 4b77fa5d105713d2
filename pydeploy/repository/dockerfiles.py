"""placeholder"""

from __future__ import annotations

from typing import Any

from pydeploy.repository.findings import Notes
from pydeploy.repository.sources import Sources
from pydeploy.repository.tree import Tree


def look(model: dict[str, Any], tree: Tree, sources: Sources, notes: Notes) -> None: ...
