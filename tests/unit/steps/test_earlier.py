"""Which result a report is about, and which results have had their time."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pydeploy.steps import earlier
from pydeploy.steps.folder import open_folder

BUILD = "http://ci/job/docs/7/"


@pytest.fixture
def results(tmp_path: Path) -> Any:
    """Writes results one after the other, and says which one a report would take."""
    made: list[Path] = []

    def add(name: str, step: str, build: str = BUILD, **more: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "result.json").write_text(json.dumps({"step": step, "build": build, **more}))
        os.utime(folder / "result.json", (1000 + len(made), 1000 + len(made)))
        made.append(folder)
        return folder / "result.json"

    return add


def told(tmp_path: Path, *, is_failing: bool = False) -> Path | None:
    (tmp_path / "mine").mkdir(exist_ok=True)
    return earlier.of_build(tmp_path / "mine", BUILD, is_failing)


def test_the_first_failure_is_told(tmp_path: Path, results: Any) -> None:
    """What failed later failed because of it, or is not worth more."""
    results("a", "check")
    first = results("z", "build", error={})
    results("b", "deploy", error={})
    results("c", "deploy")
    assert first == told(tmp_path)


def test_what_was_done_again_counts_as_it_ended(tmp_path: Path, results: Any) -> None:
    """`retry(2) { deepinDeploy() }`; another environment's or folder's failure stays one."""
    results("a", "check", folder="web")
    results("b", "deploy", environment="10020", error={})
    again = results("c", "deploy", environment="10020")
    assert again == told(tmp_path)
    lasting = results("d", "check", folder="api", error={})
    results("e", "deploy", environment="demo", error={})
    results("f", "check", folder="web")
    assert lasting == told(tmp_path)
    results("g", "check", folder="api")
    last = results("h", "deploy", environment="10020", error={})
    results("i", "deploy", environment="demo")
    assert last == told(tmp_path)


def test_else_the_weightiest_step(tmp_path: Path, results: Any) -> None:
    """A deploy before a build before a check; of several the newest."""
    results("a", "check")
    results("b", "deploy")
    newest = results("c", "deploy")
    results("d", "build")
    assert newest == told(tmp_path)


def test_a_build_that_fails_looks_further(tmp_path: Path, results: Any) -> None:
    """Into steps that are else not told of, and to what was superseded; then it is as ever."""
    deployed = results("a", "deploy", state="running")
    assert deployed == told(tmp_path, is_failing=True)
    superseded = results("b", "deploy", state="superseded", environment="web")
    results("c", "deploy", state="running", environment="docs")
    assert superseded == told(tmp_path, is_failing=True)
    failed = results("d", "status", error={})
    assert failed == told(tmp_path, is_failing=True)
    assert tmp_path / "c" / "result.json" == told(tmp_path)


def test_other_builds_and_reports_are_not_told(tmp_path: Path, results: Any) -> None:
    """Workspaces are used again."""
    results("a", "deploy", build="http://ci/job/docs/6/", error={})
    results("b", "report", error={})
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "result.json").write_text("nonsense")
    assert told(tmp_path) is None
    assert earlier.of_build(tmp_path / "mine", "") is None


def test_old_results_go(tmp_path: Path, results: Any) -> None:
    """After a week; what holds anything else stays, and so does mine."""
    old, foreign = results("old", "deploy").parent, results("foreign", "deploy").parent
    (old / "bootstrap.sh").write_text("")
    (foreign / "notes").write_text("")
    mine = results("mine", "deploy").parent
    earlier.forget(mine, now=1000 + earlier.KEPT + 100)
    assert (False, True, True) == (old.exists(), foreign.exists(), mine.exists())
    killed = tmp_path / "killed"
    killed.mkdir()
    (killed / "bootstrap.sh").write_text("")
    earlier.forget(mine, now=killed.stat().st_mtime + earlier.KEPT - 10)
    assert killed.exists()
    earlier.forget(mine, now=killed.stat().st_mtime + earlier.KEPT + 10)
    assert not killed.exists()
    young = results("young", "deploy").parent
    earlier.forget(mine, now=1010)
    assert young.exists()


def test_a_result_that_is_handed_back(tmp_path: Path, results: Any) -> None:
    """Its file where it is; on another agent a file is made of what Groovy has."""
    file = results("a", "deploy")
    mine = open_folder("mine", tmp_path)
    assert file == earlier.path_of({"file": str(file), "state": "running"}, mine)
    given = {
        "file": "/none",
        "state": "failed",
        "isUnchanged": "true",
        "error": {"class": "DeployError", "exitCode": "4", "fault": "author"},
    }
    assert {
        "file": "/none",
        "state": "failed",
        "is_unchanged": "true",
        "error": {"class": "DeployError", "exit_code": 4, "fault": "author"},
    } == json.loads(earlier.path_of(given, mine).read_text())
