"""The feed: everything at the start and after any doubt, then each change."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

from pydeploy.clients.etcd import Batch, Event, KeyValue, Range, WatchLost
from pydeploy.errors import ServiceError
from pydeploy.gateway import feed
from pydeploy.state.keys import Keys
from pydeploy.state.store import Store

KEYS = Keys("/pydeploy/v1")


def _kv(host: str, value: str, revision: int) -> KeyValue:
    return KeyValue(
        key=KEYS.route(host), value=value, create_revision=1, mod_revision=revision, lease=0
    )


class FakeEtcd:
    """Plays one script entry per read: what the range gives, then what the watch gives."""

    def __init__(self, stop: threading.Event, *script: tuple[Any, list[Any]]) -> None:
        self._stop = stop
        self._script = list(script)
        self._watch: list[Any] = []
        self.watched_after: list[int] = []

    def range(self, prefix: str) -> Range:
        assert prefix == KEYS.route()
        found, self._watch = self._script.pop(0)
        if isinstance(found, Exception):
            raise found
        return cast(Range, found)

    def watch(self, prefix: str, *, after: int, stop: threading.Event) -> Iterator[Batch]:
        self.watched_after.append(after)
        for item in self._watch:
            if isinstance(item, Exception):
                raise item
            yield item
        self._stop.set()


def _follow(monkeypatch: Any, *script: tuple[Any, list[Any]]) -> tuple[list[Any], FakeEtcd]:
    monkeypatch.setattr(feed, "FIRST_WAIT", 0.0)
    stop = threading.Event()
    etcd = FakeEtcd(stop, *script)
    items: list[Any] = []
    feed.follow(cast(Store, SimpleNamespace(etcd=etcd, keys=KEYS)), items.append, stop)
    return items, etcd


def test_a_watch_goes_on_where_the_snapshot_ended(monkeypatch: Any) -> None:
    change = Event(kind="put", kv=_kv("b.test", "2", 8))
    items, etcd = _follow(
        monkeypatch,
        (
            Range(kvs=(_kv("a.test", "1", 5),), revision=7),
            [Batch(revision=8, events=(change,)), Batch(revision=20, events=())],
        ),
    )
    assert items == [
        feed.Snapshot(routes={"a.test": "1"}, revision=7),
        feed.Changes(events=(change,), revision=8),
        feed.Changes(events=(), revision=20),  # a progress notice: nothing happened up to there
    ]
    assert etcd.watched_after == [7]


def test_a_batch_is_only_known_up_to_its_last_event(monkeypatch: Any) -> None:
    """etcd names the revision of the store, also in the first of several batches."""
    change = Event(kind="delete", kv=_kv("a.test", "", 8))
    items, _ = _follow(
        monkeypatch, (Range(kvs=(), revision=7), [Batch(revision=5000, events=(change,))])
    )
    assert items[1].revision == 8


def test_after_a_lost_watch_everything_is_read_anew(monkeypatch: Any) -> None:
    """Compaction, cancel and the end of the stream are all the same: start over."""
    items, etcd = _follow(
        monkeypatch,
        (Range(kvs=(_kv("a.test", "1", 5),), revision=7), [WatchLost("compacted")]),
        (Range(kvs=(), revision=9), []),
    )
    assert items == [
        feed.Snapshot(routes={"a.test": "1"}, revision=7),
        feed.Lost(reason="compacted"),
        feed.Snapshot(routes={}, revision=9),
    ]
    assert etcd.watched_after == [7, 9]


def test_etcd_away_is_no_end(monkeypatch: Any) -> None:
    gone = ServiceError("etcd does not answer", service="etcd")
    items, _ = _follow(monkeypatch, (gone, []), (gone, []), (Range(kvs=(), revision=9), []))
    assert items == [
        feed.Lost(reason="etcd does not answer"),
        feed.Lost(reason="etcd does not answer"),
        feed.Snapshot(routes={}, revision=9),
    ]
