"""Every change of environments, claims and routes, in order, from a revision on."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from pydeploy.clients.etcd import Compacted, Event, WatchLost
from pydeploy.errors import ServiceError
from pydeploy.state.store import Store

KINDS = ("environments", "ports", "subnets", "routes")
_BACKOFF_FIRST, _BACKOFF_LAST = 0.2, 5.0


def changes(
    store: Store,
    *,
    since: int | None,
    on_gap: Callable[[str], None],
    stop: threading.Event | None = None,
) -> Iterator[dict[str, Any]]:
    """{revision, kind, name, event, value} for ever; the first says `event: start` and where.

    Goes on where it stopped after a reconnect.  After a compaction what happened in between is
    lost: `on_gap` is told, and an `event: resync` says so in the stream.
    """
    revision = since - 1 if since is not None else store.revision()
    yield {"revision": revision, "event": "start"}
    stop = stop or threading.Event()
    pause = _BACKOFF_FIRST
    while not stop.is_set():
        try:
            for batch in store.etcd.watch(f"{store.keys.root}/", after=revision, stop=stop):
                for event in batch.events:
                    if shown := _shown(store, event):
                        yield shown
                    # Not the batch's revision, which may be ahead of its events.
                    revision = event.kv.mod_revision
                pause = _BACKOFF_FIRST
                if not batch.events:  # a progress notice: there was nothing up to here
                    revision = max(revision, batch.revision)
        except Compacted as gap:
            with suppress(ServiceError):  # then the next watch says the same again
                revision = store.revision()
                on_gap(f"the history before now is gone ({gap})")
                yield {"revision": revision, "event": "resync"}
        except WatchLost:
            pass  # go on where it stopped
        except ServiceError as away:
            on_gap(away.message)
        stop.wait(pause)
        pause = min(pause * 2, _BACKOFF_LAST)


def _shown(store: Store, event: Event) -> dict[str, Any] | None:
    kind, _, name = event.kv.key.removeprefix(f"{store.keys.root}/").partition("/")
    if kind not in KINDS:
        return None
    return {
        "revision": event.kv.mod_revision,
        "kind": kind,
        "name": name,
        "event": event.kind,
        "value": json.loads(event.kv.value) if event.kind == "put" else None,
    }
