"""How a version comes about: the wheel, its hash in the library, the tools that write it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

import pytest

from pydeploy import __version__
from tests.bootstrap import clones
from tools import requirements, wheel

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The tree as it is, as somebody else has it: another folder, other times, a strict umask."""
    return clones.make(tmp_path / "clone")


@pytest.fixture
def run(clone: Path) -> Run:
    def in_clone(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *words], cwd=clone, check=False, capture_output=True, text=True
        )

    return in_clone


# -- this tree --------------------------------------------------------------------------


def test_what_agents_install_is_what_the_tool_is_tested_with() -> None:
    """The pins of the library are requirements/runtime.txt, below pydeploy's own."""
    version, found = requirements.pinned()
    assert __version__ == version
    ours = requirements.FILE.read_text(encoding="utf-8")
    assert requirements.text(version, found) == ours, "run: python -m tools.requirements"


def test_a_release_names_the_wheel_that_its_tree_makes(tmp_path: Path) -> None:
    """So whoever builds it may hand it out.  A development version names none that stays true."""
    found = wheel.sha256(wheel.build(tmp_path))
    if not requirements.is_development(__version__):
        assert (__version__, found) == requirements.pinned()


# -- the wheel --------------------------------------------------------------------------


def test_two_builds_are_the_same_bytes(clone: Path, tmp_path: Path) -> None:
    """Elsewhere, later, with another umask, and with what lies about in a working tree."""
    first = wheel.build(tmp_path / "first")
    (clone / "pydeploy/__pycache__").mkdir()
    (clone / "pydeploy/__pycache__/x.pyc").write_bytes(b"x")
    (clone / "pydeploy/draft.py").write_text("x = 1\n")
    (clone / "platform/draft").write_text("x")
    os.utime(clone / "pydeploy/cli.py", (1, 1))
    before = os.umask(0o077)
    try:
        second = wheel.build(tmp_path / "second", clone)
    finally:
        os.umask(before)
    assert first.name == second.name == f"pydeploy-{__version__}-py3-none-any.whl"
    assert first.read_bytes() == second.read_bytes()


def test_nothing_in_the_wheel_is_left_to_a_library_of_the_machine(tmp_path: Path) -> None:
    """No compression, one date, two modes; programs stay programs."""
    with ZipFile(wheel.build(tmp_path)) as packed:
        entries = {one.filename: one for one in packed.infolist()}
        assert packed.testzip() is None
    assert {(ZIP_STORED, wheel.DATE)} == {
        (one.compress_type, one.date_time) for one in entries.values()
    }
    modes = {name: one.external_attr >> 16 & 0o777 for name, one in entries.items()}
    assert {0o644, 0o755} == set(modes.values())
    assert 0o755 == modes["pydeploy/_platform/setup.sh"]
    assert {"pydeploy/cli.py", "pydeploy/_platform/requirements/runtime.txt"} <= set(entries)


# -- a release --------------------------------------------------------------------------


def test_a_release_writes_version_hash_and_heading(clone: Path, run: Run, tmp_path: Path) -> None:
    """And the tree it leaves makes exactly that wheel."""
    done = run("tools.release", "9.8.7")
    assert 0 == done.returncode, done.stderr
    assert "git commit -am 'Release 9.8.7' && git tag v9.8.7" in done.stdout
    assert '__version__ = "9.8.7"' in (clone / "pydeploy/__init__.py").read_text()
    changes = (clone / "CHANGELOG.md").read_text()
    assert "## [Unreleased]\n\n## [9.8.7] - 20" in changes
    found = wheel.sha256(wheel.build(tmp_path / "wheel", clone))
    pins = (clone / requirements.FILE.relative_to(wheel.ROOT)).read_text()
    assert pins.startswith(f"pydeploy==9.8.7 \\\n    --hash=sha256:{found}\n")
    assert pins.endswith(requirements.RUNTIME.read_text())


def test_after_a_release_the_version_is_a_development_one(clone: Path, run: Run) -> None:
    """Its pin is zeros, which no wheel has; the changelog gets no heading."""
    changes = (clone / "CHANGELOG.md").read_text()
    assert 0 == run("tools.release", "9.8.7.dev0").returncode
    pins = (clone / requirements.FILE.relative_to(wheel.ROOT)).read_text()
    assert pins.startswith(f"pydeploy==9.8.7.dev0 \\\n    --hash=sha256:{0:064}\n")
    assert changes == (clone / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("version", ["9.8", "v9.8.7", "9.8.7rc1", "latest", "9.8.7 "])
def test_what_is_no_version_is_refused(clone: Path, run: Run, version: str) -> None:
    """Before anything is written."""
    assert "is no version" in run("tools.release", version).stderr
    assert f'__version__ = "{__version__}"' in (clone / "pydeploy/__init__.py").read_text()


def test_a_tree_that_is_no_longer_the_release_makes_no_wheel(clone: Path, run: Run) -> None:
    """Two wheels of one version with different content would be two truths on two agents."""
    run("tools.release", "9.8.7")
    with (clone / "pydeploy/cli.py").open("a") as file:
        file.write("# one more line\n")
    code = "import pathlib; from tools import wheels; wheels.add_own(pathlib.Path('wheels'))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=clone, check=False, capture_output=True, text=True
    )
    assert "this is not pydeploy 9.8.7 any more" in done.stderr
    assert not (clone / "wheels").exists()
    shutil.rmtree(clone)
