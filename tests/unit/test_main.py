"""The error boundary: every failure becomes a message, a result and an exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from pydeploy import __main__, __version__, cli, errors

FAILURES = [
    (errors.ConfigError("m"), 2),
    (errors.SiteConfigError("m"), 2),
    (errors.LayoutError("m"), 2),
    (errors.PolicyError("m"), 2),
    (errors.BuildError("m"), 3),
    (errors.DeployError("m"), 4),
    (errors.CapacityError("m"), 5),
    (errors.ServiceError("m", service="etcd"), 6),
    (errors.UsageError("m"), 64),
    (errors.Interrupted(signal.SIGINT), 130),
    (errors.Interrupted(signal.SIGTERM), 143),
]


@pytest.fixture(autouse=True)
def handlers_stay() -> Iterator[None]:
    """`run` installs signal handlers; pytest wants its own back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def raises(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes `pydeploy status` raise what the test says."""

    def will(problem: BaseException) -> None:
        @click.command("status")
        @click.option("--json", "as_json", is_flag=True)
        def command(as_json: bool) -> None:
            raise problem

        monkeypatch.setattr(cli.LazyGroup, "get_command", lambda *_: command)

    return will


def pydeploy(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pydeploy", *arguments]
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=30, **options)


# -- each class of failure --------------------------------------------------------------


@pytest.mark.parametrize(("failure", "code"), FAILURES)
def test_each_failure_has_its_exit_code(
    raises: Any, capsys: pytest.CaptureFixture[str], failure: BaseException, code: int
) -> None:
    """The exit code is the class's; the message is on stderr, stdout stays empty."""
    raises(failure)
    assert code == __main__.run(["status"])
    out, err = capsys.readouterr()
    assert ("", f"error: {failure}") == (out, err.splitlines()[0])


@pytest.mark.parametrize(("failure", "code"), FAILURES)
def test_each_failure_is_a_result(
    raises: Any, capsys: pytest.CaptureFixture[str], failure: Any, code: int
) -> None:
    """With `--json`, stdout is one object whose `error` tells everything."""
    raises(failure)
    assert code == __main__.run(["status", "--json"])
    assert {"error": failure.as_dict()} == json.loads(capsys.readouterr().out)


def test_a_failure_tells_what_where_and_what_next(
    raises: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Message, the last lines of what failed, the hint, and whose turn it is."""
    raises(errors.DeployError("web exited with 1", hint="mend it", logs="one\ntwo\x1b[2J\n"))
    __main__.run(["status"])
    assert [
        "error: web exited with 1",
        "last lines of its output:",
        "  | one",
        "  | two\ufffd[2J",
        "  → mend it",
        "  (DeployError: the author's turn, exit 4)",
    ] == capsys.readouterr().err.splitlines()


def test_wrong_usage_is_nobodys_turn(raises: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither author nor operator is named when the caller mistyped."""
    raises(errors.UsageError("no such service"))
    __main__.run(["status"])
    assert ["error: no such service"] == capsys.readouterr().err.splitlines()


def test_a_failure_that_is_in_the_commands_json_is_not_printed_again(
    raises: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """stdout is one JSON document, also where a command prints findings and fails."""
    failure = errors.PolicyError("m")
    failure.is_printed = True
    raises(failure)
    assert 2 == __main__.run(["status", "--json"])
    assert "" == capsys.readouterr().out


def test_superseded_is_success(raises: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody wished for something newer: exit 0, and it is said."""
    raises(errors.Superseded("patchset 3"))
    assert 0 == __main__.run(["status"])
    assert "superseded by patchset 3\n" == capsys.readouterr().err


def test_a_bug_shows_its_traceback(raises: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """What is not in the tree of errors is a bug: exit 1, traceback, please report; as JSON too."""
    raises(ZeroDivisionError("oops"))
    assert 1 == __main__.run(["status", "--json"])
    out, err = capsys.readouterr()
    assert "Traceback (most recent call last)" in err
    assert "please report it" in err.splitlines()[-1]
    error = json.loads(out)["error"]
    assert ("ZeroDivisionError", 1, "none") == (
        error["class"],
        error["exit_code"],
        error["fault"],
    )


@pytest.mark.parametrize("problem", [BrokenPipeError(32, "Broken pipe"), SystemExit(1)])
def test_a_broken_connection_is_no_success(
    raises: Any, capsys: pytest.CaptureFixture[str], problem: BaseException
) -> None:
    """A socket of ours that broke is a bug to show; only a reader that left is nothing."""
    raises(problem)
    assert 1 == __main__.run(["status"])
    assert "Traceback" in capsys.readouterr().err


def test_click_abort(raises: Any) -> None:
    """Ctrl-C that click saw first."""
    raises(KeyboardInterrupt())
    assert 130 == __main__.run(["status"])


# -- usage ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["deplyo"], "No such command 'deplyo'. Did you mean 'deploy'?"),
        (["xyzzy"], "No such command 'xyzzy'."),
        (["status", "--jsno"], "No such option"),
        (["url"], "Missing argument 'ENVIRONMENT'"),
        (["deploy", "--change", "abc"], "'abc' is not a valid integer"),
        (["deploy", "--ttl", "soon"], "is not a duration"),
        (["deploy", "--revision", "HEAD"], "is not a revision"),
        (["--bogus"], "No such option"),
    ],
)
def test_wrong_usage_is_64(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    """What click refuses has the exit code of UsageError and says what was wrong."""
    assert 64 == __main__.run(arguments)
    out, err = capsys.readouterr()
    assert "" == out
    assert said in err


def test_wrong_usage_is_a_result_too(capsys: pytest.CaptureFixture[str]) -> None:
    """A script that asked for JSON gets JSON, whoever refused its flags."""
    assert 64 == __main__.run(["status", "--json", "--bogus"])
    error = json.loads(capsys.readouterr().out)["error"]
    assert ("UsageError", 64, "caller") == (error["class"], error["exit_code"], error["fault"])


def test_help_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    """--help prints every command with one line, on stdout."""
    assert 0 == __main__.run(["--help"])
    listed = capsys.readouterr().out
    assert all(f"  {name} " in listed for name in cli.COMMANDS)


def test_a_missing_site_is_the_operators(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """No site file: exit 2, the operator's turn, and how to get one."""
    assert 2 == __main__.run(["--site", str(tmp_path / "none.yml"), "status", "--json"])
    error = json.loads(capsys.readouterr().out)["error"]
    assert ("SiteConfigError", "operator") == (error["class"], error["fault"])
    assert "pydeploy config example" in error["hint"]


# -- as a process -----------------------------------------------------------------------


def test_version() -> None:
    """One line, with and without the fast way; both say the same."""
    assert (0, f"pydeploy {__version__}\n") == (
        (fast := pydeploy("--version")).returncode,
        fast.stdout,
    )
    assert fast.stdout == pydeploy("--site", "x", "--version").stdout


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_a_command_with_their_code(number: int, code: int, tmp_path: Path) -> None:
    """Jenkins aborts with SIGTERM, people with Ctrl-C: no traceback."""
    pipe = tmp_path / "site.yml"
    os.mkfifo(pipe)  # reading it blocks; only the signal ends that
    program = (
        "import sys; from pathlib import Path; from pydeploy import __main__\n"
        "Path.is_file = lambda self: True\n"
        "sys.exit(__main__.run(sys.argv[1:]))"
    )
    argv = [sys.executable, "-c", program, "--site", str(pipe), "status"]
    process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    writer = os.open(pipe, os.O_WRONLY)  # returns when the command has opened it
    time.sleep(0.1)
    process.send_signal(number)
    _, err = process.communicate(timeout=10)
    os.close(writer)
    assert (code, f"error: interrupted by signal {number}\n") == (process.returncode, err)


def test_a_reader_that_left_is_no_failure() -> None:
    """`pydeploy ... | head -1` under `pipefail`: exit 0 and not a word."""
    reading, writing = os.pipe()
    os.close(reading)
    argv = [sys.executable, "-m", "pydeploy", "config", "example", "site"]
    finished = subprocess.run(argv, check=False, stdout=writing, stderr=subprocess.PIPE, timeout=30)
    os.close(writing)
    assert (0, b"") == (finished.returncode, finished.stderr)


def test_output_that_cannot_be_written_is_no_success() -> None:
    """A full disk: the process ends without taking itself apart, but looks at what it wrote."""
    with open("/dev/full", "w") as full:
        finished = subprocess.run([sys.executable, "-m", "pydeploy", "--version"], stdout=full)
    assert 1 == finished.returncode


def test_an_old_locale_is_no_failure(tmp_path: Path) -> None:
    """Where a terminal cannot show a character, something else stands there."""
    program = (
        "from pydeploy import __main__, console\n"
        "__main__.start(['--help'])\n"
        "console.out('8080 → 20001'); console.say('→')\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert (0, b"8080 ? 20001") == (finished.returncode, finished.stdout.splitlines()[-1])


# -- what is imported -------------------------------------------------------------------

HEAVY = {"docker", "jinja2", "pydantic", "requests", "rich", "urllib3", "yaml"}


def imported(*command_lines: tuple[str, ...]) -> set[str]:
    """The top-level modules that are imported when these have run, one after the other."""
    program = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "from pydeploy.__main__ import start\n"
        f"for arguments in {command_lines!r}:\n"
        "    start([*arguments])\n"
        "print('\\n' + ' '.join({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    return set(finished.stdout.splitlines()[-1].split())


def test_version_imports_nothing() -> None:
    """At most 80 ms: nothing but ourselves, and of Python little more than it starts with."""
    found = imported(("--version",))
    assert {"pydeploy"} == found - set(sys.stdlib_module_names)
    assert not found & {"argparse", "importlib", "inspect", "json", "logging", "signal"}


def test_help_imports_no_command() -> None:
    """The table of commands is known without importing one."""
    assert not imported(("--help",)) & HEAVY


def test_help_of_a_command_imports_nothing_heavy() -> None:
    """A command's module imports what it needs only when it is run; so for every command."""
    assert not imported(*((command, "--help") for command in cli.COMMANDS)) & HEAVY


@pytest.mark.parametrize(
    ("arguments", "unused"),
    [
        (["config", "example", "site"], HEAVY),
        (["config", "schema", "service"], HEAVY - {"pydantic"}),
        (["completion", "bash"], HEAVY),
        (["config", "check"], HEAVY - {"pydantic", "yaml"}),
        (["status"], HEAVY - {"pydantic", "yaml", "urllib3"}),
        (["url", "10020"], HEAVY - {"pydantic", "yaml", "urllib3"}),
        (["watch"], HEAVY - {"pydantic", "yaml", "urllib3"}),
    ],
)
def test_a_command_imports_only_what_it_uses(
    arguments: list[str], unused: set[str], tmp_path: Path
) -> None:
    """Even run (here: until etcd does not answer), a command loads no library for others."""
    file = tmp_path / "site.yml"
    file.write_text("etcd: {endpoints: ['http://127.0.0.1:9']}\n")
    assert set() == imported(("--site", str(file), *arguments)) & unused
