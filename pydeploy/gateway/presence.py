"""What the gateway tells others: a key on a lease for those who deploy, a file for HAProxy's start.

The key says up to which revision the routes are applied. It is written in a thread of its own, so
that a slow etcd never holds up routing; when several states come while one is written, only the
last is. The file `in-step` is touched while the routes on disk are those in etcd: a HAProxy that
starts waits a moment for a fresh one, so that it does not serve routes from long ago.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pydeploy.errors import ServiceError
from pydeploy.state.records import Gateway
from pydeploy.state.store import Store

TTL = 10  # seconds without a sign of life until the key goes
BEAT = 3.0
_PATIENCE = 0.5  # seconds after a failure


class Presence:
    """One gateway's key. `publish` and `withdraw` may be called from any thread, and never wait."""

    def __init__(
        self,
        store: Store,
        identity: str,
        in_step: Path,
        *,
        say: Callable[[str], None],
        ttl: int = TTL,
        beat: float = BEAT,
    ) -> None:
        self._store = store
        self._key = store.keys.gateway(identity)
        self._in_step = in_step
        self._say = say
        self._ttl = ttl
        self._beat = beat
        self._news = threading.Event()
        self._state: Gateway | None = None
        self._written: Gateway | None = None
        self._lease = 0
        self._kept_at = 0.0
        self._is_following = False

    def publish(self, state: Gateway) -> None:
        """`state` holds from now on."""
        self._state = state
        self._news.set()

    def withdraw(self) -> None:
        """There is no HAProxy to speak of: nobody should wait for this gateway."""
        self._state = None
        self._news.set()

    def follows(self, is_following: bool) -> None:
        """Whether the routes on disk are those in etcd."""
        self._is_following = is_following
        if is_following:
            self._touch()

    def run(self, stop: threading.Event) -> None:
        """Write, and keep alive, until `stop` is set. The key then goes with its lease: a gateway
        that is only restarted is waited for."""
        is_silent = False
        while not stop.is_set():
            self._news.wait(self._beat)
            self._news.clear()
            if self._is_following:
                self._touch()
            try:
                self._write()
                is_silent = False
            except ServiceError as problem:
                if not is_silent:
                    self._say(f"cannot publish what is applied: {problem}")
                is_silent = True
                self._lease = 0  # whether it lives is unknown: begin with a new one
                stop.wait(_PATIENCE)
                self._news.set()

    def _write(self) -> None:
        state = self._state
        if state is None:
            self._leave()
            return
        self._keep_lease()
        if state != self._written:
            self._store.etcd.put(self._key, state.text(), lease=self._lease)
            self._written = state

    def _keep_lease(self) -> None:
        """A lease that lives; a new one has no key yet."""
        etcd, now = self._store.etcd, time.monotonic()
        if self._lease and now - self._kept_at >= self._beat:
            self._kept_at = now
            if etcd.keep_alive(self._lease) == 0:
                self._lease = 0
        if not self._lease:
            self._lease, self._kept_at, self._written = etcd.grant(self._ttl), now, None

    def _leave(self) -> None:
        if self._lease:
            lease, self._lease = self._lease, 0
            self._store.etcd.revoke(lease)

    def _touch(self) -> None:
        with suppress(OSError):  # a full disk must not end routing; the health check tells
            self._in_step.touch()
