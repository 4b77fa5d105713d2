"""`pydeploy check`: what it prints, writes and exits with."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pydeploy.__main__ import run
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
