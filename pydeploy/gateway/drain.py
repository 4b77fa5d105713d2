"""Old targets that still have open streams, each for a bounded time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

FIRST_LOOK = 0.02  # seconds after a target was left; most have no stream by then
LOOK_EVERY = 0.1


class Drain:
    """Which targets drain. Looks only while there are any."""

    def __init__(
        self,
        limit: float,
        open_streams: Callable[[str], int],
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._open_streams = open_streams
        self._now = now
        self._until: dict[str, float] = {}
        self._next_look = 0.0

    def __contains__(self, target: str) -> bool:
        return target in self._until

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(sorted(self._until))

    def left(self, targets: Iterable[str]) -> None:
        """Nothing is routed to `targets` any more."""
        for target in targets:
            if not self._until:
                self._next_look = self._now() + FIRST_LOOK
            self._until.setdefault(target, self._now() + self._limit)

    def routed_again(self, target: str) -> None:
        self._until.pop(target, None)

    def forget(self) -> None:
        """HAProxy is another process now: the streams of the old one have ended with it."""
        self._until.clear()

    def pause(self) -> float | None:
        """Seconds until the next look; None when nothing drains."""
        return max(0.0, self._next_look - self._now()) if self._until else None

    def look(self) -> list[str]:
        """The targets that are done: without an open stream, or out of time."""
        now = self._now()
        if not self._until or now < self._next_look:
            return []
        self._next_look = now + LOOK_EVERY
        done = [t for t, until in self._until.items() if now >= until or not self._open_streams(t)]
        for target in done:
            del self._until[target]
        return done
