"""`pydeploy step`: the boundary writes a result in every case, and none on stdout."""

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

from pydeploy import __main__, cli, console, errors
from pydeploy.commands import step as step_command

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty one, outside of Jenkins."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for name in os.environ:
        if name.startswith(("GERRIT_", "PYDEPLOY_", "BUILD_", "BRANCH_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYDEPLOY_RESULT", "result")
    yield tmp_path
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def status(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes `pydeploy status` do what the test says."""

    def will(does: Any) -> None:
        @click.command("status")
        @click.argument("environment", required=False)
        @click.option("--json", "as_json", is_flag=True)
        @click.pass_context
        def command(ctx: click.Context, environment: str | None, as_json: bool) -> None:
            assert as_json
            does(ctx)

        known = {"status": command, "step": step_command.command}
        monkeypatch.setattr(cli.LazyGroup, "get_command", lambda _, __, name: known[name])

    return will


def run(monkeypatch: pytest.MonkeyPatch, step: str = "status", **arguments: Any) -> int:
    monkeypatch.setenv("PYDEPLOY_STEP", json.dumps({"step": step, "arguments": arguments}))
    return __main__.run(["step"])


def result() -> dict[str, Any]:
    value: dict[str, Any] = json.loads(Path("result/result.json").read_text())
    assert f"state={value['state']}" in Path("result/result.properties").read_text().splitlines()
    return value


def raising(problem: BaseException) -> Any:
    def does(_: Any) -> None:
        raise problem

    return does


def test_success(
    status: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command's JSON is in the file; stdout is empty, the console shows the link."""
    from pydeploy import console

    told = {"environment": "10020", "state": "running", "url": "http://x"}
    status(lambda _: console.out_json(told))
    assert 0 == run(monkeypatch)
    assert {"step": "status", "exit_code": 0, **told} == result()
    assert ("", "10020: http://x\n") == capsys.readouterr()


@pytest.mark.parametrize(
    ("problem", "code", "state"),
    [
        (errors.DeployError("m", logs="last line"), 4, "failed"),
        (errors.ServiceError("m", service="etcd"), 6, "failed"),
        (errors.UsageError("m"), 64, "failed"),
        (errors.Interrupted(signal.SIGTERM), 143, "aborted"),
        (KeyboardInterrupt(), 130, "aborted"),
        (ZeroDivisionError("m"), 1, "failed"),
        (click.UsageError("m"), 64, "failed"),
    ],
)
def test_every_failure_is_a_result(
    status: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    problem: BaseException,
    code: int,
    state: str,
) -> None:
    """With its class and exit code; what is on the console is the boundary's, as always."""
    status(raising(problem))
    assert code == run(monkeypatch)
    found = result()
    assert (state, code, code) == (found["state"], found["exit_code"], found["error"]["exit_code"])
    assert "" == capsys.readouterr().out


def test_a_failure_says_of_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a step that is done again is known for the same."""
    site = "/none.yml"
    assert 0 != run(monkeypatch, "deploy", change=10020, patchset=3, site=site)
    assert ("10020", "failed") == (result()["environment"], result()["state"])
    assert 0 != run(monkeypatch, "promote", environment="10020", to="staging", site=site)
    assert "staging" == result()["environment"]
    assert 0 != run(monkeypatch, "build", folder="none", site=site)
    assert "none" == result()["folder"]


def test_superseded_is_a_result(status: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 0, and the pipeline can tell it from a success."""
    status(raising(errors.Superseded("patchset 4")))
    assert 0 == run(monkeypatch)
    assert ("superseded", "patchset 4") == (result()["state"], result()["superseded_by"])


def test_a_failure_in_the_commands_own_json(status: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not told twice."""
    from pydeploy import console

    failure = errors.PolicyError("m")
    failure.is_printed = True

    def does(_: Any) -> None:
        console.out_json({"errors": 1, "error": failure.as_dict()})
        raise failure

    status(does)
    assert 2 == run(monkeypatch)
    assert (1, "PolicyError") == (result()["errors"], result()["error"]["class"])


def test_an_exit_code_of_the_commands_own(status: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `trigger` has one for each result of a job."""
    status(lambda ctx: ctx.exit(11))
    assert 11 == run(monkeypatch)
    assert (11, "Failed") == (result()["exit_code"], result()["error"]["class"])


def test_what_is_no_step_is_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments that are refused, and JSON that is none."""
    assert 64 == run(monkeypatch, ttl="3d")
    assert ("status", "UsageError") == (result()["step"], result()["error"]["class"])
    monkeypatch.setenv("PYDEPLOY_STEP", "{")
    assert 64 == __main__.run(["step"])
    assert ("", "UsageError") == (result()["step"], result()["error"]["class"])


@pytest.mark.parametrize("name", [None, "link", "../x"])
def test_nothing_is_done_without_a_place_for_the_result(
    status: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    workspace: Path,
    name: str | None,
) -> None:
    """What cannot be told must not happen."""
    (workspace / "link").symlink_to("/tmp")
    (monkeypatch.setenv if name else monkeypatch.delenv)("PYDEPLOY_RESULT", *filter(None, [name]))
    status(raising(AssertionError("it ran")))
    assert 64 == run(monkeypatch)
    assert "error: PYDEPLOY_RESULT" in capsys.readouterr().err


def test_a_result_that_cannot_be_written_is_no_success(
    status: Any, monkeypatch: pytest.MonkeyPatch, workspace: Path
) -> None:
    """Jenkins must not take it for one."""
    status(lambda _: (workspace / "result" / "result.json").mkdir())
    assert 1 == run(monkeypatch)


def test_the_change_comes_from_the_plugins_variables(
    status: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`deepinStatus()` with no argument asks for the change's environment."""
    seen: list[str] = []
    status(lambda ctx: seen.append(ctx.params["environment"]))
    monkeypatch.setenv("GERRIT_CHANGE_NUMBER", "10020")
    monkeypatch.setenv("GERRIT_PATCHSET_NUMBER", "3")
    assert 0 == run(monkeypatch)
    assert 0 == run(monkeypatch, environment="docs")
    assert ["10020", "docs"] == seen
    monkeypatch.setenv("GERRIT_CHANGE_NUMBER", "$(id)")
    assert 64 == run(monkeypatch)
    assert "GERRIT_CHANGE_NUMBER='$(id)'" in result()["error"]["message"]


def test_a_report_is_about_what_the_build_has_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first failure, found beside the report's own result."""
    from pydeploy.steps import arguments

    monkeypatch.setenv("BUILD_TAG", "jenkins-docs-1")
    monkeypatch.setenv("PYDEPLOY_RESULT", "results/1")
    assert 64 == run(monkeypatch, "deploy", tll="3d")
    monkeypatch.setenv("PYDEPLOY_RESULT", "results/2")
    asked = step_command._with_result(arguments.Asked(name="report", arguments={}))
    assert str(Path("results/1/result.json").absolute()) == asked.arguments["result"]
    given = arguments.Asked(name="report", arguments={"result": {"state": "running"}})
    path = Path(step_command._with_result(given).arguments["result"])
    assert {"state": "running"} == json.loads(path.read_text())


def test_help_is_no_step(capsys: pytest.CaptureFixture[str]) -> None:
    """As for any command."""
    assert 0 == __main__.run(["step", "--help"])
    assert "PYDEPLOY_RESULT" in capsys.readouterr().out


@pytest.mark.parametrize("problem", [errors.DeployError("m"), ValueError("m")])
def test_a_signal_while_the_failure_is_told_takes_no_result_away(
    status: Any, monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    """Jenkins sends it when it likes."""
    status(raising(problem))
    monkeypatch.setattr(console, "say", lambda _: os.kill(os.getpid(), signal.SIGTERM))
    code = run(monkeypatch)
    assert ("failed", code) == (result()["state"], result()["exit_code"])
    assert code in (1, 4)


def test_a_signal_while_something_else_is_told(
    status: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an abort, then."""
    status(raising(errors.Superseded("10020-4")))
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        if len(said) == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(console, "say", say)
    assert 143 == run(monkeypatch)
    assert "aborted" == result()["state"]


def test_an_aborted_build_has_a_result(workspace: Path) -> None:
    """SIGTERM, as Jenkins sends it, while the command waits."""
    pipe = workspace / "site.yml"
    os.mkfifo(pipe)  # reading it blocks; only the signal ends that
    program = (
        "import sys; from pathlib import Path; from pydeploy import __main__\n"
        "Path.is_file = lambda self: True\n"
        "sys.exit(__main__.run(['step']))"
    )
    asked = json.dumps({"step": "status", "arguments": {"site": str(pipe)}})
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYDEPLOY_STEP": asked, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    writer = os.open(pipe, os.O_WRONLY)  # returns when the command has opened it
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert 143 == process.wait(timeout=10)
    os.close(writer)
    assert ("aborted", 143) == (result()["state"], result()["exit_code"])
