"""The identity of a build: a hash of everything that shapes its result."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pydeploy.images import content
from pydeploy.images.plan import Plan
from pydeploy.images.values import BuildIdentity

_LENGTH = 32  # hex digits


def identity_of(
    plan: Plan, *, root: Path, identity: BuildIdentity, base: str, ca: Path | None, place: str
) -> str:
    """The id under which the build of `plan` is recorded.

    `base` is the digest of an image that is taken and not built; `place` is where the result
    lies: the registry, or the one engine that has it.
    """
    facts: dict[str, Any] = {
        "gerrit_project": identity.gerrit_project,
        "revision": identity.revision,
        "service": plan.service,
        "ref": plan.ref,
        "platform": plan.platform,
        "place": place,
        "base": base,
        "recipe": _recipe(plan, root),
        "ca": content.digest((ca,)) if ca else "",
        "contents": [
            [one.target, one.owner, one.mode, content.digest((content.resolved(one, root),))]
            for one in plan.contents
        ],
    }
    text = json.dumps(facts, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_LENGTH]


def _recipe(plan: Plan, root: Path) -> dict[str, Any]:
    recipe = plan.recipe
    if recipe is None:
        return {}
    return {
        "context": str(recipe.context.relative_to(root.resolve())),
        "content": content.digest((recipe.context, recipe.dockerfile)),
        "dockerfile": recipe.shown(root.resolve()),
        "inline": recipe.inline,
        "target": recipe.target,
        "args": dict(recipe.args),
    }
