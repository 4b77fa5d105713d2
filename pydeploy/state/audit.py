"""Who did what, to what, with which result: one key per act, kept for 30 days."""

from __future__ import annotations

import json
import secrets
from contextlib import suppress
from typing import Any

from pydeploy.errors import ServiceError
from pydeploy.state.store import Store, now, timestamp, whoami

KEPT = 30 * 86400


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
        lease = store.etcd.grant(KEPT)
        store.etcd.put(store.keys.audit(entry), json.dumps(value), lease=lease)
