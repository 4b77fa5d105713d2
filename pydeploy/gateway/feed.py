"""The routes as they change in etcd: everything at the start and after any doubt, then each change.

etcd away is not an end: the feed says so once, tries again with growing patience, and begins with
everything anew. So a consumer that applies what it gets is always right in the end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from pydeploy.clients.etcd import Batch, Event, WatchLost
from pydeploy.errors import ServiceError
from pydeploy.state.store import Store

FIRST_WAIT = 0.1  # seconds before etcd is asked again; doubled each time
LONGEST_WAIT = 2.0


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """All routes (host → record) as of `revision`; what is not in it is gone."""

    routes: dict[str, str]
    revision: int


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Events in order, up to and including `revision`."""

    events: tuple[Event, ...]
    revision: int


@dataclass(frozen=True, kw_only=True)
class Lost:
    """etcd cannot be followed now; a Snapshot comes when it can again."""

    reason: str


Item = Snapshot | Changes | Lost


def follow(store: Store, emit: Callable[[Item], None], stop: threading.Event) -> None:
    """Call `emit` with what happens to the routes, until `stop` is set."""
    wait = FIRST_WAIT
    while not stop.is_set():
        try:
            snapshot = _read(store)
            emit(snapshot)
            wait = FIRST_WAIT
            for batch in store.etcd.watch(store.keys.route(), after=snapshot.revision, stop=stop):
                emit(Changes(events=batch.events, revision=_up_to(batch)))
        except (WatchLost, ServiceError) as problem:
            emit(Lost(reason=str(problem)))
        stop.wait(wait)
        wait = min(wait * 2, LONGEST_WAIT)


def _up_to(batch: Batch) -> int:
    """Up to which revision all is known. A batch's own revision may be ahead of its events: etcd
    names the store's, and hands more than a thousand revisions over in several batches."""
    return batch.events[-1].kv.mod_revision if batch.events else batch.revision


def _read(store: Store) -> Snapshot:
    prefix = store.keys.route()
    found = store.etcd.range(prefix)
    routes = {kv.key.removeprefix(prefix): kv.value for kv in found.kvs}
    return Snapshot(routes=routes, revision=found.revision)
