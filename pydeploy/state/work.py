"""Who works for an environment, from the wish to the end, also while no lock is needed yet.

Between its build and its record, a deploy's images are named by nobody but this: who removes
images waits for such work to end, or leaves them for the next time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pydeploy.state import lease
from pydeploy.state.records import Holder
from pydeploy.state.store import Store


@contextmanager
def announced(store: Store, environment: str, holder: Holder, ttl: int) -> Iterator[None]:
    """Say it for the block; who dies stops saying it within `ttl` seconds."""
    with lease.kept(store.etcd, ttl, threading.Event()) as mine:
        store.etcd.put(f"{store.keys.work(environment)}{mine:x}", holder.text(), lease=mine)
        yield


def wait_idle(store: Store, environment: str, limit: float, stop: threading.Event) -> bool:
    """Until nobody works for `environment`; False when `limit` seconds ran out, or at `stop`."""
    prefix = store.keys.work(environment)
    until = time.monotonic() + limit
    while True:
        now = store.etcd.range(prefix)
        if not now.kvs:
            return True
        left = until - time.monotonic()
        if left <= 0 or stop.is_set():
            return False
        store.wait_for_change(prefix, now.revision, min(left, 1.0))
