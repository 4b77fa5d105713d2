"""Which images a change may name."""

from __future__ import annotations

import pytest

from pydeploy.config.site import Site
from pydeploy.repository.image_names import Allowed

SITE = {"registry": {"address": "127.0.0.1:5000"}}


def problem(image: str, *patterns: str, project: str | None = "docs/hello") -> str:
    policy = {"images": patterns or ("*",)}
    allowed = Allowed(site=Site.model_validate({**SITE, "policy": policy}), gerrit_project=project)
    found = allowed.problem(image)
    return found[0] if found else ""


@pytest.mark.parametrize(
    "image",
    [
        "debian:12",
        "redis",
        "ghcr.io/a/pydeploy/b:1",
        "pydeploy-platform/etcd",
        "cafe:1",
        "127.0.0.1:5000/pydeploy/docs/hello/web:1",
        "pydeploy/docs/hello/web@sha256:" + "a" * 64,
    ],
)
def test_allowed(image: str) -> None:
    """Anybody's images, and those of the change's own project."""
    assert "" == problem(image)


@pytest.mark.parametrize(
    "image",
    [
        "pydeploy/docs/other/web",
        "pydeploy/docs/hello",  # service `hello` of project `docs`
        "pydeploy/docs/hello/api/web",  # project `docs/hello/api`
        "127.0.0.1:5000/pydeploy/docs/other/web:1",
        "localhost:5000/pydeploy/docs/other/web:1",
        "LOCALHOST:5000/pydeploy/docs/other/web:1",
        "anything.example/pydeploy/docs/other/web:1",
        "sha256:" + "a" * 64,
        "abc",
    ],
)
def test_of_others(image: str) -> None:
    """By the path, whatever host leads to the registry; and nothing by its id."""
    assert "policy.image-of-others" == problem(image)


def test_without_a_project_nothing_is_ones_own() -> None:
    """Nobody says whose change it is."""
    assert "policy.image-of-others" == problem("pydeploy/docs/hello/web", project=None)


@pytest.mark.parametrize(
    ("image", "pattern", "code"),
    [
        ("debian:12", "debian:*", ""),
        ("debian:12@sha256:ab", "debian:*", ""),
        ("debian:5000/miner", "debian:*", "policy.image"),
        ("debian:5000/miner:1", "debian:*", "policy.image"),
        ("r.example:5000/a/b:1", "r.example:5000/*", ""),
        ("r.example:5000/a/b:1", "r.example:5000/*/b:1", ""),
        ("r.example:5000/a/b:2", "r.example:5000/*/b:1", "policy.image"),
    ],
)
def test_patterns(image: str, pattern: str, code: str) -> None:
    """A pattern with a tag is one of a repository and one of a tag."""
    assert code == problem(image, pattern)
