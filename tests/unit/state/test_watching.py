"""Every change, in order, from a revision on; what is lost is said."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pydeploy.clients import etcd as ops
from pydeploy.errors import ServiceError
from pydeploy.state import watching
from pydeploy.state.keys import Keys
from pydeploy.state.records import Route
from pydeploy.state.store import Store
from tests.unit.etcd_server import EtcdServer, wait_until

ROUTE = Route(environment="10020", release="10020-1", address="127.0.0.1", port=20000)


class Follower:
    def __init__(self, store: Store, since: int | None) -> None:
        self.seen: list[dict[str, Any]] = []
        self.gaps: list[str] = []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._follow, args=(store, since), daemon=True)
        self.thread.start()
        wait_until(lambda: self.seen)

    def _follow(self, store: Store, since: int | None) -> None:
        for change in watching.changes(store, since=since, on_gap=self.gaps.append, stop=self.stop):
            self.seen.append(change)

    @property
    def events(self) -> list[tuple[str, str]]:
        return [(one["name"], one["event"]) for one in self.seen if "name" in one]


@contextmanager
def following(store: Store, since: int | None = None) -> Iterator[Follower]:
    found = Follower(store, since)
    yield found
    found.stop.set()
    found.thread.join(3)
    assert not found.thread.is_alive()


def test_changes_of_environments_claims_and_routes(store: Store) -> None:
    """Each with revision, kind, name, event and value; of nothing else."""
    keys = store.keys
    with following(store) as found:
        revision = store.etcd.put(keys.route("10020.a"), ROUTE.text())
        for key in (keys.lock("10020"), keys.wanted("10020"), keys.audit("x")):
            store.etcd.put(key, "{}")
        store.etcd.put(keys.port("local", 20000), '{"token":7}')
        store.etcd.delete(keys.route("10020.a"))
        wait_until(lambda: len(found.events) == 3)
    assert {
        "revision": revision,
        "kind": "routes",
        "name": "10020.a",
        "event": "put",
        "value": ROUTE.model_dump(exclude_none=True),
    } == found.seen[1]
    assert [("10020.a", "put"), ("local/20000", "put"), ("10020.a", "delete")] == found.events
    assert found.seen[-1]["value"] is None


def test_the_first_line_says_where_it_starts(store: Store) -> None:
    """So that a reader knows from which revision on nothing was missed."""
    now = store.etcd.put(store.keys.route("a"), ROUTE.text())
    with following(store) as found:
        assert {"revision": now, "event": "start"} == found.seen[0]
        time.sleep(0.2)
    assert [] == found.events


def test_since_a_revision(store: Store) -> None:
    """That revision included: who passes on the last one it has seen, plus one, misses nothing."""
    revisions = [store.etcd.put(store.keys.route(name), ROUTE.text()) for name in "abc"]
    with following(store, since=revisions[1]) as found:
        wait_until(lambda: len(found.events) == 2)
    assert [("b", "put"), ("c", "put")] == found.events


def test_a_long_history_is_complete(store: Store) -> None:
    """Also where etcd hands it over in several batches."""
    first = store.etcd.put(store.keys.route("first"), ROUTE.text())
    for _ in range(30):
        store.etcd.txn([], [ops.put(store.keys.route(f"{n}"), ROUTE.text()) for n in range(100)])
    with following(store, since=first) as found:
        wait_until(lambda: len(found.events) >= 3001)
    assert 3001 == len(found.events)
    revisions = [one["revision"] for one in found.seen]
    assert revisions == sorted(revisions)


def test_it_goes_on_after_a_reconnect(own_server: EtcdServer) -> None:
    """Where it stopped: nothing is missed, nothing comes twice."""
    store = Store(etcd=own_server.client(), keys=Keys("/a"))
    with following(store) as found:
        store.etcd.put(store.keys.route("before"), ROUTE.text())
        wait_until(lambda: found.events)
        own_server.kill()
        wait_until(lambda: found.gaps)
        own_server.start()
        store.etcd.put(store.keys.route("after"), ROUTE.text())
        wait_until(lambda: len(found.events) == 2)
    assert [("before", "put"), ("after", "put")] == found.events
    assert "etcd does not answer" in found.gaps[0]


def test_a_compaction_is_a_gap(own_server: EtcdServer) -> None:
    """What is lost is said, in the stream too; then it goes on from now."""
    store = Store(etcd=own_server.client(), keys=Keys("/a"))
    since = store.etcd.put(store.keys.route("lost"), ROUTE.text())
    now = store.etcd.put(store.keys.route("lost"), ROUTE.text())
    store.etcd.call("kv/compaction", {"revision": str(now), "physical": True})
    with following(store, since=since) as found:
        wait_until(lambda: len(found.seen) == 2)
        store.etcd.put(store.keys.route("after"), ROUTE.text())
        wait_until(lambda: found.events)
    assert {"revision": now, "event": "resync"} == found.seen[1]
    assert [("after", "put")] == found.events
    assert [f"the history before now is gone (compacted up to revision {now})"] == found.gaps


def test_etcd_away_at_the_start(own_server: EtcdServer) -> None:
    """Is exit 6 at once: nobody waits in front of a command that cannot begin."""
    store = Store(etcd=own_server.client(), keys=Keys("/a"))
    own_server.kill()
    with pytest.raises(ServiceError):
        next(watching.changes(store, since=None, on_gap=lambda _: None))
