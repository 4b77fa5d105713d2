"""Who did what, to what, with which result: one key per act, in the order of time."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydeploy.clients.etcd import KeyValue
from pydeploy.errors import ServiceError
from pydeploy.state.store import Store, now, timestamp, whoami

_PAGE = 200  # keys that are read at once


def record(store: Store, action: str, environment: str, result: str, **details: Any) -> None:
    """Note one act.  Losing the note must not fail the act."""
    moment = now()
    entry = f"{moment.strftime('%Y%m%dT%H%M%S.%fZ')}-{secrets.token_hex(3)}"
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


def read(store: Store, wanted: Filter, *, limit: int) -> list[dict[str, Any]]:
    """At most `limit` acts, the newest first; no more is read than is needed to find them."""
    found: list[dict[str, Any]] = []
    oldest = timestamp(now() - timedelta(seconds=wanted.since)) if wanted.since else ""
    for kv in _newest_first(store):
        act: dict[str, Any] = json.loads(kv.value)
        if str(act["time"]) < oldest or len(found) == limit:
            break
        if wanted.takes(act):
            found.append(act)
    return found


def _newest_first(store: Store) -> Iterator[KeyValue]:
    """Page by page: an entry's key begins with its time."""
    before = ""
    while True:
        page = store.etcd.last(store.keys.audit(), before=before, limit=_PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        before = page[-1].key
