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
from pydeploy.deploy.backup_file import Backup
from tests.integration.support import keeping as keeping_service
from tests.integration.support.cli import Cli
from tests.integration.support.keeping import add, container_of, rows
from tests.integration.support.relay import Relay, socket_folder
from tests.integration.support.site import LiveSite
from tests.integration.support.waiting import eventually, stopped, woken

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


def test_an_expired_environment_comes_back(saving: LiveSite, keeping: Write, staging: str) -> None:
    """From the last backup, which prune left: the same digests, all rows, and it stays."""
    deployed = saving.cli.ok("deploy", keeping(), "--name", staging)
    add(saving, staging, "one")
    found = saving.store.environment(staging)
    assert found
    past = found.model_copy(update={"expires": "2020-01-01T00:00:00Z"})
    saving.store.etcd.put(saving.store.keys.environment(staging), past.text())
    saving.cli.ok("prune")
    assert [] == saving.containers(staging) + saving.volumes(staging)
    (file,) = saving.cli.ok("backup", staging, "--list")
    back = saving.cli.ok("deploy", keeping("2"), "--name", f"{staging}-x", "--data", "fresh")
    saving.cli.ok("remove", f"{staging}-x")
    back = saving.cli.ok("restore", file)
    assert deployed["images"] == back["images"]
    assert back["expires"] is None
    saving.cli.ok("prune")
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


@pytest.mark.parametrize(
    ("point", "again"),
    [("remove-after-erase", ("prune",)), ("remove-after-images", ("remove", "--purge-data"))],
)
def test_a_removal_that_died_saves_its_data_once(
    saving: LiveSite, keeping: Write, staging: str, point: str, again: tuple[str, ...]
) -> None:
    """Who finishes it finds the data gone, and leaves the backup that has it as the last one."""
    saving.cli.ok("deploy", keeping(), "--name", staging)
    add(saving, staging, "one")
    died = saving.cli("remove", staging, "--purge-data", env={"PYDEPLOY_FAILPOINT": point})
    assert -9 == died.code
    (file,) = saving.cli.ok("backup", staging, "--list")
    if again == ("prune",):
        eventually(lambda: not saving.keys("locks") and not saving.keys("work"))
        saving.cli.ok("prune")
    else:
        assert 0 == saving.cli.ok(*again, staging)["residue"]
    assert [file] == saving.cli.ok("backup", staging, "--list")
    assert f"{saving.site.site}-e-{staging}-" not in docker("volume", "ls", "--quiet")
    saving.cli.ok("restore", file)
    assert ["one"] == rows(saving, staging)


def test_what_is_left_of_data_is_saved_beside_the_complete_backup(
    saving: LiveSite, keeping: Write, staging: str
) -> None:
    """A removal died while volumes went: none of the complete ones goes for what it had left."""
    repo = keeping()
    compose = (repo / "docker-compose.yml").read_text()
    compose = compose.replace('["rows:/data"]', '["rows:/data", "more:/more"]')
    compose = compose.replace("volumes: {rows: {}}", "volumes: {rows: {}, more: {}}")
    (repo / "docker-compose.yml").write_text(compose)
    saving.cli.ok("deploy", repo, "--name", staging)
    whole = [saving.cli.ok("backup", staging)["file"] for _ in range(2)]
    docker("rm", "--force", container_of(saving, staging, "store"))
    docker("volume", "rm", next(one for one in saving.volumes(staging) if "more" in one))
    error = saving.cli.fails(6, "backup", staging)
    assert "has no volume" in error["message"]
    last = saving.cli.ok("remove", staging, "--purge-data")["backup"]
    assert [last, *whole[::-1]] == saving.cli.ok("backup", staging, "--list")
    manifest = Backup.open(Path(last)).manifest
    assert (["rows"], ("more",)) == (list(manifest.volumes), manifest.missing)


def test_a_removal_that_cannot_save_the_data_leaves_it(
    saving: LiveSite, keeping: Write, staging: str
) -> None:
    """The last backup was promised; the failure is the operator's turn, and in the audit."""
    folder = saving.site.backup.folder
    assert folder
    saving.cli.ok("deploy", keeping(), "--name", staging)
    folder.write_text("no folder")
    error = saving.cli.fails(6, "remove", staging, "--purge-data")
    assert str(folder) in error["message"]
    assert 1 == len(saving.volumes(staging))
    (act,) = saving.cli.ok("audit", staging, "--action", "remove")
    assert "failed" == act["result"]
    folder.unlink()
    assert saving.cli.ok("remove", staging, "--purge-data")["backup"]


def test_a_volume_that_the_release_does_not_use_comes_back(
    saving: LiveSite, keeping: Write, staging: str
) -> None:
    """Volumes are never forgotten: an earlier release that has it may come back."""
    repo = keeping()
    compose = repo / "docker-compose.yml"
    whole = compose.read_text()
    more = whole.replace('["rows:/data"]', '["rows:/data", "more:/more"]')
    compose.write_text(more.replace("volumes: {rows: {}}", "volumes: {rows: {}, more: {}}"))
    first = saving.cli.ok("deploy", repo, "--name", staging)["release"]
    write = ("exec", staging, "store", "sh", "-c", "echo hello > /more/file")
    assert 0 == saving.cli(*write).code
    compose.write_text(whole)
    saving.cli.ok("deploy", repo, "--name", staging)
    file = saving.cli.ok("backup", staging)["file"]
    saving.cli.ok("restore", file, "--replace")
    assert 2 == len(saving.volumes(staging))
    saving.cli.ok("rollback", staging, "--to", first)
    assert "hello\n" == saving.cli("exec", staging, "store", "cat", "/more/file").stdout
    assert 2 == len(saving.volumes(staging))


@pytest.mark.parametrize("point", ["after-start", "after-switch"])
def test_a_restore_that_is_killed_is_repaired(
    saving: LiveSite, keeping: Write, staging: str, point: str
) -> None:
    """By prune: one set of data is there, that of the record; and by the same restore again."""
    saving.cli.ok("deploy", keeping(), "--name", staging)
    add(saving, staging, "one")
    file = saving.cli.ok("backup", staging)["file"]
    add(saving, staging, "two")
    restore = ("restore", file, "--replace")
    assert -9 == saving.cli(*restore, env={"PYDEPLOY_FAILPOINT": point}).code
    eventually(lambda: not saving.keys("locks") and not saving.keys("work"))
    assert 0 == saving.cli.ok("prune")["residue"]
    assert (["one"] if point == "after-switch" else ["one", "two"]) == rows(saving, staging)
    assert (2, 1) == (len(saving.containers(staging)), len(saving.volumes(staging)))
    assert -9 == saving.cli(*restore, env={"PYDEPLOY_FAILPOINT": point}).code
    saving.cli.ok(*restore)
    assert ["one"] == rows(saving, staging)
    assert (2, 1) == (len(saving.containers(staging)), len(saving.volumes(staging)))


def test_only_the_newest_are_kept(saving: LiveSite, keeping: Write, staging: str) -> None:
    """As many as site.yml says; a file that was named stays."""
    saving.cli.ok("deploy", keeping(), "--name", staging)
    died = saving.cli("backup", staging, env={"PYDEPLOY_FAILPOINT": "backup-after-read"})
    assert -9 == died.code
    files = [saving.cli.ok("backup", staging)["file"] for _ in range(3)]
    assert files[:0:-1] == saving.cli.ok("backup", staging, "--list")
    assert sorted(files[1:]) == sorted(str(one) for one in Path(files[0]).parent.iterdir())


def test_a_backup_that_was_altered_changes_nothing(
    saving: LiveSite, keeping: Write, staging: str, tmp_path: Path
) -> None:
    """It is read whole before anything is touched."""
    saving.cli.ok("deploy", keeping(), "--name", staging)
    add(saving, staging, "one")
    file = tmp_path / "mine.tar"
    saving.cli.ok("backup", staging, "--to", file)
    assert "already" in saving.cli.fails(64, "backup", staging, "--to", file)["message"]
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
    process, store = _begun(live, live.cli, staging, tmp_path / "big.tar")
    process.kill()
    process.communicate()
    _goes_on(store)
    assert not (tmp_path / "big.tar").exists()


def test_an_engine_that_was_away_leaves_nobody_frozen(
    live: LiveSite, keeping: Write, staging: str, tmp_path: Path
) -> None:
    """The network broke while the store stood still: it goes on as soon as the engine is back."""
    live.cli.ok("deploy", keeping(), "--name", staging)
    relay = Relay(socket_folder(tmp_path) / "engine.sock")
    data = yaml.safe_load(live.file.read_text())
    data["engines"]["local"]["host"] = f"unix://{relay.path}"
    file = tmp_path / "site.yml"
    file.write_text(yaml.safe_dump(data))
    process, store = _begun(live, Cli(file), staging, tmp_path / "big.tar")
    relay.cut()
    _, stderr = process.communicate(timeout=60)
    assert (6, "paused") == (process.returncode, _state(store)), stderr
    assert "may stand still" in stderr
    back = Relay(relay.path)
    _goes_on(store)
    back.cut()
    assert "failed" == live.cli.ok("audit", staging, "--action", "backup")[0]["result"]


def test_a_backup_that_lost_its_lock_saves_nothing(
    saving: LiveSite, keeping: Write, staging: str
) -> None:
    """It slept, somebody let the store go on, and it wrote: what was read is not of one moment."""
    saving.cli.ok("deploy", keeping(), "--name", staging)
    process = saving.cli.start("backup", staging, env={"PYDEPLOY_STOPPOINT": "backup-after-read"})
    stopped(process)
    eventually(lambda: not saving.keys("locks"))
    saving.cli.ok("prune")
    add(saving, staging, "one")
    _, stderr = woken(process)
    assert 6 == process.returncode, stderr
    assert [] == [one for one in saving.keys("backups") if staging in one]
    assert saving.site.backup.folder
    assert [] == list(saving.site.backup.folder.iterdir())
    assert "failed" == saving.cli.ok("audit", staging, "--action", "backup")[0]["result"]


def _begun(live: LiveSite, cli: Cli, name: str, to: Path) -> tuple[subprocess.Popen[str], str]:
    """A backup that takes a while, and the container that stands still meanwhile."""
    store = container_of(live, name, "store")
    fill = "dd if=/dev/zero of=/data/big bs=1M count=300 2>/dev/null"
    assert 0 == live.cli("exec", name, "store", "sh", "-c", fill).code
    process = cli.start("backup", name, "--to", to)
    until = time.monotonic() + 30
    while _state(store) != "paused":
        assert time.monotonic() < until
        time.sleep(0.01)
    return process, store


def _goes_on(container: str) -> None:
    until = time.monotonic() + 5
    while _state(container) != "running":
        assert time.monotonic() < until, _state(container)
        time.sleep(0.02)


def test_a_sweep_lets_go_on_what_somebody_dead_has_paused(
    live: LiveSite, keeping: Write, staging: str
) -> None:
    """The whole machine died: prune finds it."""
    live.cli.ok("deploy", keeping(), "--name", staging)
    store = container_of(live, staging, "store")
    docker("pause", store)
    live.cli.ok("prune")
    assert "running" == _state(store)


def _state(container: str) -> str:
    return docker("inspect", "--format", "{{.State.Status}}", container)


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()
