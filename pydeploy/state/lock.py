"""The lock of an environment (or of a build): a key on a lease that is kept alive.

Whoever dies lets go by itself after `ttl` seconds.  The key's create revision is the fencing
token: a write that must not happen after the lock was lost is made conditional on it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from pydeploy.clients import etcd as ops
from pydeploy.clients.etcd import Compare, Etcd, WatchLost
from pydeploy.errors import CapacityError, ServiceError
from pydeploy.state import lease
from pydeploy.state.keys import last
from pydeploy.state.records import Holder

TTL = 15  # seconds without a sign of life until a lock falls


@dataclass(frozen=True, kw_only=True)
class Held:
    """A lock that we hold, or held: `lost` is set when it can no longer be relied on."""

    key: str
    token: int
    lease: int
    lost: threading.Event

    def still(self) -> Compare:
        """The condition under which a transaction may rely on this lock."""
        return ops.equal(self.key, "CREATE", self.token)


@contextmanager
def hold(
    etcd: Etcd,
    key: str,
    holder: Holder,
    *,
    wait: float,
    ttl: int = TTL,
    check: Callable[[], None] = lambda: None,
    on_wait: Callable[[Holder], None] = lambda _: None,
    lost: threading.Event | None = None,
) -> Iterator[Held]:
    """Hold the lock at `key` for the block; always let go of it at the end.

    Waits up to `wait` seconds for another holder (CapacityError, naming it), calling `check`
    about every second, which may raise.  `lost` is set when the lease could not be kept.
    """
    lost = lost or threading.Event()
    with lease.kept(etcd, ttl, lost) as mine:
        token = _acquire(etcd, key, holder, mine, ttl, wait, check, on_wait)
        yield Held(key=key, token=token, lease=mine, lost=lost)


def _acquire(
    etcd: Etcd,
    key: str,
    holder: Holder,
    mine: int,
    ttl: int,
    wait: float,
    check: Callable[[], None],
    on_wait: Callable[[Holder], None],
) -> int:
    deadline = time.monotonic() + wait
    told = False
    while True:
        answer = etcd.txn(
            [ops.equal(key, "CREATE", 0)],
            [ops.put(key, holder.text(), lease=mine)],
            [ops.fetch(key)],
        )
        if answer.succeeded:
            return answer.revision
        if not answer.ranges[0]:  # gone between the two: try again
            continue
        (owner,) = answer.ranges[0]
        who = Holder.read(owner.value)
        if owner.lease == mine:  # our own write, whose answer was lost
            return owner.create_revision
        if time.monotonic() >= deadline:
            raise CapacityError(
                f"{last(key)} is locked by {who.holder} since {who.since}"
                + (f" ({who.build_url})" if who.build_url else ""),
                hint="wait for it to end, or stop it; a dead holder's lock falls within "
                f"{ttl} seconds by itself",
            )
        if not told:
            on_wait(who)
            told = True
        _wait_for_end(etcd, key, answer.revision, deadline, check)


def _wait_for_end(
    etcd: Etcd, key: str, revision: int, deadline: float, check: Callable[[], None]
) -> None:
    """Return when the lock's key has gone, or the deadline passed, or the watch was lost."""
    gone = threading.Event()
    stop = threading.Event()

    def follow() -> None:
        with suppress(WatchLost, ServiceError):
            for batch in etcd.watch(key, after=revision, single=True, stop=stop):
                if any(event.kind == "delete" for event in batch.events):
                    break
        gone.set()

    threading.Thread(target=follow, daemon=True).start()
    try:
        while not gone.wait(1.0) and time.monotonic() < deadline:
            check()
    finally:
        stop.set()
