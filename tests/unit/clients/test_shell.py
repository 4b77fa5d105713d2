"""Other programs: argv only, bounded in time, stopped with everything that they started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pydeploy.clients import shell
from tests.unit.etcd_server import wait_until


def is_alive(pid: int) -> bool:
    """Whether it runs; a zombie that nobody has waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def pid_in(file: Path) -> int:
    wait_until(lambda: file.exists() and file.read_text().endswith("\n"))
    return int(file.read_text())


def cancelled(after: Path) -> threading.Event:
    """An event that is set once the file is there."""
    event = threading.Event()

    def wait() -> None:
        pid_in(after)
        event.set()

    threading.Thread(target=wait, daemon=True).start()
    return event


# -- what it returns --------------------------------------------------------------------


def test_what_a_program_leaves() -> None:
    """Code, stdout whole, the end of stderr; a failure is the caller's to judge."""
    finished = shell.run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (3, "out\n", "err\n") == (finished.code, finished.stdout, finished.tail)


def test_no_shell_reads_the_arguments() -> None:
    """Text of a change is a word, whatever is in it."""
    evil = "$(touch /tmp/x); `id` | cat > y && \"'\n*"
    assert evil == shell.run(["printf", "%s", evil]).stdout


def test_stdin() -> None:
    """Text is written and the end is seen; also more than a pipe holds."""
    text = "line\n" * 100_000
    assert text == shell.run(["cat"], stdin=text).stdout


def test_without_stdin_there_is_none() -> None:
    """A program that asks gets an end, not our terminal."""
    assert "" == shell.run(["cat"], timeout=5).stdout


def test_a_program_that_does_not_read_its_stdin() -> None:
    """Its end is no error of ours."""
    assert 0 == shell.run(["true"], stdin="x" * 1_000_000).code


def test_lines_as_they_come() -> None:
    """Without line ends, while the program still runs."""
    seen: list[tuple[str, float]] = []
    began = time.monotonic()
    shell.run(
        ["sh", "-c", "echo one >&2; sleep 0.5; echo two >&2"],
        on_line=lambda line: seen.append((line, time.monotonic() - began)),
    )
    assert ["one", "two"] == [line for line, _ in seen]
    assert seen[1][1] - seen[0][1] > 0.3


def test_merged_lines_keep_their_order() -> None:
    """With `merge` stdout is part of the tail, where it was written."""
    finished = shell.run(["sh", "-c", "echo a; echo b >&2; echo c"], merge=True)
    assert ("", "a\nb\nc\n") == (finished.stdout, finished.tail)


def test_the_tail_is_short() -> None:
    """A program that talks for ever does not fill our memory: the last lines are kept."""
    finished = shell.run(["sh", "-c", "seq 1 5000 >&2"])
    lines = finished.tail.splitlines()
    assert (shell.TAIL_LINES, "5000") == (len(lines), lines[-1])


def test_bytes_that_are_no_text() -> None:
    """Are replaced; a program's output cannot make us fail."""
    assert "a\ufffdb" == shell.run(["printf", r"a\377b"]).stdout


def test_a_missing_program_is_named() -> None:
    """FileNotFoundError names the program and not a helper of ours."""
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        shell.run(["no-such-program", "x"])


def test_the_working_directory(tmp_path: Path) -> None:
    """`cwd` is where the program runs."""
    assert f"{tmp_path}\n" == shell.run(["pwd"], cwd=str(tmp_path)).stdout


def test_the_argv_is_reported_as_it_was_given() -> None:
    """Without what we put in front of it."""
    assert ("echo", "a b") == shell.run(["echo", "a b"]).argv


def test_quoted_is_for_people() -> None:
    """Can be pasted into a shell."""
    assert "docker run 'a b' '$x'" == shell.quoted(["docker", "run", "a b", "$x"])


# -- environment ------------------------------------------------------------------------


def test_secrets_of_the_agent_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program inherits a short list of variables; compose would interpolate all others."""
    monkeypatch.setenv("GERRIT_PASSWORD", "geheim")
    monkeypatch.setenv("PYDEPLOY_ETCD_PASSWORD", "geheim")
    monkeypatch.setenv("LANG", "C.UTF-8")
    environment = shell.run(["env"]).stdout
    assert "geheim" not in environment
    assert "LANG=C.UTF-8\n" in environment


def test_scrubbed_takes_more_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked for is added, and wins."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("SECRET", "geheim")
    found = shell.scrubbed({"DOCKER_HOST": "unix:///x", "TZ": "CET"})
    assert ("unix:///x", "CET") == (found["DOCKER_HOST"], found["TZ"])
    assert set(found) <= {*shell.PASSED_ON, "DOCKER_HOST"}


def test_given_variables_are_all_there_are() -> None:
    """Nothing of ours is mixed in."""
    env_vars = {"PATH": os.environ["PATH"], "A": "1"}
    assert {"PATH", "A"} == {
        line.partition("=")[0] for line in shell.run(["env"], env_vars=env_vars).stdout.splitlines()
    }


# -- stopping ---------------------------------------------------------------------------


@pytest.mark.parametrize("with_cancel", [False, True])
def test_a_timeout_stops_it(with_cancel: bool) -> None:
    """In time, and the message is the command as people would write it."""
    began = time.monotonic()
    with pytest.raises(shell.TimedOut, match=r"^sleep 30 took longer than 0\.3 s$"):
        shell.run(["sleep", "30"], timeout=0.3, cancel=threading.Event() if with_cancel else None)
    assert time.monotonic() - began < 2


def test_cancel_stops_it(tmp_path: Path) -> None:
    """At once, whatever it is doing."""
    file = tmp_path / "pid"
    began = time.monotonic()
    with pytest.raises(shell.Cancelled):
        shell.run(["sh", "-c", f"echo $$ > {file}; sleep 30"], cancel=cancelled(file))
    assert time.monotonic() - began < 2
    assert not is_alive(pid_in(file))


def test_cancel_before_the_start() -> None:
    """Nothing is waited for."""
    event = threading.Event()
    event.set()
    began = time.monotonic()
    with pytest.raises(shell.Cancelled):
        shell.run(["sleep", "30"], cancel=event)
    assert time.monotonic() - began < 2


def test_cancel_that_never_comes() -> None:
    """Costs a short program next to nothing."""
    began = time.monotonic()
    for _ in range(20):
        shell.run(["true"], cancel=threading.Event())
    assert time.monotonic() - began < 2


def test_cancel_stops_the_whole_group(tmp_path: Path) -> None:
    """What the program started in the background goes with it."""
    file = tmp_path / "pid"
    with pytest.raises(shell.Cancelled):
        shell.run(["sh", "-c", f"sleep 30 & echo $! > {file}; wait"], cancel=cancelled(file))
    wait_until(lambda: not is_alive(pid_in(file)), 2)


def test_cancel_stops_what_outlives_the_program(tmp_path: Path) -> None:
    """Also a child that ignores SIGTERM while its parent obeys."""
    file = tmp_path / "pid"
    child = f'trap "" TERM; echo $$ > {file}; sleep 30 & sleep 30'
    with pytest.raises(shell.Cancelled):
        shell.run(["sh", "-c", f"sh -c '{child}' & wait"], cancel=cancelled(file))
    wait_until(lambda: not is_alive(pid_in(file)), 2)


def test_a_program_that_ignores_sigterm_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a grace (five seconds; here less)."""
    monkeypatch.setattr(shell, "_KILL_AFTER", 0.5)
    file = tmp_path / "pid"
    with pytest.raises(shell.Cancelled):
        shell.run(
            ["sh", "-c", f'trap "" TERM; echo $$ > {file}; while :; do sleep 1; done'],
            cancel=cancelled(file),
        )
    assert not is_alive(pid_in(file))


def test_a_program_may_end_in_order(tmp_path: Path) -> None:
    """SIGTERM comes first: compose stops what it has begun."""
    file, ended = tmp_path / "pid", tmp_path / "ended"
    script = f"trap 'echo yes > {ended}; exit 0' TERM; echo $$ > {file}; sleep 30 & wait"
    with pytest.raises(shell.Cancelled):
        shell.run(["sh", "-c", script], cancel=cancelled(file))
    assert "yes\n" == ended.read_text()


def test_ctrl_c_reaches_us_alone() -> None:
    """The program runs in a session of its own, so that we stop it in order."""
    program = "import os; print(os.getsid(0) == os.getpid())"
    assert "True\n" == shell.run([sys.executable, "-c", program]).stdout


def test_the_program_dies_when_we_are_killed(tmp_path: Path) -> None:
    """After `kill -9` of pydeploy nothing goes on creating containers."""
    file = tmp_path / "pid"
    script = ["sh", "-c", f"echo $$ > {file}; sleep 30"]
    program = f"from pydeploy.clients import shell; shell.run({script!r})"
    parent = subprocess.Popen([sys.executable, "-c", program])
    child = pid_in(file)
    assert is_alive(child)
    parent.send_signal(signal.SIGKILL)
    parent.wait(5)
    wait_until(lambda: not is_alive(child), 2)


def test_an_interrupt_stops_the_program(tmp_path: Path) -> None:
    """Whatever is raised while we wait: the program does not go on behind our back."""
    file = tmp_path / "pid"
    script = ["sh", "-c", f"echo $$ > {file}; sleep 30"]
    program = (
        "from pydeploy import interrupts; from pydeploy.clients import shell\n"
        f"interrupts.install(); shell.run({script!r})"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE)
    child = pid_in(file)
    parent.send_signal(signal.SIGTERM)
    _, err = parent.communicate(timeout=8)
    assert b"Interrupted" in err
    assert not is_alive(child)


# -- what is handed over ----------------------------------------------------------------


def handing_over(script: str) -> subprocess.Popen[bytes]:
    """A pydeploy that has handed its stdin and stdout over to `script`."""
    program = (
        "import os, sys\n"
        "from pydeploy import errors, interrupts\n"
        "from pydeploy.clients import shell\n"
        "interrupts.install()\n"
        "try:\n"
        f"    sys.exit(shell.hand_over(['sh', '-c', {script!r}], env_vars=os.environ))\n"
        "except errors.Interrupted as signalled:\n"
        "    sys.exit(signalled.exit_code)"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def test_stdin_stdout_and_the_exit_code_are_the_programs() -> None:
    """As they come, also bytes that are no text."""
    process = handing_over("cat; exit 7")
    assert (b"\xff\n", None) == process.communicate(b"\xff\n", timeout=8)
    assert 7 == process.returncode


def test_a_program_that_a_signal_ended() -> None:
    """128 and the number, as a shell has it."""
    process = handing_over("kill -9 $$")
    process.communicate(timeout=8)
    assert 137 == process.returncode


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_stops_what_has_our_terminal(number: signal.Signals, tmp_path: Path) -> None:
    """Also when the terminal was hung up, which ends a process without a word elsewhere."""
    file = tmp_path / "pid"
    process = handing_over(f"echo $$ > {file}; exec sleep 30")
    child = pid_in(file)
    process.send_signal(number)
    process.communicate(timeout=8)
    assert 128 + number == process.returncode
    assert not is_alive(child)


def test_the_handler_of_sighup_comes_back() -> None:
    """The block is over, and so is its meaning."""
    before = signal.getsignal(signal.SIGHUP)
    assert 0 == shell.hand_over(["true"], env_vars=os.environ)
    assert before == signal.getsignal(signal.SIGHUP)


def test_a_companion_runs_beside_us(tmp_path: Path) -> None:
    """Its last words are kept; it ends when it is told to."""
    file = tmp_path / "pid"
    script = f"echo hello >&2; echo $$ > {file}; exec sleep 30"
    companion = shell.Companion(["sh", "-c", script], env_vars=os.environ)
    child = pid_in(file)
    assert companion.is_running
    companion.stop()
    assert not companion.is_running
    assert not is_alive(child)
    assert ["hello"] == companion.tail


def test_a_companion_dies_when_we_are_killed(tmp_path: Path) -> None:
    """Also when the thread that started it has long ended."""
    file = tmp_path / "pid"
    script = ["sh", "-c", f"echo $$ > {file}; exec sleep 30"]
    program = (
        "import os, threading, time; from pydeploy.clients import shell\n"
        f"start = lambda: shell.Companion({script!r}, env_vars=os.environ)\n"
        "thread = threading.Thread(target=start); thread.start(); thread.join(); time.sleep(30)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program])
    child = pid_in(file)
    time.sleep(0.2)
    assert is_alive(child)
    parent.send_signal(signal.SIGKILL)
    parent.wait(5)
    wait_until(lambda: not is_alive(child), 2)
