"""Which images a change may name: in `image:`, and wherever a Dockerfile takes one from.

The agent pulls with the site's credentials, so a name that leads to another project's repository
would show its content.  site.yml lists patterns (policy/images) of what may be named at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pydeploy import names
from pydeploy.config.site import Site

# An engine takes the first digits of an id for the image, whoever's it is.
_ID = re.compile(r"(sha256:)?[0-9a-f]+", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """What the change of `gerrit_project` (None: of nobody knows which) may name on `site`."""

    site: Site
    gerrit_project: str | None

    @property
    def is_everything(self) -> bool:
        return "*" in self.site.policy.images

    def problem(self, image: str) -> tuple[str, str] | None:
        """(code, message) of what is wrong with the name `image`; None when nothing is."""
        if _ID.fullmatch(image):
            return "policy.image-of-others", f"{image!r} could be an image's id: write name:tag"
        if self._is_of_others(image):
            return "policy.image-of-others", f"{image!r} is in the repository of another project"
        if not any(_matches(image, pattern) for pattern in self.site.policy.images):
            return "policy.image", f"{image!r} is not allowed"
        return None

    def _is_of_others(self, image: str) -> bool:
        """By the path alone: many host names may lead to the site's registry."""
        repository, _ = _parts(image)
        first, slash, rest = repository.partition("/")
        if slash and (
            first == "localhost" or "." in first or ":" in first or first.lower() != first
        ):
            repository = rest
        namespace = self.site.registry.namespace
        if not repository.lower().startswith(f"{namespace}/"):
            return False
        project = self.gerrit_project
        return project is None or not names.is_of_project(namespace, project, repository)


def _parts(image: str) -> tuple[str, str]:
    """Repository, and what follows it: `:tag`, `@digest` or both."""
    name, at, digest = image.partition("@")
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        return name, at + digest
    return head, colon + tag + at + digest


def _matches(image: str, pattern: str) -> bool:
    """`debian:*` is any tag of `debian`, and not the host `debian` with a port."""
    if ":" not in pattern.rsplit("/", 1)[-1]:
        return fnmatchcase(image, pattern)
    return all(
        fnmatchcase(one, other) for one, other in zip(_parts(image), _parts(pattern), strict=True)
    )
