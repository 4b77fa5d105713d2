"""Ctrl-C and SIGTERM (Jenkins aborts a build with it) become Interrupted in the main thread.

While an undo runs, further signals are held back: half an undo is worse than a late exit.
`UNDO_LIMIT` seconds later the process ends anyway; the next command repairs the rest.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from pydeploy.errors import Interrupted

UNDO_LIMIT = 60
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def install() -> None:
    """Raise Interrupted where the main thread stands when a signal comes."""
    for number in _SIGNALS:
        signal.signal(number, _interrupt)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise Interrupted(number)


@contextmanager
def deferred() -> Iterator[None]:
    """Let the block run to its end; a signal that came meanwhile is raised behind it.

    For what must not be cut, because nobody would know what became of it; it has to be short.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {one: signal.signal(one, lambda number, _: came.append(number)) for one in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        raise Interrupted(came[0])


@contextmanager
def held_back() -> Iterator[None]:
    """Let the block (an undo) run to its end, for at most UNDO_LIMIT seconds."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _SIGNALS}
    alarm = signal.signal(signal.SIGALRM, signal.SIG_DFL)
    outer = signal.alarm(UNDO_LIMIT)  # an undo may need another one; the outer one's limit holds
    signal.alarm(outer or UNDO_LIMIT)
    try:
        yield
    finally:
        signal.alarm(outer)
        signal.signal(signal.SIGALRM, alarm)
        for number, handler in before.items():
            signal.signal(number, handler)
