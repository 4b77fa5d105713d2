"""The only door to other programs: argv in, never a shell, bounded in time, cancellable."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, cast

from pydeploy import interrupts

LineSink = Callable[[str], None]
TAIL_LINES = 200
_KILL_AFTER = 5.0

# Should we be killed with -9, what we run must not go on creating containers: util-linux's
# setpriv asks the kernel to kill it with us (PR_SET_PDEATHSIG).
_LEASH = ("setpriv", "--pdeathsig", "SIGKILL")

# What a program may inherit.  Everything else of our environment (agent secrets, CI data)
# stays with us; compose would interpolate it into a change's own compose file.
PASSED_ON = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "SSH_AUTH_SOCK",
    "DOCKER_CONFIG",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)


class Cancelled(Exception):
    """The `cancel` event was set while the program ran; the program has been stopped."""


class TimedOut(Exception):
    """The program did not end in time; it has been stopped."""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What a program left: exit code, stdout whole, the last lines of stderr (or of both)."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    tail: str = field(repr=False)


def scrubbed(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The process environment for programs that read a change's files."""
    env_vars = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return env_vars | dict(extra or {})


def quoted(argv: Sequence[str]) -> str:
    """`argv` as it can be pasted into a shell; for people to read."""
    return shlex.join(argv)


def run(
    argv: Sequence[str],
    *,
    stdin: str | None = None,
    cwd: str | None = None,
    env_vars: Mapping[str, str] | None = None,
    timeout: float | None = None,
    cancel: threading.Event | None = None,
    on_line: LineSink | None = None,
    merge: bool = False,
    is_exact: bool = False,
) -> Finished:
    """Run `argv` to its end.

    With `is_exact`, stdout encoded as UTF-8 with `surrogateescape` is what it printed, byte by
    byte; else line ends are alike, and what is no text is replaced.

    `on_line` gets each line of stderr (with `merge`: of stdout and stderr) as it comes.
    Raises FileNotFoundError, TimedOut, or Cancelled; a non-zero exit is the caller's to judge.
    """
    if shutil.which(argv[0], path=(env_vars or os.environ).get("PATH")) is None:
        raise FileNotFoundError(argv[0])
    process = subprocess.Popen(
        [*_leash(), *argv],
        stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if merge else subprocess.PIPE,
        cwd=cwd,
        env=dict(env_vars) if env_vars is not None else scrubbed(),
        text=True,
        encoding="utf-8",
        errors="surrogateescape" if is_exact else "replace",
        start_new_session=True,  # so that Ctrl-C reaches us alone, and we stop it in order
    )
    if is_exact:
        cast(io.TextIOWrapper, process.stdout).reconfigure(newline="")
    stdout: list[str] = []
    tail: list[str] = []

    def follow_tail(line: str) -> None:
        tail.append(line)
        del tail[:-TAIL_LINES]
        if on_line:
            on_line(line.rstrip("\n"))

    readers = [_reader(process.stdout, follow_tail if merge else stdout.append)]
    if not merge:
        readers.append(_reader(process.stderr, follow_tail))
    if stdin is not None:
        readers.append(_writer(process, stdin))
    try:
        _wait(process, argv, timeout, cancel)
    except BaseException:
        _stop(process)
        raise
    finally:
        for reader in readers:
            reader.join(timeout=_KILL_AFTER)
    if process.returncode:
        interrupts.child_failed()
    return Finished(
        argv=tuple(argv), code=process.returncode, stdout="".join(stdout), tail="".join(tail)
    )


def hand_over(argv: Sequence[str], *, env_vars: Mapping[str, str]) -> int:
    """Run `argv` with our own terminal or stdin, stdout and stderr; its exit code.

    Raises FileNotFoundError, or Interrupted once the program was stopped; here a terminal that
    was hung up interrupts, too.
    """
    process: subprocess.Popen[bytes] | None = None
    with _hang_up_interrupts():
        try:
            with interrupts.deferred():  # else it could run already, and nobody know of it
                process = subprocess.Popen(argv, env=dict(env_vars))
            code = process.wait()
        except BaseException:
            if process is not None:
                process.terminate()
                process.wait()
            raise
    return code if code >= 0 else 128 - code


@contextlib.contextmanager
def _hang_up_interrupts() -> Iterator[None]:
    """Unless it is ignored (nohup), SIGHUP does within the block what SIGTERM does."""
    before = signal.getsignal(signal.SIGHUP)
    if before == signal.SIG_DFL:
        signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def pipe(
    first: Sequence[str],
    second: Sequence[str],
    *,
    env_vars: tuple[Mapping[str, str], Mapping[str, str]],
    timeout: float,
    cancel: threading.Event,
) -> tuple[Finished, Finished]:
    """Run both at once, the stdout of `first` into the stdin of `second`.

    Raises TimedOut or Cancelled when both have been stopped; their exit codes are the caller's.
    """
    writer = _piped(first, env_vars[0], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    reader = _piped(second, env_vars[1], stdin=writer.stdout, stdout=subprocess.DEVNULL)
    cast(IO[bytes], writer.stdout).close()  # so that `first` learns when `second` has ended
    tails: tuple[list[str], list[str]] = ([], [])
    readers = [
        _reader(_text(process), tail.append)
        for process, tail in zip((writer, reader), tails, strict=True)
    ]
    try:
        until = time.monotonic() + timeout
        for process, argv in ((reader, second), (writer, first)):
            _wait(process, argv, max(until - time.monotonic(), 0.1), cancel)
    except BaseException:
        _stop(writer)
        _stop(reader)
        raise
    finally:
        for one in readers:
            one.join(timeout=_KILL_AFTER)
    if writer.returncode or reader.returncode:
        interrupts.child_failed()
    done = [
        Finished(argv=tuple(argv), code=process.returncode, stdout="", tail="".join(tail[-200:]))
        for process, argv, tail in zip((writer, reader), (first, second), tails, strict=True)
    ]
    return done[0], done[1]


def _piped(
    argv: Sequence[str], env_vars: Mapping[str, str], *, stdin: Any, stdout: int
) -> subprocess.Popen[Any]:
    return subprocess.Popen(
        [*_leash(), *argv],
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=dict(env_vars),
        start_new_session=True,
    )


def _text(process: subprocess.Popen[Any]) -> IO[str]:
    return io.TextIOWrapper(cast(IO[bytes], process.stderr), errors="replace")


class Companion:
    """A program that runs beside us until `stop`, or until we end, however that happens.

    FileNotFoundError when there is no such program.
    """

    def __init__(self, argv: Sequence[str], *, env_vars: Mapping[str, str]) -> None:
        if shutil.which(argv[0], path=env_vars.get("PATH")) is None:
            raise FileNotFoundError(argv[0])
        self._argv = argv
        self._env_vars = env_vars
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._process: subprocess.Popen[str] | None = None
        self._is_started = threading.Event()
        self._thread = _started(self._run)
        self._is_started.wait()

    def _run(self) -> None:
        """In a thread that lives as long as the program: the leash is held by a thread."""
        try:
            self._process = subprocess.Popen(
                [*_leash(), *self._argv],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=dict(self._env_vars),
                text=True,
                errors="replace",
                start_new_session=True,
            )
        finally:
            self._is_started.set()
        for line in cast(IO[str], self._process.stderr):
            self._tail.append(line.strip())
        self._process.wait()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def tail(self) -> list[str]:
        """The last lines of its stderr; all of them once it has ended."""
        if not self.is_running:
            self._thread.join(_KILL_AFTER)
        return list(self._tail)

    def stop(self) -> None:
        if self.is_running:
            _stop(cast("subprocess.Popen[str]", self._process))


# Waits for the end of its stdin; a word before it means that there is nothing to do.  Else it acts,
# and again until looking succeeds and shows nothing any more.
_WATCHDOG = """
import subprocess, sys, time
seconds, count = float(sys.argv[1]), int(sys.argv[2])
act, look = sys.argv[3 : 3 + count], sys.argv[3 + count :]

def run(argv):
    try:
        return subprocess.run(argv, stdout=subprocess.PIPE, timeout=20)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(argv, 1)

if not sys.stdin.read():
    until = time.monotonic() + seconds
    run(act)
    while time.monotonic() < until:
        looked = run(look)
        if looked.returncode == 0 and not looked.stdout:
            break
        time.sleep(1)
        run(act)
"""


class Watchdog:
    """Acts when its block ends, or this process, unless `call_off` was called by then."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def call_off(self) -> None:
        with contextlib.suppress(BrokenPipeError, subprocess.TimeoutExpired):
            self._process.communicate(b"done", timeout=_KILL_AFTER)

    def let_loose(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            cast(IO[bytes], self._process.stdin).close()


@contextlib.contextmanager
def watchdog(
    act: Sequence[str], look: Sequence[str], *, env_vars: Mapping[str, str], seconds: float
) -> Iterator[Watchdog]:
    """Should this process be killed within the block, a child runs `act` at once.

    Again each second until `look` succeeds and prints nothing, for at most `seconds`.
    """
    child = subprocess.Popen(
        [
            sys.executable, "-I", "-S", "-c", _WATCHDOG,
            f"{seconds:g}", str(len(act)), *act, *look,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=dict(env_vars),
        start_new_session=True,
    )  # fmt: skip
    mine = Watchdog(child)
    try:
        yield mine
    finally:
        mine.let_loose()


@functools.cache
def _leash() -> tuple[str, ...]:
    return _LEASH if shutil.which(_LEASH[0]) else ()


def _reader(stream: object, sink: LineSink) -> threading.Thread:
    def read() -> None:
        for line in stream:  # type: ignore[attr-defined]
            sink(line)

    return _started(read)


def _writer(process: subprocess.Popen[str], text: str) -> threading.Thread:
    def write() -> None:
        with (
            contextlib.suppress(BrokenPipeError),
            contextlib.closing(cast(IO[str], process.stdin)) as pipe,
        ):
            pipe.write(text)

    return _started(write)


def _started(target: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return thread


def _wait(
    process: subprocess.Popen[str],
    argv: Sequence[str],
    timeout: float | None,
    cancel: threading.Event | None,
) -> None:
    if cancel is None:
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired as problem:
            raise TimedOut(f"{quoted(argv)} took longer than {timeout:g} s") from problem
        return
    # The end of the process is an event too: a waiter thread sets `done`, so that a short
    # program costs nothing and a cancel is seen at once.
    woken = _EitherEvent(cancel)

    def wait_and_wake() -> None:
        process.wait()
        woken.set()

    _started(wait_and_wake)
    if not woken.wait(timeout):
        raise TimedOut(f"{quoted(argv)} took longer than {timeout:g} s")
    if process.poll() is None:
        raise Cancelled()


class _EitherEvent:
    """Wakes when set, or when `other` is set."""

    def __init__(self, other: threading.Event) -> None:
        self._mine = threading.Event()
        self._other = other

    def set(self) -> None:
        self._mine.set()

    def wait(self, timeout: float | None) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._mine.wait(0.05):
            if self._other.is_set():
                return True
            if deadline is not None and time.monotonic() > deadline:
                return False
        return True


def _stop(process: subprocess.Popen[str]) -> None:
    """SIGTERM to the program's whole group; SIGKILL to what is left when the program has ended,
    or after five seconds."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_KILL_AFTER)
