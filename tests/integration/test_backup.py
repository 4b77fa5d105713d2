"""Backups: what was saved comes back as it was, here or under another name."""

from __future__ import annotations

import functools
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from pydeploy.config import site as site_config
from tests.integration.support import keeping as keeping_service
from tests.integration.support.keeping import add, container_of, rows
from tests.integration.support.site import LiveSite

Write = Callable[..., Path]


@pytest.fixture
def keeping(tmp_path: Path) -> Write:
    return functools.partial(keeping_service.written, tmp_path / "keeping")


@pytest.fixture
def saving(live: LiveSite, tmp_path: Path) -> LiveSite:
    """The same site with a folder for backups, two of each."""
    data = yaml.safe_load(live.file.read_text())
    backup = {"folder": str(tmp_path / "backups"), "on_remove": True, "keep": 2}
    file = tmp_path / "site.yml"
    file.write_text(yaml.safe_dump({**data, "backup": backup}))
    return replace(live, file=file, site=site_config.load(str(file), {}))


@pytest.fixture
def staging(live: LiveSite, change: int) -> Iterator[str]:
    name = f"staging-{change}"
    yield name
    live.cli("remove", name, "--purge-data")


def test_a_removed_environment_comes_back(saving: LiveSite, keeping: Write, staging: str) -> None:
    """From the last backup, which its removal left: the same digests, all rows."""
    deployed = saving.cli.ok("deploy", keeping(), "--name", staging)
    add(saving, staging, "one")
    removed = saving.cli.ok("remove", staging, "--purge-data")
    assert 0 == removed["residue"]
    assert [removed["backup"]] == saving.cli.ok("backup", staging, "--list")
    back = saving.cli.ok("deploy", keeping("2"), "--name", f"{staging}-x", "--data", "fresh")
    saving.cli.ok("remove", f"{staging}-x")
    back = saving.cli.ok("restore", removed["backup"])
    assert deployed["images"] == back["images"]
    assert ["one"] == rows(saving, staging)


def test_a_backup_can_be_had_under_another_name(
    saving: LiveSite, keeping: Write, staging: str
) -> None:
    """Beside the original, which goes on and shares nothing with it."""
    saving.cli.ok("deploy", keeping(), "--name", staging)
    add(saving, staging, "one")
    saved = saving.cli.ok("backup", staging)
    assert ["rows"] == list(saved["volumes"])
    add(saving, staging, "two")
    saving.cli.ok("restore", saved["file"], "--name", f"{staging}-b")
    add(saving, f"{staging}-b", "three")
    assert ["one", "two"] == rows(saving, staging)
    assert ["one", "three"] == rows(saving, f"{staging}-b")
    saving.cli.ok("remove", f"{staging}-b", "--purge-data")


def test_data_is_replaced_only_when_that_was_said(
    saving: LiveSite, keeping: Write, staging: str
) -> None:
    """Then the data of the backup is there, and of the other nothing is left."""
    saving.cli.ok("deploy", keeping(), "--name", staging)
    add(saving, staging, "one")
    file = saving.cli.ok("backup", staging)["file"]
    add(saving, staging, "two")
    assert "has data already" in saving.cli.fails(64, "restore", file)["message"]
    assert ["one", "two"] == rows(saving, staging)
    found = saving.cli.ok("restore", file, "--replace")
    assert ["store"] == list(found["gaps_s"])
    assert ["one"] == rows(saving, staging)
    assert 1 == len(saving.volumes(staging))


def test_only_the_newest_are_kept(saving: LiveSite, keeping: Write, staging: str) -> None:
    """As many as site.yml says; a file that was named stays."""
    saving.cli.ok("deploy", keeping(), "--name", staging)
    files = [saving.cli.ok("backup", staging)["file"] for _ in range(3)]
    assert files[:0:-1] == saving.cli.ok("backup", staging, "--list")


def test_a_backup_that_was_altered_changes_nothing(
    saving: LiveSite, keeping: Write, staging: str, tmp_path: Path
) -> None:
    """It is read whole before anything is touched."""
    saving.cli.ok("deploy", keeping(), "--name", staging)
    add(saving, staging, "one")
    file = tmp_path / "mine.tar"
    saving.cli.ok("backup", staging, "--to", file)
    assert 0o600 == file.stat().st_mode & 0o777
    raw = bytearray(file.read_bytes())
    raw[raw.index(b"one\n")] ^= 1
    file.write_bytes(raw)
    error = saving.cli.fails(64, "restore", file, "--name", f"{staging}-b")
    assert "another checksum" in error["message"]
    assert [] == saving.volumes(f"{staging}-b")


def test_a_killed_copy_leaves_nobody_frozen(
    live: LiveSite, keeping: Write, staging: str, tmp_path: Path
) -> None:
    """kill -9 while the store stands still: it goes on at once."""
    live.cli.ok("deploy", keeping(), "--name", staging)
    store = container_of(live, staging, "store")
    fill = "dd if=/dev/zero of=/data/big bs=1M count=300 2>/dev/null"
    assert 0 == live.cli("exec", staging, "store", "sh", "-c", fill).code
    process = live.cli.start("backup", staging, "--to", tmp_path / "big.tar")
    until = time.monotonic() + 30
    while _state(store) != "paused":
        assert time.monotonic() < until
        time.sleep(0.01)
    process.kill()
    process.communicate()
    until = time.monotonic() + 5
    while _state(store) != "running":
        assert time.monotonic() < until, _state(store)
        time.sleep(0.02)
    assert not (tmp_path / "big.tar").exists()


def test_a_sweep_lets_go_on_what_somebody_dead_has_paused(
    live: LiveSite, keeping: Write, staging: str
) -> None:
    """The whole machine died: prune finds it."""
    live.cli.ok("deploy", keeping(), "--name", staging)
    store = container_of(live, staging, "store")
    subprocess.run(["docker", "pause", store], check=True, capture_output=True)
    live.cli.ok("prune")
    assert "running" == _state(store)


def _state(container: str) -> str:
    argv = ["docker", "inspect", "--format", "{{.State.Status}}", container]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()
