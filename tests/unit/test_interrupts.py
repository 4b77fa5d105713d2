"""Ctrl-C and SIGTERM: the undo runs to its end, once; a second signal does not cut it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from pydeploy import interrupts
from pydeploy.clients import shell
from pydeploy.errors import BuildError, Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def handlers_stay() -> Iterator[None]:
    """pytest's own handlers and alarm are put aside, and back."""
    alarm = signal.alarm(0)
    before = {number: signal.getsignal(number) for number in (*SIGNALS, signal.SIGALRM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    signal.alarm(alarm)


@pytest.fixture(autouse=True)
def nothing_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither signals nor children of other tests."""
    monkeypatch.setattr(interrupts, "_held", [])
    monkeypatch.setattr(interrupts, "_child_failed", float("-inf"))


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_raises_where_the_main_thread_stands(number: signal.Signals) -> None:
    """Also out of a wait, and with the exit code that tells the signal."""
    interrupts.install()
    threading.Timer(0.1, os.kill, (os.getpid(), number)).start()
    with pytest.raises(Interrupted) as stopped:
        threading.Event().wait(5)
    assert 128 + number == stopped.value.exit_code


def test_an_undo_is_not_cut_by_further_signals() -> None:
    """People press Ctrl-C twice, and Jenkins sends SIGTERM again: the undo still ends."""
    interrupts.install()
    done = []
    with interrupts.held_back():
        for number in SIGNALS:
            os.kill(os.getpid(), number)
        done.append("undone")
    assert ["undone"] == done


def test_a_signal_during_an_undo_is_what_was_behind_the_failure() -> None:
    """Jenkins had ended the program whose failure is undone."""
    interrupts.install()
    failure = BuildError("exit 1")
    assert failure is interrupts.behind(failure)
    with interrupts.held_back():
        os.kill(os.getpid(), signal.SIGTERM)
    behind = interrupts.behind(failure)
    assert isinstance(behind, Interrupted)
    assert 143 == behind.exit_code


def test_jenkins_signals_us_after_our_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed program is waited with for a moment; not where no Jenkins is, nor without one."""
    interrupts.install()
    failure = BuildError("exit 1")
    monkeypatch.setenv("BUILD_TAG", "jenkins-docs-7")
    began = time.monotonic()
    assert failure is interrupts.behind(failure)
    with pytest.raises(FileNotFoundError):
        shell.run(["/nonexistent"])
    shell.run(["true"])
    assert failure is interrupts.behind(failure)
    assert time.monotonic() - began < 1
    assert 1 == shell.run(["false"]).code
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
    assert isinstance(interrupts.behind(failure), Interrupted)


def test_a_signal_is_raised_behind_what_must_not_be_cut() -> None:
    """The block runs to its end; then the first signal that came counts, and handlers are back."""
    interrupts.install()
    before = [signal.getsignal(number) for number in SIGNALS]
    done = []

    def ask() -> None:
        for number in reversed(SIGNALS):
            os.kill(os.getpid(), number)
        done.append("asked")

    with pytest.raises(Interrupted) as stopped, interrupts.deferred():
        ask()
    assert (["asked"], 143) == (done, stopped.value.exit_code)
    assert before == [signal.getsignal(number) for number in SIGNALS]
    with interrupts.deferred():
        pass


def test_where_nothing_is_under_way_a_signal_is_raised_at_once() -> None:
    """Also one that came before; what is deferred behind it is deferred again."""
    interrupts.install()
    before = [signal.getsignal(number) for number in SIGNALS]
    done: list[str] = []

    def ask() -> None:
        with interrupts.allowed():
            done.append("looked")
        os.kill(os.getpid(), signal.SIGTERM)
        done.append("asked")
        with interrupts.allowed():
            done.append("never")

    with pytest.raises(Interrupted) as stopped, interrupts.deferred():
        ask()
    assert (["looked", "asked"], 143) == (done, stopped.value.exit_code)
    with pytest.raises(Interrupted), interrupts.deferred(), interrupts.allowed():
        os.kill(os.getpid(), signal.SIGINT)
    assert before == [signal.getsignal(number) for number in SIGNALS]
    with interrupts.allowed():  # nothing is deferred: nothing changes
        assert before == [signal.getsignal(number) for number in SIGNALS]


def test_nothing_is_deferred_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit counts from the signal on; the alarm is gone afterwards."""
    interrupts.install()
    monkeypatch.setattr(interrupts, "DEFER_LIMIT", 1)
    before = [signal.getsignal(number) for number in (*SIGNALS, signal.SIGALRM)]
    started = time.monotonic()

    def ask() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait(10)

    with pytest.raises(interrupts.Overdue) as stopped, interrupts.deferred():
        ask()
    assert 1 <= time.monotonic() - started < 5
    assert ("Interrupted", 130) == (stopped.value.kind, stopped.value.exit_code)
    with pytest.raises(Interrupted), interrupts.deferred():
        os.kill(os.getpid(), signal.SIGINT)
    assert before == [signal.getsignal(number) for number in (*SIGNALS, signal.SIGALRM)]
    assert 0 == signal.alarm(0)


def test_another_thread_defers_nothing() -> None:
    """Signals come to the main thread alone, which goes on as it does."""
    failures: list[BaseException] = []

    def block() -> None:
        try:
            with interrupts.deferred():
                pass
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=block)
    thread.start()
    thread.join()
    assert [] == failures


def test_afterwards_signals_count_again() -> None:
    """Handlers, and the alarm, are put back as they were; also after a failed undo."""
    interrupts.install()
    before = [signal.getsignal(number) for number in (*SIGNALS, signal.SIGALRM)]
    with pytest.raises(ValueError, match="undo"), interrupts.held_back():
        raise ValueError("undo failed")
    assert before == [signal.getsignal(number) for number in (*SIGNALS, signal.SIGALRM)]
    assert 0 == signal.alarm(0)


def test_an_undo_within_an_undo_keeps_the_limit() -> None:
    """The inner one neither lets signals in nor takes the outer one's limit away."""
    interrupts.install()
    with interrupts.held_back():
        with interrupts.held_back():
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        assert signal.alarm(interrupts.UNDO_LIMIT) > 0


def test_in_another_thread_it_only_runs() -> None:
    """Signals reach the main thread only; Python refuses to set handlers elsewhere."""
    done = threading.Event()

    def undo() -> None:
        with interrupts.held_back():
            done.set()

    thread = threading.Thread(target=undo)
    thread.start()
    thread.join()
    assert done.is_set()


def test_an_undo_that_hangs_ends_with_the_limit() -> None:
    """The next command repairs the rest; an agent is not blocked for ever."""
    program = (
        "import time; from pydeploy import interrupts\n"
        "interrupts.UNDO_LIMIT = 1\n"
        "with interrupts.held_back(): time.sleep(30)\n"
    )
    began = time.monotonic()
    finished = subprocess.run([sys.executable, "-c", program], check=False, timeout=10)
    assert -signal.SIGALRM == finished.returncode
    assert time.monotonic() - began < 5
