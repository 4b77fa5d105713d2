"""What has to happen for each service of a model: built, baked, or taken as it is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydeploy import names
from pydeploy.config.site import Site
from pydeploy.errors import LayoutError, PolicyError
from pydeploy.images import content
from pydeploy.images.content import Content
from pydeploy.images.values import BuildIdentity


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A service's `build` section, as far as a change may decide it."""

    context: Path
    dockerfile: Path
    inline: str = ""  # the Dockerfile's text, where the compose file holds it
    target: str = ""
    args: Mapping[str, str] = field(default_factory=dict)

    def shown(self, root: Path) -> str:
        """The Dockerfile's path as the author knows it."""
        return "dockerfile_inline" if self.inline else os.path.relpath(self.dockerfile, root)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One service: `recipe` or `image` is where its image comes from, `contents` go on top."""

    service: str
    recipe: Recipe | None
    image: str
    platform: str
    contents: tuple[Content, ...]
    covered: tuple[str, ...] = ()  # targets of contents that lie in a volume
    repository: str  # with the registry's address, where there is a registry
    tag: str
    change: int | None = None  # whose build this is; None for what a branch holds

    @property
    def is_ours(self) -> bool:
        """Whether we make an image of our own name, or run somebody else's as it is."""
        return self.recipe is not None or bool(self.contents)

    @property
    def ref(self) -> str:
        return f"{self.repository}:{self.tag}"


def read(
    model: dict[str, Any], *, root: Path, identity: BuildIdentity, site: Site
) -> tuple[Plan, ...]:
    """One plan per service.

    A service that runs the image which another one builds (`image: app` beside `build`) gets
    the same recipe: the name `app` is the change's own choice and stands for nothing here.
    """
    services: dict[str, dict[str, Any]] = model.get("services") or {}
    products = {
        service["image"]: service["build"]
        for service in services.values()
        if service.get("build") and service.get("image")
    }
    tag = names.image_tag(
        change=identity.change, patchset=identity.patchset, revision=identity.revision
    )
    plans = []
    for name, service in services.items():
        build = service.get("build") or products.get(service.get("image"))
        contents = content.of_service(model, service, root)
        plans.append(
            Plan(
                service=name,
                recipe=_recipe(build, name, root),
                image=str(service.get("image") or ""),
                platform=str(service.get("platform") or ""),
                contents=contents,
                covered=tuple(content.covered(service, contents)),
                repository=_repository(site, identity, name),
                tag=tag,
                change=identity.change,
            )
        )
    return tuple(plans)


def _repository(site: Site, identity: BuildIdentity, service: str) -> str:
    repository = names.image_repository(site.registry.namespace, identity.gerrit_project, service)
    return f"{site.registry.address}/{repository}" if site.registry.address else repository


def _recipe(build: dict[str, Any] | None, service: str, root: Path) -> Recipe | None:
    if not build:
        return None
    context = _inside(
        Path(str(build.get("context") or root)), root, f"{service}: the build context"
    )
    dockerfile = context / str(build.get("dockerfile") or "Dockerfile")
    if not build.get("dockerfile_inline"):
        dockerfile = _inside(dockerfile, root, f"{service}: the Dockerfile")
        if not dockerfile.is_file():
            raise LayoutError(
                f"{service}: there is no {os.path.relpath(dockerfile, root.resolve())}",
                hint="add it, or name the right one under build/dockerfile",
            )
    return Recipe(
        context=context,
        dockerfile=dockerfile,
        inline=str(build.get("dockerfile_inline") or ""),
        target=str(build.get("target") or ""),
        args={
            name: str(value)
            for name, value in (build.get("args") or {}).items()
            if value is not None
        },
    )


def _inside(path: Path, root: Path, what: str) -> Path:
    """`path` with links followed, which must not lead out of the repository."""
    resolved = path.resolve()
    if not resolved.is_relative_to(root.resolve()):
        raise PolicyError(
            f"{what} is outside of the repository", hint="move it into the repository"
        )
    return resolved
