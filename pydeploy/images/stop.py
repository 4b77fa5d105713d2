"""One event for the services that build in parallel: the caller's cancel, or a failure of one."""

from __future__ import annotations

import threading
import time

from pydeploy.clients.shell import Cancelled


class Stop(threading.Event):
    """Set by `set`, and also whenever `other` is set."""

    def __init__(self, other: threading.Event | None) -> None:
        super().__init__()
        self._other = other

    def is_set(self) -> bool:
        return super().is_set() or (self._other is not None and self._other.is_set())

    def wait(self, timeout: float | None = None) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.is_set():
            left = 0.1 if deadline is None else min(0.1, deadline - time.monotonic())
            if left <= 0:
                return False
            super().wait(left)
        return True

    def check(self) -> None:
        """Raise Cancelled once set."""
        if self.is_set():
            raise Cancelled
