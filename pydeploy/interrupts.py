"""Ctrl-C and SIGTERM (Jenkins aborts a build with it) become Interrupted in the main thread.

While an undo runs, further signals are held back: half an undo is worse than a late exit.
`UNDO_LIMIT` seconds later the process ends anyway; the next command repairs the rest.

What must not be cut is `deferred`, with `allowed` around its parts in which nothing is under way.

Jenkins signals our children first, and us only when each of them is gone.  What a child's end then
looks like is no failure of anybody's: `behind` says what it was.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from pydeploy.errors import Interrupted, PydeployError

UNDO_LIMIT = 60
DEFER_LIMIT = 15  # less than the 20 s that Jenkins gives whom it aborts
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SETTLE = 2.0  # seconds; Jenkins looks at least once a second whether a child is gone
_held: list[int] = []  # signals that came during an undo
_child_failed = -_SETTLE  # when the last one did, by the monotonic clock


def install() -> None:
    """Raise Interrupted where the main thread stands when a signal comes."""
    _held.clear()
    for number in _SIGNALS:
        signal.signal(number, _interrupt)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise Interrupted(number)


class Overdue(Interrupted):
    """Raised within what was deferred, because it did not end in time: nobody knows its outcome."""


class _Note:
    """A handler for signals that are raised later: at the latest DEFER_LIMIT seconds after the
    first one.
    """

    def __init__(self) -> None:
        self.came: list[int] = []
        self._alarm: Any = None

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if not self.came:
            self._alarm = signal.signal(signal.SIGALRM, self._end)
            signal.alarm(DEFER_LIMIT)
        self.came.append(number)

    def _end(self, *_: object) -> None:
        raise Overdue(self.came[0])

    def settle(self) -> None:
        if self.came:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, self._alarm)


def child_failed() -> None:
    """Note that a program of ours ended badly: a signal to us may follow."""
    global _child_failed
    _child_failed = time.monotonic()


def behind(failure: PydeployError) -> PydeployError | Interrupted:
    """`failure`, or the signal that it comes from: one during its undo, or (Jenkins) just after."""
    try:
        left = _child_failed + _SETTLE - time.monotonic()
        if not _held and left > 0 and os.environ.get("BUILD_TAG"):
            time.sleep(left)
    except Interrupted as interrupted:
        return interrupted
    return Interrupted(_held[0]) if _held else failure


def _raising() -> tuple[signal.Signals, ...]:
    """The signals that are raised now; the hang-up of a terminal only where somebody wants that."""
    return (*_SIGNALS, *([signal.SIGHUP] if callable(signal.getsignal(signal.SIGHUP)) else []))


@contextmanager
def deferred() -> Iterator[None]:
    """Let the block run to its end; a signal that came meanwhile is raised behind it.

    For what must not be cut, because nobody would know what became of it.  Where it has not ended
    DEFER_LIMIT seconds after the signal, Overdue is raised within it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    note = _Note()
    before = {one: signal.signal(one, note) for one in _raising()}
    try:
        yield
    finally:
        note.settle()
        for number, handler in before.items():
            signal.signal(number, handler)
    if note.came:
        raise Interrupted(note.came[0])


@contextmanager
def allowed() -> Iterator[None]:
    """A part of what is deferred in which nothing is under way: signals are raised at once.

    Also one that came before it.  Elsewhere it changes nothing.
    """
    note = signal.getsignal(signal.SIGINT)
    if not isinstance(note, _Note) or threading.current_thread() is not threading.main_thread():
        yield
        return
    try:
        install()
        if note.came:
            raise Interrupted(note.came[0])
        yield
    finally:
        for number in _SIGNALS:
            signal.signal(number, note)


def _hold(number: int, _frame: FrameType | None) -> None:
    _held.append(number)


@contextmanager
def held_back() -> Iterator[None]:
    """Let the block (an undo) run to its end, for at most UNDO_LIMIT seconds.

    A signal that comes meanwhile is only noted, for `behind`.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _hold) for number in _SIGNALS}
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
