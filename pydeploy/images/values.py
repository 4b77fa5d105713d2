"""What goes into `prepare` beside the model, and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class BuildIdentity:
    """Which revision is built; names and labels its images."""

    gerrit_project: str
    change: int | None
    patchset: int | None
    revision: str
    created: str  # ISO 8601, of the revision and not of the build: two builds label alike
    source_url: str = ""


@dataclass(frozen=True, kw_only=True)
class Image:
    """One service's image.

    `ref` is its name for people.  `digest` is the manifest's in the registry, or the image id
    where the site has no registry.  `pinned` is what the model runs: exactly that content.
    """

    service: str
    ref: str
    digest: str
    pinned: str


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A compose model that needs no checkout, and the images it runs, which the engine holds."""

    model: dict[str, Any]
    images: tuple[Image, ...]
