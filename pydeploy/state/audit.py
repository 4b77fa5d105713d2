"""Who did what, to what, with which result: one key per act, in the order of time."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from pydeploy.clients.etcd import Compacted, KeyValue, WatchLost
from pydeploy.errors import ServiceError
from pydeploy.state.keys import last
from pydeploy.state.store import Store, now, timestamp, whoami

_TIME = "%Y%m%dT%H%M%S.%fZ"  # as keys begin, so that their order is that of time
_PAGE = 200  # keys that are read at once
_WINDOW = timedelta(hours=1)  # that is looked at first
_NARROWEST = timedelta(minutes=1)
_LOOK_AGAIN = 1.0  # seconds until etcd is asked again


def record(store: Store, action: str, environment: str, result: str, **details: Any) -> None:
    """Note one act.  Losing the note must not fail the act."""
    moment = now()
    value = {
        "time": timestamp(moment),
        "who": whoami(),
        "action": action,
        "environment": environment,
        "result": result,
        **details,
    }
    with suppress(ServiceError):
        lease = store.etcd.grant(store.audit_kept)
        entry = f"{moment.strftime(_TIME)}-{secrets.token_hex(3)}"
        store.etcd.put(store.keys.audit(entry), json.dumps(value), lease=lease)


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which acts are wanted; `since` is an age in seconds."""

    environment: str | None = None
    since: int | None = None
    action: str | None = None
    who: str | None = None

    def takes(self, act: dict[str, Any]) -> bool:
        return (
            self.environment in (None, act.get("environment"))
            and self.action in (None, act.get("action"))
            and (self.who is None or self.who in str(act.get("who")))
        )


def read(store: Store, wanted: Filter, *, limit: int, revision: int = 0) -> list[dict[str, Any]]:
    """At most `limit` acts, the newest first (as of `revision`, else of now).

    No more is read than is needed to find them.
    """
    not_before = now() - timedelta(seconds=wanted.since) if wanted.since else None
    acts = (json.loads(kv.value) for kv in _newest_first(store, not_before, revision))
    return list(islice(filter(wanted.takes, acts), limit))


def follow(
    store: Store,
    wanted: Filter,
    *,
    after: int,
    on_away: Callable[[str], None],
    stop: threading.Event | None = None,
) -> Iterator[dict[str, Any]]:
    """Acts as they come after revision `after`, for ever; none is lost while etcd is away."""
    stop = stop or threading.Event()
    is_said = False
    while not stop.is_set():
        try:
            for revision, kvs in _written(store, after, stop):
                yield from _taken(wanted, kvs)
                after, is_said = revision, False
        except ServiceError as away:
            if not is_said:
                on_away(away.message)
            is_said = True
        stop.wait(_LOOK_AGAIN)


def _written(
    store: Store, after: int, stop: threading.Event
) -> Iterator[tuple[int, list[KeyValue]]]:
    """(revision up to which, entries) of what came after `after`; ends with the watch."""
    try:
        for batch in store.etcd.watch(store.keys.audit(), after=after, stop=stop):
            yield batch.revision, [event.kv for event in batch.events if event.kind == "put"]
    except Compacted:  # the history is gone, the entries are not
        found = store.etcd.range(store.keys.audit(), since=after + 1)
        yield found.revision, sorted(found.kvs, key=lambda kv: kv.mod_revision)
    except WatchLost:
        pass  # asked again where it stopped


def _taken(wanted: Filter, kvs: list[KeyValue]) -> Iterator[dict[str, Any]]:
    return filter(wanted.takes, (json.loads(kv.value) for kv in kvs))


def _newest_first(store: Store, not_before: datetime | None, revision: int) -> Iterator[KeyValue]:
    """Window by window of time, because etcd reads all of a range to give the end of it.

    The next window is wider after one that fits into a page, and narrower after one that does not.
    """
    keys = store.keys
    oldest = store.etcd.first(keys.audit())
    if oldest is None:
        return
    bottom = max(_time_of(oldest.key), not_before or datetime.min.replace(tzinfo=UTC))
    edge, before, width = now(), "", _WINDOW
    while True:
        start = max(edge - width, bottom)
        page = store.etcd.last(
            keys.audit(),
            start=keys.audit(start.strftime(_TIME)),
            before=before,
            limit=_PAGE,
            revision=revision,
        )
        yield from page
        if len(page) == _PAGE:
            before, width = page[-1].key, max(width / 2, _NARROWEST)
            edge = _time_of(before)
        elif start == bottom:
            return
        else:
            before, width = keys.audit(start.strftime(_TIME)), width * 2
            edge = start


def _time_of(key: str) -> datetime:
    return datetime.strptime(last(key).partition("-")[0], _TIME).replace(tzinfo=UTC)
