"""The result as JSON and as lines: what Groovy reads back is what the command told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest

from pydeploy import errors
from pydeploy.steps.folder import open_folder
from pydeploy.steps.outcome import Outcome

RUNNING = {
    "environment": "10020",
    "state": "running",
    "release": "10020-3",
    "url": "http://10020.deploy.deepin.test",
    "urls": {"web": "http://10020.deploy.deepin.test", "a.b": "http://x"},
    "images": [{"service": "web", "ref": "r:5000/x/web:10020-3-abc", "digest": "sha256:1"}],
    "ports": [{"service": "web", "container_port": 8080, "protocol": "tcp", "host_port": 20001}],
    "is_unchanged": False,
    "superseded_by": "",
    "warnings": ["one", "two\nlines"],
    "timings_s": {"check": 0.0, "build": 1.5},
    "expires": None,
}


def parsed(outcome: Outcome) -> dict[str, Any]:
    """As the runner of vars/ does it: split at `=`, the key at its dot, then URLDecoder."""
    result: dict[str, Any] = {}
    for line in outcome.properties().split("\n"):
        if line:
            key, value = line.split("=")
            outer, *inner = [unquote_plus(part) for part in key.split(".")]
            if inner:
                result.setdefault(outer, {})[inner[0]] = unquote_plus(value)
            else:
                result[outer] = unquote_plus(value)
    return result


def of(step: str, *told: Any, code: int = 0) -> Outcome:
    return Outcome(step=step, code=code, told=told, place=Path("/r"))


def test_a_deploy() -> None:
    """Scalars, maps, and the lists that a pipeline needs, as maps."""
    assert {
        "step": "deploy",
        "state": "running",
        "environment": "10020",
        "release": "10020-3",
        "url": "http://10020.deploy.deepin.test",
        "urls": {"web": "http://10020.deploy.deepin.test", "a.b": "http://x"},
        "images": {"web": "r:5000/x/web@sha256:1"},
        "ports": {"web:8080": "20001"},
        "warnings": "one\ntwo\nlines",
        "timingsS": {"build": "1.5"},
        "file": "/r/result.json",
    } == parsed(of("deploy", RUNNING))


@pytest.mark.parametrize(
    "text",
    ["$(touch /tmp/x)", "'; rm -rf ~; '", "a\nb\r\nc", '"q" = + % & #', "\N{ROCKET} é", "${HOME}"],
)
def test_every_text_comes_back_as_it_was(text: str) -> None:
    """In values and in keys of maps; each stays on one line of ASCII."""
    outcome = of("deploy", {**RUNNING, "url": text, "urls": {text: text}})
    result = parsed(outcome)
    assert (text, {text: text}) == (result["url"], result["urls"])
    assert outcome.properties().isascii()


def test_a_failure() -> None:
    """Class, message, whose turn and what next; its log is in the JSON only."""
    failure = errors.DeployError("web exited\nwith 1", hint="mend it", logs="line\n" * 100)
    outcome = of("deploy", {"error": failure.as_dict()}, code=4)
    assert {
        "step": "deploy",
        "state": "failed",
        "exitCode": "4",
        "error": {
            "class": "DeployError",
            "message": "web exited\nwith 1",
            "hint": "mend it",
            "fault": "author",
            "exitCode": "4",
        },
        "file": "/r/result.json",
    } == parsed(outcome)
    assert failure.logs == outcome.document["error"]["logs"]


@pytest.mark.parametrize(
    ("step", "told", "code", "state"),
    [
        ("deploy", {"state": "superseded"}, 0, "superseded"),
        ("check", {"findings": []}, 0, "passed"),
        ("build", {"images": []}, 0, "built"),
        ("remove", {"environment": "x", "state": "removed"}, 0, "removed"),
        ("report", {"is_posted": True}, 0, "sent"),
        ("notify", {}, 0, "done"),
        ("deploy", {"error": {"class": "Interrupted"}}, 143, "aborted"),
        ("deploy", {"error": {"class": "X"}, "state": "running"}, 1, "failed"),
    ],
)
def test_each_result_has_a_state(step: str, told: Any, code: int, state: str) -> None:
    """What a pipeline asks first."""
    assert state == of(step, told, code=code).document["state"]


def test_a_command_that_ends_with_a_code_of_its_own() -> None:
    """Another job's result is no error of ours; the pipeline still gets a message."""
    error = of("trigger", {"result": "FAILURE"}, code=11).document["error"]
    assert ("Failed", "trigger ended with FAILURE") == (error["class"], error["message"])


def test_findings_are_for_the_console_and_the_json() -> None:
    """Their number is for Groovy."""
    finding = {
        "file": "Dockerfile",
        "line": 1,
        "severity": "error",
        "code": "x.y",
        "message": "m",
        "why": "w",
        "mend": "do",
    }
    outcome = of("check", {"findings": [finding], "errors": 1, "warnings": 0}, code=2)
    assert ["Dockerfile:1: error x.y: m\n    mend: do"] == outcome.lines()
    result = parsed(outcome)
    assert ("1", None, None) == (
        result["errors"],
        result.get("warnings"),
        result.get("findings"),
    )


def test_the_status_of_one_and_of_all() -> None:
    """One is called as everywhere else; of all, their links and states by name."""
    one = {"name": "10020", "state": "running", "url": "u", "change": {"number": 10020}}
    result = parsed(of("status", one))
    assert ("10020", {"number": "10020"}) == (result["environment"], result["change"])
    result = parsed(of("status", [one, {**one, "name": "docs", "url": None}]))
    assert ("10020\ndocs", {"10020": "u"}, {"10020": "running", "docs": "running"}) == (
        result["environments"],
        result["urls"],
        result["states"],
    )


def test_the_console_shows_the_link() -> None:
    """In place of the JSON."""
    assert ["10020: http://10020.deploy.deepin.test"] == of("deploy", RUNNING).lines()
    assert ["x: removed"] == of("remove", {"environment": "x", "state": "removed"}).lines()
    assert ["check: passed"] == of("check", {"findings": []}).lines()
    assert [] == of("deploy", {"error": {}}, code=4).lines()


def test_both_files(tmp_path: Path) -> None:
    """The JSON is the command's own, with the step, its state and its build."""
    outcome = Outcome(step="deploy", code=0, told=[RUNNING], build="http://ci/1", place=tmp_path)
    outcome.write(open_folder("r", tmp_path))
    document = json.loads((tmp_path / "r/result.json").read_text())
    assert {**RUNNING, "step": "deploy", "exit_code": 0, "build": "http://ci/1"} == document
    assert outcome.properties() == (tmp_path / "r/result.properties").read_text()
