"""Paths in the canonical model: absolute, and inside the repository."""

from __future__ import annotations

from typing import Any

from pydeploy.repository.documents import KeyPath
from pydeploy.repository.policy.rules import Scope, shown
from pydeploy.repository.tree import Refused


def located(scope: Scope, path: KeyPath, value: Any, *, code: str = "") -> str | None:
    """`value` seen from the root; None with a finding (`code`, else its own) when it is refused.

    A dollar sign is refused: Compose doubles it in the model, so the name that was looked at
    would not be the name that is used.
    """
    text = str(value)
    try:
        if "$" in text:
            raise Refused("path.variable", f"{shown(text)} contains a dollar sign")
        if not text.startswith("/"):
            raise Refused("path.remote", f"{shown(text)} is remote")
        return scope.tree.inside(text)
    except Refused as problem:
        refused_as = code if code and problem.code == "path.outside" else problem.code
        scope.note(refused_as, path, problem.message)
        return None
