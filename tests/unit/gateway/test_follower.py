"""What the follower tells HAProxy, the file and the key, in which order."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pydeploy.clients.etcd import Event, KeyValue
from pydeploy.clients.haproxy import HAProxy
from pydeploy.config.site import Engine
from pydeploy.errors import ServiceError
from pydeploy.gateway import feed
from pydeploy.gateway.follower import Attached, Broken, Detached, Follower
from pydeploy.gateway.presence import Presence
from pydeploy.gateway.targets import Doors
from pydeploy.state.keys import Keys
from pydeploy.state.records import Route
from pydeploy.state.store import Store

KEYS = Keys("/pydeploy/v1")
A, B = "127.0.0.1:20000", "127.0.0.1:20001"


class FakeHAProxy:
    """Holds a map as HAProxy does: `add` of a key that is there is a second entry."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str]] = []
        self.is_away = False
        self.busy: set[str] = set()
        self.replaced = 0

    def add(self, key: str, value: str) -> None:
        self._expect_alive()
        self.entries.append((key, value))

    def change(self, key: str, value: str) -> None:
        self._expect_alive()
        self.entries[self._at(key)] = (key, value)

    def delete(self, key: str) -> None:
        self._expect_alive()
        del self.entries[self._at(key)]

    def replace(self, entries: Mapping[str, str]) -> None:
        self._expect_alive()
        self.entries = list(entries.items())
        self.replaced += 1

    def busy_targets(self) -> set[str]:
        return self.busy

    def open_streams(self, target: str) -> int:
        return int(target in self.busy)

    def _at(self, key: str) -> int:
        keys = [key for key, _ in self.entries]
        if key not in keys:
            raise ServiceError("Key not found.", service="gateway")
        return keys.index(key)

    def _expect_alive(self) -> None:
        if self.is_away:
            raise ServiceError("HAProxy does not answer", service="gateway")


class World:
    """A follower whose items are given to it one by one."""

    def __init__(self, folder: Path) -> None:
        self.haproxy = FakeHAProxy()
        self.published: list[Any] = []
        self.said: list[str] = []
        self.following: list[bool] = []
        self.file = folder / "routes.map"
        presence = SimpleNamespace(
            publish=self.published.append,
            withdraw=lambda: self.published.append(None),
            follows=self.following.append,
        )
        self.follower = Follower(
            cast(Store, SimpleNamespace(keys=KEYS)),
            cast(HAProxy, self.haproxy),
            cast(Presence, presence),
            Doors([Engine()]),
            self.file,
            address="127.0.0.1",
            http_port=80,
            https_port=None,
            drain_limit=10,
            say=self.said.append,
        )

    def take(self, *items: Any) -> None:
        for item in items:
            self.follower._take(item)
        self.follower._settle()

    @property
    def map(self) -> dict[str, str]:
        keys = [key for key, _ in self.haproxy.entries]
        assert len(keys) == len(set(keys)), "a key is there twice"
        return dict(self.haproxy.entries)


def _record(value: str) -> str:
    if ":" not in value:
        return Route.model_validate({"environment": "x", "state": value}).text()
    address, port = value.split(":")
    return Route(environment="x", address=address, port=int(port)).text()


def _snapshot(revision: int, **routes: str) -> feed.Snapshot:
    found = {f"{name}.test": _record(value) for name, value in routes.items()}
    return feed.Snapshot(routes=found, revision=revision)


def _event(name: str, value: str | None, revision: int = 0) -> Event:
    kv = KeyValue(
        key=KEYS.route(f"{name}.test"), value=_record(value) if value else "",
        create_revision=1, mod_revision=revision, lease=0,
    )  # fmt: skip
    return Event(kind="put" if value else "delete", kv=kv)


def _changes(revision: int, *events: Event) -> feed.Changes:
    return feed.Changes(events=events, revision=revision)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """HAProxy is there, and one route."""
    world = World(tmp_path)
    world.take(Attached(pid=1), _snapshot(5, a=A))
    return world


def test_what_is_published_is_in_haproxy_and_in_the_file(world: World) -> None:
    assert world.map == {"a.test": A}
    assert world.file.read_text() == f"a.test {A}\n"
    assert world.published[-1].applied == 5


def test_a_host_that_changes_twice_in_a_batch_is_there_once(world: World) -> None:
    """Each edit depends on the ones before it."""
    events = [_event("b", "starting"), _event("b", B), _event("a", None), _event("a", "removed")]
    world.take(_changes(9, *events))
    assert world.map == {"b.test": B, "a.test": "removed"}


def test_many_changes_are_one_replacement(world: World) -> None:
    before = world.haproxy.replaced
    events = [_event(f"n{number}", "failed") for number in range(500)]
    world.take(_changes(600, *events))
    assert world.haproxy.replaced == before + 1
    assert len(world.map) == 501
    assert world.published[-1].applied == 600


def test_nothing_is_published_that_haproxy_does_not_have(world: World) -> None:
    world.haproxy.is_away = True
    world.take(_changes(9, _event("b", B)))
    assert world.published[-1].applied == 5
    assert "b.test" in world.file.read_text()  # which a HAProxy that starts now reads
    world.haproxy.is_away = False
    world.take(None)
    assert world.map == {"a.test": A, "b.test": B}
    assert world.published[-1].applied == 9


def test_another_haproxy_gets_everything(world: World) -> None:
    world.haproxy.entries = [("old.test", "starting")]
    world.take(Detached(), _changes(9, _event("b", B)), Attached(pid=2))
    assert world.map == {"a.test": A, "b.test": B}
    assert world.published[-1].applied == 9


def test_a_snapshot_drops_what_is_no_longer_there(world: World) -> None:
    world.take(feed.Lost(reason="compacted"), _snapshot(99, b=B))
    assert world.map == {"b.test": B}
    assert world.published[-1].applied == 99


def test_a_left_target_is_draining_in_the_state_that_says_it_is_left(world: World) -> None:
    """Or who waits for both would see it drained before it drains."""
    world.haproxy.busy = {A}
    world.take(_changes(9, _event("a", B)))
    state = world.published[-1]
    assert (state.applied, state.draining) == (9, (A,))


def test_etcd_away_is_said_once_and_nothing_changes(world: World) -> None:
    before = len(world.published)
    world.take(*[feed.Lost(reason="no answer")] * 5)
    assert world.map == {"a.test": A}
    assert len([line for line in world.said if "etcd is away" in line]) == 1
    assert world.following[-1] is False
    assert len(world.published) == before


def test_a_refused_route_is_said_and_not_routed(world: World) -> None:
    world.take(_changes(9, _event("b", "10.9.9.9:80")))
    assert world.map == {"a.test": A}
    assert any("b.test" in line and "refused" in line for line in world.said)


def test_a_progress_notice_changes_nothing(world: World) -> None:
    before = len(world.published)
    world.take(_changes(50))
    assert len(world.published) == before


def test_a_bug_in_a_thread_ends_the_process(world: World) -> None:
    with pytest.raises(ZeroDivisionError):
        world.take(Broken(problem=ZeroDivisionError()))
