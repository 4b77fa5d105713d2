"""`pydeploy new`: layouts that pass `check` as they are, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pydeploy import scaffold
from pydeploy.__main__ import run
from pydeploy.commands.new import TEMPLATES
from pydeploy.config.site import Site
from pydeploy.errors import UsageError
from pydeploy.repository import inspect

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize("template", TEMPLATES)
def test_passes_check(tmp_path: Path, template: str) -> None:
    """Not even a warning, and every part of the layout is there."""
    folder = scaffold.write(tmp_path, "hello", template)
    inspection = inspect(folder, site=Site())
    assert inspection.findings == ()
    assert inspection.checkout is not None
    assert inspection.checkout.service_name == "hello"
    assert {"Dockerfile", "docker-compose.yml", "source", "makefile", "readme.md"} <= {
        path.name for path in folder.iterdir()
    }
    text = (folder / "makefile").read_text()
    assert "\nbuild:" in text
    assert "\nrun: build" in text


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.glob("hello-*")))
def test_examples_pass_check(example: str) -> None:
    """They are what people copy."""
    assert inspect(EXAMPLES / example, site=Site()).errors == ()


def test_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prints the files; a second time is refused and changes nothing."""
    monkeypatch.chdir(tmp_path)
    assert run(["new", "hello", "--template", "job"]) == 0
    assert "hello/Dockerfile" in capsys.readouterr().out.splitlines()
    (tmp_path / "hello" / "Dockerfile").write_text("mine")
    assert run(["new", "hello"]) == 64
    assert (tmp_path / "hello" / "Dockerfile").read_text() == "mine"
    assert os.listdir(tmp_path) == ["hello"]


@pytest.mark.parametrize("name", ["", "Hello", "../x", "a/b", "a--b", "-x", "x" * 64])
def test_names(tmp_path: Path, name: str) -> None:
    """It becomes a part of host names."""
    with pytest.raises(UsageError):
        scaffold.write(tmp_path, name, "job")
    assert os.listdir(tmp_path) == []


def test_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full in the middle leaves no folder."""

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(UsageError):
        scaffold.write(tmp_path, "hello", "job")
    assert os.listdir(tmp_path) == []
