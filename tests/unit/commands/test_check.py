"""`pydeploy check`: what it prints, writes and exits with."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pydeploy.__main__ import run
from pydeploy.clients.gerrit import door
from pydeploy.clients.gerrit.detail import Patchset
from pydeploy.errors import ServiceError
from tests.unit.gerrit.changes import change
from tests.unit.reporters.doors import Fake
from tests.unit.repository import fixtures


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "site.yml"
    file.write_text(
        "policy: {exceptions: [{gerrit_project: p, branch: main, allow: [policy.privileged]}]}\n"
    )
    monkeypatch.setenv("PYDEPLOY_SITE", str(file))


def test_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every finding on stdout, a summary on stderr, exit 2."""
    root = fixtures.checkout("hostile", "privileged", tmp_path)
    assert run(["check", str(root)]) == 2
    printed = capsys.readouterr()
    assert "docker-compose.yml:4: error policy.privileged:" in printed.out
    assert printed.out.endswith("1 error, 0 warnings\n")
    assert "author's turn, exit 2" in printed.err


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One object, with the error that the exit code is of."""
    root = fixtures.checkout("hostile", "privileged", tmp_path)
    assert run(["check", str(root), "--json"]) == 2
    result = json.loads(capsys.readouterr().out)
    assert [finding["code"] for finding in result["findings"]] == ["policy.privileged"]
    assert result["error"]["exit_code"] == 2
    assert result["errors"] == 1


def test_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Warnings do not fail; the JUnit file says what was skipped."""
    root = fixtures.checkout("untidy", "container-name", tmp_path)
    junit = tmp_path / "check.xml"
    assert run(["check", str(root), "--json", "--junit", str(junit)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["services"] == ["web"]
    assert result["service"] == "checkout"
    assert len(result["revision"]) == 40
    suite = ElementTree.parse(junit).getroot()  # noqa: S314 (our own file)
    assert suite.attrib["skipped"] == "1"


def test_exceptions(tmp_path: Path) -> None:
    """What Gerrit says of the revision arrives by flags."""
    root = fixtures.checkout("hostile", "privileged", tmp_path)
    flags = ["--gerrit-project", "p", "--branch"]
    assert run(["check", str(root), *flags, "main"]) == 0
    assert run(["check", str(root), *flags, "other"]) == 2


def test_no_folder(tmp_path: Path) -> None:
    assert run(["check", str(tmp_path / "gone")]) == 64


# -- with Gerrit ------------------------------------------------------------------------


def committed(root: Path) -> str:
    who = ("-c", "user.name=Ann", "-c", "user.email=ann@deepin.test")
    for words in (("init", "-q"), ("add", "-A"), (*who, "commit", "-qm", "x")):
        subprocess.run(["git", *words], cwd=root, check=True)
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=root, check=True, capture_output=True, text=True
    )
    return head.stdout.strip()


def says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: Any) -> None:
    with (tmp_path / "site.yml").open("a") as file:
        file.write("gerrit: {url: 'https://gerrit.test'}\n")
    monkeypatch.setenv("PYDEPLOY_GERRIT_TOKEN", "hunter22")
    monkeypatch.setattr(door, "opened", lambda _: Fake(changes=[], answers=[answer]))


@pytest.mark.parametrize(("branch", "code"), [("main", 0), ("other", 2)])
def test_exceptions_hang_on_what_gerrit_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, branch: str, code: int
) -> None:
    """Whatever the flags say."""
    root = fixtures.checkout("hostile", "privileged", tmp_path)
    found = replace(change(), gerrit_project="p", branch=branch, revision=committed(root))
    found = replace(
        found, patchsets=(Patchset(number=2, revision=found.revision, uploader=found.owner),)
    )
    says(monkeypatch, tmp_path, found)
    flags = ["--gerrit-project", "p", "--branch", "main"]
    assert code == run(["check", str(root), "--change", "10020", "--patchset", "2", *flags])


def test_where_gerrit_does_not_answer_the_author_is_not_at_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = fixtures.checkout("hostile", "privileged", tmp_path)
    says(monkeypatch, tmp_path, ServiceError("Gerrit is away", service="gerrit"))
    flags = ["--gerrit-project", "p", "--branch", "main", "--json"]
    assert 6 == run(["check", str(root), "--change", "10020", "--patchset", "2", *flags])
    error = json.loads(capsys.readouterr().out)["error"]
    assert ("ServiceError", "operator") == (error["class"], error["fault"])
