"""Newest wish wins: what is wanted of an environment, raised before anything else is done.

Whoever works for an older wish notices (`Wish.overtaken`), stops, undoes, and ends as
superseded.  The mod revision of the wish is a condition of the switch.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from pydeploy.clients import etcd as ops
from pydeploy.clients.etcd import Compare, WatchLost
from pydeploy.errors import ServiceError, Superseded
from pydeploy.state.records import Wanted
from pydeploy.state.store import Store

REMOVED_KEPT = 86400  # seconds that "remove was wished" is remembered


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Our wish, as it stands in etcd at `mod_revision`."""

    store: Store
    key: str
    wanted: Wanted
    mod_revision: int
    overtaken: threading.Event  # also set when the lock was lost: both mean that we must stop
    overtaken_by: list[str] = field(default_factory=list)

    def still(self) -> Compare:
        """The condition under which this is still the newest wish."""
        return ops.equal(self.key, "MOD", self.mod_revision)

    def ensure(self) -> None:
        """Raise the verdict once we may not go on."""
        if self.overtaken.is_set():
            raise self.verdict()

    def verdict(self) -> Superseded | ServiceError:
        """Why we may not go on: a newer wish, or else a lock that could not be kept."""
        if not self.overtaken_by:
            try:
                now = self.store.read(self.key, Wanted)
            except ServiceError as away:
                return away
            if now is None or now[0].mod_revision != self.mod_revision:
                _overtake(self, now[1] if now else None)
        if self.overtaken_by:
            return Superseded(self.overtaken_by[0])
        return ServiceError(
            "the lock was lost: etcd did not hear of us in time, or this process was stopped",
            service="etcd",
            hint="run it again; `pydeploy doctor` if it happens often",
        )


def wish(
    store: Store,
    environment: str,
    new: Wanted,
    *,
    force: bool = False,
    overtaken: threading.Event | None = None,
) -> Wish:
    """Raise what is wanted of `environment` to `new` (whose generation is ours to choose).

    The very same wish twice (two agents, one patchset) is one wish, unless `force`.  Raises
    Superseded at once when `new` deploys an older patchset than the one that is wanted.
    """
    key = store.keys.wanted(environment)
    event = overtaken or threading.Event()
    while True:
        found = store.read(key, Wanted)
        old, revision = (found[1], found[0].mod_revision) if found else (None, 0)
        if old:
            if _is_older(new, old):
                raise Superseded(f"patchset {old.patchset}, which is wanted already")
            if _is_same(new, old) and not force:
                return _wish(store, key, old, revision, event)
        raised = new.model_copy(update={"generation": old.generation + 1 if old else 1})
        lease = store.etcd.grant(REMOVED_KEPT) if new.action == "remove" else 0
        answer = store.etcd.txn(
            [ops.equal(key, "MOD", revision)], [ops.put(key, raised.text(), lease=lease)]
        )
        if answer.succeeded:
            return _wish(store, key, raised, answer.revision, event)
        if lease:
            store.etcd.revoke(lease)


def _wish(
    store: Store, key: str, wanted: Wanted, revision: int, overtaken: threading.Event
) -> Wish:
    return Wish(store=store, key=key, wanted=wanted, mod_revision=revision, overtaken=overtaken)


def _is_older(new: Wanted, old: Wanted) -> bool:
    return (
        new.action == "deploy" == old.action
        and new.change == old.change
        and new.patchset is not None
        and old.patchset is not None
        and new.patchset < old.patchset
    )


def _is_same(new: Wanted, old: Wanted) -> bool:
    return (new.action, new.change, new.patchset, new.revision) == (
        old.action,
        old.change,
        old.patchset,
        old.revision,
    )


@contextmanager
def followed(store: Store, mine: Wish) -> Iterator[Wish]:
    """Watch for newer wishes while the block runs; `mine.overtaken` is set when one comes."""
    stop = threading.Event()
    thread = threading.Thread(target=_follow, args=(store, mine, stop), daemon=True)
    thread.start()
    try:
        yield mine
    finally:
        stop.set()


def _follow(store: Store, mine: Wish, stop: threading.Event) -> None:
    revision = mine.mod_revision
    while not stop.is_set():
        with suppress(WatchLost, ServiceError):
            now = store.read(mine.key, Wanted)
            if now is None or now[0].mod_revision != mine.mod_revision:
                _overtake(mine, now[1] if now else None)
                return
            for batch in store.etcd.watch(mine.key, after=revision, single=True, stop=stop):
                for event in batch.events:
                    newer = Wanted.read(event.kv.value) if event.kind == "put" else None
                    _overtake(mine, newer)
                    return
        stop.wait(1.0)  # etcd is away: the switch itself is safe, this is only to stop early


def _overtake(mine: Wish, newer: Wanted | None) -> None:
    if newer is None:
        mine.overtaken_by.append("the end of the wish")
    elif newer.action == "remove":
        mine.overtaken_by.append(f"a removal wished by {newer.by}")
    else:
        which = f"patchset {newer.patchset}" if newer.patchset else newer.revision[:7]
        mine.overtaken_by.append(f"{which}, wished by {newer.by}")
    mine.overtaken.set()
