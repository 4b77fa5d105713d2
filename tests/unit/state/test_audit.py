"""Who did what: written in the order of time, read from its end, followed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pydeploy.clients import etcd as ops
from pydeploy.clients.etcd import Etcd, WatchLost
from pydeploy.errors import ServiceError
from pydeploy.state import audit
from pydeploy.state import store as state_store
from pydeploy.state.audit import Filter
from pydeploy.state.keys import Keys
from pydeploy.state.store import Store
from tests.unit.etcd_server import EtcdServer, wait_until

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ALL = Filter()


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Sets the clock."""

    def set_clock(moment: datetime) -> None:
        monkeypatch.setattr(audit, "now", lambda: moment)

    set_clock(NOW)
    return set_clock


def fill(store: Store, *ages: timedelta, **keys: Any) -> None:
    """Entries of these ages, as `record` writes them, without its leases."""
    moments = [NOW - age for age in ages]
    for first in range(0, len(moments), 500):
        puts = [
            ops.put(
                store.keys.audit(f"{one.strftime('%Y%m%dT%H%M%S.%fZ')}-{number:06x}"),
                json.dumps({"time": state_store.timestamp(one), "action": "deploy", **keys}),
            )
            for number, one in enumerate(moments[first : first + 500])
        ]
        store.etcd.txn([], puts)


def times(acts: list[dict[str, Any]]) -> list[str]:
    return [one["time"] for one in acts]


# -- what is written --------------------------------------------------------------------


def test_what_an_entry_says(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """When, who, what, to whom, with which result, and the details of that act."""
    monkeypatch.setenv("PYDEPLOY_USER", "ann")
    audit.record(store, "extend", "10020", "extended", expires="2026-04-01T00:00:00Z")
    (found,) = audit.read(store, ALL, limit=9)
    assert found.pop("who").startswith("ann@")
    assert state_store.timestamp()[:10] == found.pop("time")[:10]
    assert {
        "action": "extend",
        "environment": "10020",
        "result": "extended",
        "expires": "2026-04-01T00:00:00Z",
    } == found


def test_an_entry_is_kept_as_long_as_the_site_says(store: Store) -> None:
    """Its lease ends it; nothing else has to."""
    audit.record(Store(etcd=store.etcd, keys=store.keys, audit_kept=120), "deploy", "a", "running")
    (kv,) = store.etcd.range(store.keys.audit()).kvs
    answer = store.etcd.call("lease/timetolive", {"ID": str(kv.lease)})
    assert "120" == answer["grantedTTL"]


def test_losing_the_note_does_not_fail_the_act(store: Store) -> None:
    """etcd is away: what was done was done."""
    nowhere = Store(etcd=Etcd(("http://127.0.0.1:9",)), keys=store.keys)
    audit.record(nowhere, "down", "", "begun")
    assert [] == audit.read(store, ALL, limit=9)


# -- what is read -----------------------------------------------------------------------


def test_nothing_yet(store: Store) -> None:
    """No entry is no error."""
    assert [] == audit.read(store, ALL, limit=9)


def test_the_newest_first(store: Store, at: Callable[[datetime], None]) -> None:
    """Also where the last one lies long before now, and where a clock is ahead."""
    ages = [timedelta(days=29), timedelta(days=3), timedelta(minutes=1), timedelta(minutes=-5)]
    fill(store, *ages)
    found = times(audit.read(store, ALL, limit=9))
    assert [state_store.timestamp(NOW - age) for age in reversed(ages)] == found


@pytest.mark.parametrize(
    "step", [timedelta(0), timedelta(milliseconds=1), timedelta(minutes=7), timedelta(hours=9)]
)
def test_every_entry_comes_once(
    store: Store, at: Callable[[datetime], None], step: timedelta
) -> None:
    """However dense they lie, and however many pages and windows that takes."""
    fill(store, *(step * number for number in range(450)))
    found = times(audit.read(store, ALL, limit=1000))
    assert 450 == len(found)
    assert sorted(found, reverse=True) == found


def test_no_more_is_read_than_is_needed(
    store: Store, at: Callable[[datetime], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty of thousands: etcd is asked for the end only, because it sorts all it is asked for."""
    fill(store, *(timedelta(minutes=number) for number in range(4000)))
    asked: list[dict[str, Any]] = []
    call = Etcd.call

    def noted(self: Etcd, method: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = call(self, method, body)
        asked.append({**body, "found": int(answer.get("count", 0))})
        return answer

    monkeypatch.setattr(Etcd, "call", noted)
    assert 20 == len(audit.read(store, ALL, limit=20))
    sorted_ones = [one["found"] for one in asked if one.get("sort_order")]
    assert sum(sorted_ones) <= 61


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(environment="a"), ["deploy", "remove"]),
        (Filter(action="remove"), ["remove"]),
        (Filter(who="ann"), ["deploy"]),
        (Filter(environment="a", who="bob", action="deploy"), []),
        (Filter(since=90), ["remove"]),
        (Filter(since=86400), ["prune", "deploy", "remove"]),
    ],
)
def test_filters(
    store: Store, at: Callable[[datetime], None], wanted: Filter, found: list[str]
) -> None:
    """All that are given hold; who is a part of the name, and since is an age."""
    minute = timedelta(minutes=1)
    fill(store, 3 * minute, environment="", action="prune", who="cron@x:1")
    fill(store, 2 * minute, environment="a", action="deploy", who="ann@x:1")
    fill(store, minute, environment="a", action="remove", who="bob@x:1")
    acts = audit.read(store, wanted, limit=9)
    assert found == [one["action"] for one in reversed(acts)]


def test_as_of_a_revision(store: Store, at: Callable[[datetime], None]) -> None:
    """So that who reads and then follows sees each act once."""
    fill(store, timedelta(minutes=2))
    revision = store.revision()
    fill(store, timedelta(minutes=1))
    assert 1 == len(audit.read(store, ALL, limit=9, revision=revision))


# -- what is followed -------------------------------------------------------------------


class Follower:
    """Reads in a thread."""

    def __init__(self, store: Store, wanted: Filter = ALL, after: int | None = None) -> None:
        self.seen: list[str] = []
        self.said: list[str] = []
        self.stop = threading.Event()
        begin = store.revision() if after is None else after
        acts = audit.follow(store, wanted, after=begin, on_away=self.said.append, stop=self.stop)
        self._thread = threading.Thread(target=self._follow, args=(acts,), daemon=True)
        self._thread.start()

    def _follow(self, acts: Iterator[dict[str, Any]]) -> None:
        for act in acts:
            self.seen.append(act["environment"])

    def end(self) -> None:
        self.stop.set()
        self._thread.join(5)


def test_acts_as_they_come(store: Store) -> None:
    """Those that are wanted, from now on; entries that run out are no acts."""
    audit.record(store, "deploy", "before", "running")
    follower = Follower(store, Filter(action="deploy"))
    audit.record(store, "deploy", "a", "running")
    audit.record(store, "remove", "b", "removed")
    store.etcd.delete_prefix(store.keys.audit())
    audit.record(store, "deploy", "c", "running")
    wait_until(lambda: ["a", "c"] == follower.seen)
    follower.end()


def test_no_act_is_lost_after_a_compaction(own_server: EtcdServer) -> None:
    """The history is gone, the entries are not."""
    store = Store(etcd=own_server.client(), keys=Keys("/test"))
    begin = store.revision()
    for name in ("a", "b"):
        audit.record(store, "deploy", name, "running")
    store.etcd.call("kv/compaction", {"revision": str(store.revision())})
    follower = Follower(store, after=begin)
    wait_until(lambda: ["a", "b"] == follower.seen)
    audit.record(store, "deploy", "c", "running")
    wait_until(lambda: ["a", "b", "c"] == follower.seen)
    follower.end()


def test_etcd_that_is_away_is_said_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """And asked again until it is back; a watch that only ended is not worth a word."""
    problems: list[Exception] = [
        WatchLost("reconnect"),
        ServiceError("away", service="etcd"),
        ServiceError("still away", service="etcd"),
    ]
    watch = Etcd.watch

    def watched(self: Etcd, *arguments: Any, **keys: Any) -> Any:
        if problems:
            raise problems.pop(0)
        return watch(self, *arguments, **keys)

    monkeypatch.setattr(Etcd, "watch", watched)
    monkeypatch.setattr(audit, "_LOOK_AGAIN", 0.01)
    follower = Follower(store)
    audit.record(store, "deploy", "a", "running")
    wait_until(lambda: ["a"] == follower.seen)
    assert ["away"] == follower.said
    follower.end()
