"""What has to happen for each service."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pydeploy.config.site import Site
from pydeploy.errors import LayoutError, PolicyError
from pydeploy.images import building, plan, shape
from pydeploy.images.plan import Plan
from pydeploy.images.values import BuildIdentity

IDENTITY = BuildIdentity(
    gerrit_project="docs/hello", change=10020, patchset=2, revision="abcdef1234567", created=""
)
SITE = Site.model_validate({"registry": {"address": "127.0.0.1:5000"}})


def plans(root: Path, services: dict[str, Any], site: Site = SITE) -> dict[str, Plan]:
    found = plan.read({"services": services}, root=root, identity=IDENTITY, site=site)
    return {one.service: one for one in found}


def build(root: Path, **keys: Any) -> dict[str, Any]:
    return {"context": str(root), "dockerfile": "Dockerfile", **keys}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    return tmp_path


def test_names_are_ours_and_never_the_changes(root: Path) -> None:
    one = plans(root, {"web": {"build": build(root), "image": "library/debian"}})["web"]
    assert one.ref == "127.0.0.1:5000/pydeploy/docs/hello/web:10020-2-abcdef1"


def test_without_a_registry_the_name_is_local(root: Path) -> None:
    one = plans(root, {"web": {"build": build(root)}}, Site())["web"]
    assert one.ref == "pydeploy/docs/hello/web:10020-2-abcdef1"


def test_an_image_only_service_is_taken_as_it_is(root: Path) -> None:
    one = plans(root, {"store": {"image": "redis:7"}})["store"]
    assert (one.is_ours, one.image) == (False, "redis:7")


def test_a_mount_makes_an_image_ours(root: Path) -> None:
    mount = {"type": "bind", "source": str(root / "c"), "target": "/c"}
    assert plans(root, {"store": {"image": "redis:7", "volumes": [mount]}})["store"].is_ours


def test_an_image_that_another_service_builds_is_built_the_same_way(root: Path) -> None:
    """`image: app` beside a service that builds `app`: its name stands for nothing elsewhere."""
    found = plans(root, {"web": {"build": build(root), "image": "app"}, "job": {"image": "app"}})
    assert found["job"].recipe == found["web"].recipe


def test_arguments_without_a_value_are_left_out(root: Path) -> None:
    one = plans(root, {"web": {"build": build(root, args={"A": 1, "B": None})}})["web"]
    assert one.recipe is not None
    assert one.recipe.args == {"A": "1"}


def test_a_missing_dockerfile_is_named(root: Path) -> None:
    with pytest.raises(LayoutError, match="there is no docker/Web"):
        plans(root, {"web": {"build": build(root, dockerfile="docker/Web")}})


@pytest.mark.parametrize("keys", [{"context": "/etc"}, {"dockerfile": "../../etc/passwd"}])
def test_nothing_outside_of_the_repository_is_built(root: Path, keys: dict[str, Any]) -> None:
    with pytest.raises(PolicyError, match="outside of the repository"):
        plans(root, {"web": {"build": build(root, **keys)}})


def test_a_context_that_links_out_is_refused(root: Path) -> None:
    (root / "out").symlink_to("/usr")
    with pytest.raises(PolicyError, match="build context"):
        plans(root, {"web": {"build": build(root / "out")}})


def test_everything_that_shapes_the_build_is_in_its_identity(root: Path) -> None:
    """Context, Dockerfile, target, arguments, baked content; service, base, CA, place, revision."""
    (root / "conf").write_text("1")
    (root / "ca").write_text("CA")
    mount = {"type": "bind", "source": str(root / "conf"), "target": "/c"}

    def identity(
        *, base: str = "", place: str = "r", ca: Path | None = None, mounts: Any = (), **keys: Any
    ) -> str:
        one = plans(root, {"web": {"build": build(root, **keys), "volumes": mounts}})["web"]
        return shape.identity_of(one, root=root, identity=IDENTITY, base=base, ca=ca, place=place)

    first = identity()
    assert identity() == first
    others = {
        identity(target="x"),
        identity(args={"A": "1"}),
        identity(dockerfile_inline="FROM y"),
        identity(base="sha256:1"),
        identity(place="s"),
        identity(ca=root / "ca"),
        identity(mounts=[mount]),
    }
    (root / "conf").write_text("2")
    others |= {identity(), identity(mounts=[mount])}
    assert first not in others
    assert len(others) == 9


@pytest.mark.parametrize(
    ("change", "tag", "mounts"), [(10020, "10020-buildcache", ":10020"), (None, "buildcache", "")]
)
def test_the_cache_of_what_nobody_has_reviewed_is_its_own(
    root: Path, change: int | None, tag: str, mounts: str
) -> None:
    """A change could put something there for the build of the merged revision to find."""
    (one,) = plan.read(
        {"services": {"web": {"build": build(root)}}},
        root=root,
        identity=replace(IDENTITY, change=change),
        site=SITE,
    )
    assert building.cache_ref(one) == f"127.0.0.1:5000/pydeploy/docs/hello/web:{tag}"
    assert building.cache_mounts(one) == f"127.0.0.1:5000/pydeploy/docs/hello/web{mounts}"
