"""A lease that is kept alive while a block runs: what is on it goes when we do."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pydeploy.clients.etcd import Etcd
from pydeploy.errors import ServiceError


@contextmanager
def kept(etcd: Etcd, ttl: int, lost: threading.Event) -> Iterator[int]:
    """The lease's id.  It lives `ttl` seconds beyond our last sign of life; the block ends it.

    `lost` is set once it is gone, or could have run out without our seeing it.
    """
    lease = etcd.grant(ttl)
    stop = threading.Event()
    threading.Thread(target=_keep_alive, args=(etcd, lease, ttl, stop, lost), daemon=True).start()
    try:
        yield lease
    finally:
        stop.set()
        with suppress(ServiceError):  # it ends by itself then
            etcd.revoke(lease)


def _keep_alive(
    etcd: Etcd, lease: int, ttl: int, stop: threading.Event, lost: threading.Event
) -> None:
    alive_until = time.monotonic() + ttl
    while not stop.wait(ttl / 3):
        asked = time.monotonic()
        try:
            left = etcd.keep_alive(lease)
        except ServiceError:
            left = None
        if left:
            alive_until = asked + left
        elif left == 0 or time.monotonic() > alive_until:
            lost.set()
            return
