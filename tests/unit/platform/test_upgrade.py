"""Which steps etcd takes, and how one gateway takes over from another."""

from __future__ import annotations

from typing import Any, cast

import pytest

from pydeploy.config.site import Site
from pydeploy.errors import Interrupted, ServiceError, SiteConfigError
from pydeploy.platform import changes, upgrade
from pydeploy.platform.changes import State
from pydeploy.platform.compose import Project

SITE = Site.model_validate({"site": "s", "domains": ["deploy.test"]})
OURS = "pydeploy-s-gateway-1"


@pytest.mark.parametrize(
    ("running", "new"),
    [
        ("3.5.16", "etcd Version: 3.5.16\nGit SHA: x"),
        ("3.5.16", "etcd Version: 3.5.9"),
        ("3.5.16", "etcd Version: 3.6.0"),
        ("", "etcd Version: 3.6.0"),
        ("3.5.16", "no version at all"),
    ],
)
def test_steps_that_etcd_takes(running: str, new: str) -> None:
    """Within a minor version, or to the next; what cannot be read is not judged."""
    upgrade.expect_step(running, new)


@pytest.mark.parametrize(
    ("running", "new", "why"),
    [
        ("3.5.16", "etcd Version: 3.4.30", "cannot go back"),
        ("4.0.0", "etcd Version: 3.9.0", "cannot go back"),
        ("3.4.30", "etcd Version: 3.6.0", "more than one minor version"),
        ("3.5.16", "etcd Version: 4.0.0", "more than one minor version"),
    ],
)
def test_steps_that_it_does_not_take(running: str, new: str, why: str) -> None:
    """Back, or past a minor version: said before anything is touched."""
    with pytest.raises(SiteConfigError, match=why):
        upgrade.expect_step(running, new)


class World:
    """A project's gateways: id → name, health and age; compose makes `new` when asked for two."""

    def __init__(self, *there: str, new: str = "healthy", fails: BaseException | None = None):
        self.names = {one: f"/pydeploy-s-gateway-{at + 1}" for at, one in enumerate(there)}
        self.health = dict.fromkeys(there, "healthy")
        self.done: list[str] = []
        self._new, self._fails = new, fails

    def run(self, arguments: tuple[str, ...], **_: Any) -> str:
        if arguments[0] == "up" and self._new:
            self.names["new"], self.health["new"] = "/pydeploy-s-gateway-2", self._new
        if arguments[0] == "up" and self._fails:
            raise self._fails
        return "\n".join(self.names)

    def docker(self, arguments: tuple[str, ...], **_: Any) -> str:
        self.done.append(f"{arguments[0]} {arguments[-1]}")
        if arguments[0] == "rm":
            del self.names[arguments[-1]]
        if arguments[0] == "rename":
            assert f"/{arguments[-1]}" not in self.names.values()
            self.names[arguments[-2]] = f"/{arguments[-1]}"
        return ""

    def inspect(self, names: list[str], **_: Any) -> list[dict[str, Any]]:
        return [
            {
                "Id": one,
                "Name": self.names[one],
                "Created": str(list(self.names).index(one)),
                "Image": "i",
                "RestartCount": 0,
                "Config": {"Labels": {"com.docker.compose.service": "gateway"}},
                "State": {
                    "Running": self.health[one] != "exited",
                    "Health": {"Status": self.health[one]},
                },
            }
            for one in names
        ]

    @property
    def project(self) -> Project:
        return cast(Project, self)

    def take_over(self) -> None:
        upgrade._take_over(SITE, self.project, State(config="", image="", container="old"))


def test_a_new_gateway_takes_over() -> None:
    """The old one ends, and the new one has its name."""
    world = World("old")
    world.take_over()
    assert {"new": f"/{OURS}"} == world.names
    assert ["stop old", "rm old", f"rename {OURS}"] == world.done


@pytest.mark.parametrize(
    ("world", "raised"),
    [
        (World("old", new="exited"), ServiceError),
        (World("old", new=""), ServiceError),
        (World("old", fails=Interrupted(2)), Interrupted),
        (World("old", fails=ServiceError("x", service="docker")), ServiceError),
    ],
)
def test_one_that_does_not_take_over_goes(world: World, raised: type[BaseException]) -> None:
    """It does not come up, is not made, or Ctrl-C: the old one serves on, alone."""
    with pytest.raises(raised):
        world.take_over()
    assert {"old": f"/{OURS}"} == world.names
    assert "stop old" not in world.done


@pytest.mark.parametrize(
    ("health", "serves"),
    [
        ({"old": "healthy", "new": "healthy"}, "new"),
        ({"old": "healthy", "new": "starting"}, "old"),
        ({"old": "exited", "new": "healthy"}, "new"),
        ({"old": "exited", "new": "starting"}, "new"),
        ({"old": "starting", "new": "starting"}, "old"),
        ({"new": "healthy"}, "new"),
    ],
)
def test_what_an_up_that_died_left_is_finished(health: dict[str, str], serves: str) -> None:
    """Two gateways, or one that has not its name yet: the one that serves stays."""
    world = World(*health)
    world.health = health
    world.names = {one: f"/pydeploy-s-gateway-{1 + (one == 'new')}" for one in health}
    there = changes.there(world.project)
    assert serves == there["gateway"].container
    upgrade.replace(SITE, world.project, [], there, lambda *_: None)
    assert {serves: f"/{OURS}"} == world.names
