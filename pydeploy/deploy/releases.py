"""Telling of releases: which there are, and in what two of them differ."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from pydeploy.deploy import history
from pydeploy.deploy.logs import existing
from pydeploy.deploy.session import Session
from pydeploy.errors import ServiceError, SiteConfigError
from pydeploy.state.records import Release


def describe(session: Session, environment: str) -> list[dict[str, Any]]:
    """Each as plain data without its model, the newest first."""
    current = existing(session, environment).current
    return [
        {
            "release": one.name,
            "is_current": current is not None and one.name == current.name,
            "change": one.change.model_dump() if one.change else None,
            "patchset": one.patchset,
            "revision": one.revision,
            "engine": one.engine,
            "origin": one.origin.model_dump(),
            "created": one.created,
            "images": [image.model_dump() for image in one.images],
        }
        for one in history.of(session, environment)
    ]


@dataclass(frozen=True, kw_only=True)
class Diff:
    """`facts` are those that differ, (before, after); `model` is a unified diff of YAML."""

    facts: dict[str, tuple[str, str]]
    model: list[str]

    def as_dict(self) -> dict[str, Any]:
        facts = {name: {"before": one, "after": other} for name, (one, other) in self.facts.items()}
        return {"facts": facts, "model": self.model}


def diff(session: Session, environment: str, first: str, second: str) -> Diff:
    """Of two releases that `environment` knows; UsageError for one that it does not."""
    one, other = (history.one(session, environment, name) for name in (first, second))
    before, after = _facts(session, one), _facts(session, other)
    return Diff(
        facts={
            name: (before.get(name, ""), after.get(name, ""))
            for name in sorted({*before, *after})
            if before.get(name) != after.get(name)
        },
        model=list(
            difflib.unified_diff(_yaml(one), _yaml(other), one.name, other.name, lineterm="")
        ),
    )


def _facts(session: Session, release: Release) -> dict[str, str]:
    facts = {
        "revision": release.revision,
        "patchset": str(release.patchset or ""),
        "change": str(release.change.number) if release.change else "",
        "gerrit_project": release.gerrit_project,
        "branch": release.branch,
        "engine": release.engine,
        "origin": f"{release.origin.action} {release.origin.release}".strip(),
    }
    for image in release.images:
        facts[f"image {image.service}"] = image.digest
    return {**facts, **_labels(session, release)}


def _labels(session: Session, release: Release) -> dict[str, str]:
    """Of the images, where their engine still has them."""
    import docker.errors

    found = {}
    try:
        engine = session.engine_of(release.engine)
        for service, one in release.model["services"].items():
            with engine.answering():
                inspected = engine.api.inspect_image(one["image"])
            for name, value in (inspected["Config"].get("Labels") or {}).items():
                found[f"label {service} {name}"] = value
    except (ServiceError, SiteConfigError, docker.errors.APIError):
        return found  # away, no longer in the site, or the image has gone
    return found


def _yaml(release: Release) -> list[str]:
    """The model without the pinned images, which are facts."""
    import yaml

    services = {
        name: {key: value for key, value in one.items() if key != "image"}
        for name, one in release.model["services"].items()
    }
    text: str = yaml.safe_dump({**release.model, "services": services}, sort_keys=True)
    return text.splitlines()
