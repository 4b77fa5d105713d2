"""One sample of every container: side by side, and without those who do not answer."""

from __future__ import annotations

import threading
import time
from typing import Any

import docker.errors
import pytest

from pydeploy.config.site import Engine, Site
from pydeploy.deploy import stats
from pydeploy.deploy.session import Session
from pydeploy.errors import ServiceError
from pydeploy.state.store import Store
from tests.unit.deploy.engines import engine
from tests.unit.deploy.samples import environment, release

ENGINES = {"local": Engine(), "far": Engine(host="ssh://somebody@far")}


class Api:
    """Containers of environments `a` and `b`, each answer of which takes a moment."""

    def __init__(self, count: int, gone: str = "") -> None:
        self._count, self._gone = count, gone
        self.at_once = self.most = 0
        self._guard = threading.Lock()

    def containers(self, **_: Any) -> list[dict[str, Any]]:
        return [
            {"Id": str(one), "Labels": {"io.pydeploy.environment": "ab"[one % 2]}}
            for one in range(self._count)
        ]

    def stats(self, identity: str, **_: Any) -> dict[str, Any]:
        with self._guard:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        time.sleep(0.005)
        with self._guard:
            self.at_once -= 1
        if identity == self._gone:
            raise docker.errors.NotFound("gone")
        return {"read": "2026-03-01T12:00:00Z", "memory_stats": {"usage": int(identity)}}

    def inspect_container(self, _: str) -> dict[str, Any]:
        return {"State": {}}


def session_of(store: Store, **apis: Any) -> Session:
    """A session whose engines answer as `apis` do."""
    site = Site(engines=ENGINES, default_engine="local")
    engines = {name: engine(api, name=name, host=ENGINES[name].host) for name, api in apis.items()}
    opened = Session(site=site, store=store, engine=engines["local"], cancel=threading.Event())
    object.__setattr__(opened, "engine_of", engines.__getitem__)
    return opened


def quickly(_: float) -> None:
    """No pause between the two samples."""


def test_many_containers(store: Store) -> None:
    """The biggest first; several at once, but not all, so that the engine has room to breathe."""
    near, far = Api(300), Api(0)
    began = time.monotonic()
    found = stats.sample(session_of(store, local=near, far=far), sleep=quickly)
    assert list(range(299, -1, -1)) == [one.memory for one in found.containers]
    assert 1 < near.most <= 16
    assert time.monotonic() - began < 300 * 2 * 0.005
    assert {} == found.away


def test_only_what_is_asked_for(store: Store) -> None:
    """Environments by name, and no engine that has none of them."""

    class Untouched(Api):
        def containers(self, **_: Any) -> list[dict[str, Any]]:
            raise AssertionError("nothing of it is wanted")

    opened = session_of(store, local=Api(4), far=Untouched(0))
    found = stats.sample(opened, [environment("a")], sleep=quickly)
    assert {"a"} == {one.environment for one in found.containers}


def test_a_container_that_ends_meanwhile(store: Store) -> None:
    """It is left out."""
    opened = session_of(store, local=Api(3, gone="1"), far=Api(0))
    assert [2, 0] == [one.memory for one in stats.sample(opened, sleep=quickly).containers]


@pytest.mark.parametrize("is_hanging", [True, False])
def test_an_engine_that_is_away(store: Store, is_hanging: bool) -> None:
    """Is said, and the others are told; also one that takes a connection and says nothing."""
    over = threading.Event()

    class Away(Api):
        def containers(self, **_: Any) -> list[dict[str, Any]]:
            if is_hanging:
                over.wait(20)
            raise ServiceError("far is away", service="docker")

    opened = session_of(store, local=Api(2), far=Away(0))
    began = time.monotonic()
    found = stats.sample(opened, limit=0.5, sleep=quickly)
    over.set()
    assert time.monotonic() - began < 5
    assert 2 == len(found.containers)
    said = "no answer within 0.5 seconds" if is_hanging else "far is away"
    assert {"far": said} == found.away


def test_where_an_environment_is(store: Store) -> None:
    """Its release's engine; one that is no longer in the site has no name to ask."""
    opened = session_of(store, local=Api(1), far=Api(2))
    on_far = environment("a", current=release(engine="far"))
    assert ["far"] == [
        one.engine for one in stats.sample(opened, [on_far], sleep=quickly).containers
    ]
    sold = environment("a", current=release(engine="sold"))
    assert () == stats.sample(opened, [sold], sleep=quickly).containers
