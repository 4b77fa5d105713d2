"""Every hostile fixture is refused, for the reason it was made for, and nothing happens by it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pydeploy.clients import shell
from pydeploy.errors import ConfigError, LayoutError, PolicyError
from pydeploy.repository import Finding, inspect, read
from tests.unit.repository import fixtures

NAMES = fixtures.names("hostile")
PATHS_FIRST = [
    name for name in NAMES if fixtures.expectation("hostile", name).get("is_paths_first")
]


def test_there_are_enough() -> None:
    """The issue asks for at least 40 ways out."""
    assert len(NAMES) >= 45


@pytest.mark.parametrize("name", NAMES)
def test_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The errors are exactly the expected ones; no file is written, and only `config` runs."""
    root = fixtures.checkout("hostile", name, tmp_path)
    started = _record(monkeypatch)
    before = _listing(tmp_path)

    expected = fixtures.expectation("hostile", name)
    inspection = inspect(
        root,
        site=fixtures.site("hostile", name),
        gerrit_project=expected.get("gerrit_project"),
        branch=expected.get("branch"),
    )

    assert inspection.checkout is None
    assert {finding.code for finding in inspection.errors} == set(expected["errors"])
    _assert_place(inspection.errors, expected)
    assert _listing(tmp_path) == before
    assert all(
        argv[0].endswith(("/docker", "/docker-compose")) and "config" in argv for argv in started
    )


@pytest.mark.parametrize("name", PATHS_FIRST)
def test_compose_is_not_asked(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths and YAML are judged before Compose reads anything."""
    root = fixtures.checkout("hostile", name, tmp_path)
    started = _record(monkeypatch)
    with pytest.raises((PolicyError, LayoutError, ConfigError)):
        read(root, site=fixtures.site("hostile", name))
    assert started == []


def _record(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    started: list[tuple[str, ...]] = []
    run = shell.run

    def recorded(argv: Any, **options: Any) -> shell.Finished:
        started.append(tuple(argv))
        return run(argv, **options)

    monkeypatch.setattr(shell, "run", recorded)
    return started


def _listing(folder: Path) -> list[tuple[str, int, int]]:
    """Name, size and change time of everything, so that any write shows."""
    paths = [Path(top, name) for top, folders, files in os.walk(folder) for name in folders + files]
    stats = [(str(path), path.lstat()) for path in paths]
    return sorted((name, status.st_size, status.st_mtime_ns) for name, status in stats)


def _assert_place(errors: tuple[Finding, ...], expected: dict[str, Any]) -> None:
    code = expected["errors"][0]
    places = {(finding.file, finding.line) for finding in errors if finding.code == code}
    if "file" in expected:
        assert {file for file, _ in places} == {expected["file"]}
    if "line" in expected:
        assert {line for _, line in places} == {expected["line"]}
