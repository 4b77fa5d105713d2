"""Engines elsewhere: by TLS and by ssh, with nothing shared but the registry."""

from __future__ import annotations

import functools
import re
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from pydeploy.config import site as site_config
from tests.integration.support import keeping as keeping_service
from tests.integration.support import waiting
from tests.integration.support.keeping import add, rows
from tests.integration.support.remote_engine import RemoteEngine
from tests.integration.support.repositories import PYTHON
from tests.integration.support.site import LiveSite

Write = Callable[..., Path]
CONTENT = """
services:
  web:
    build: .
    command: ["python3", "/app/server.py"]
    volumes: ["./source:/app"]
    configs: [{source: greeting, target: /etc/greeting}]
    secrets: [token]
    ports: ["8080"]
configs: {greeting: {file: ./greeting}}
secrets: {token: {external: true}}
"""
SEES_CA = f"""FROM {PYTHON}
RUN --mount=type=secret,id=ca test -s /run/secrets/ca && sha256sum < /run/secrets/ca > /ca-seen
"""


def containers_there(remote: RemoteEngine) -> list[str]:
    text: str = remote.docker("ps", "--all", "--format", "{{.Names}}").stdout
    return text.split()


def with_keys(live: LiveSite, tmp_path: Path, **keys: Any) -> LiveSite:
    """The same site with more in its file."""
    data = yaml.safe_load(live.file.read_text())
    file = tmp_path / "more.yml"
    file.write_text(yaml.safe_dump({**data, **keys}))
    return replace(live, file=file, site=site_config.load(str(file), {}))


def load_base_image(remote: RemoteEngine) -> None:
    """What the tests build on; in life it comes from a registry."""
    if remote.docker("image", "inspect", PYTHON, check=False).returncode:
        import subprocess

        saved = subprocess.run(["docker", "save", PYTHON], check=True, capture_output=True)
        subprocess.run(
            ["docker", "--host", remote.socket, "load"], input=saved.stdout, check=True,
            capture_output=True,
        )  # fmt: skip


def test_a_release_there_needs_nothing_from_here(
    two_engines: LiveSite, remote: RemoteEngine, change: int, web: Write, tmp_path: Path
) -> None:
    """Built and run there: content, config, secret and CA travel; the checkout may go."""
    load_base_image(remote)
    token = tmp_path / "token"
    token.write_text("far-away-secret")
    grant = {
        "name": "token",
        "file": str(token),
        "gerrit_project": "docs/hello",
        "environments": ["*"],
    }
    live = with_keys(two_engines, tmp_path, secrets=[grant])
    repo = web(CONTENT, Dockerfile=SEES_CA, greeting="hello there\n")
    asked = ("--change", change, "--gerrit-project", "docs/hello", "--branch", "master")
    first = live.cli.ok("deploy", repo, *asked, "--patchset", 1, "--engine", "remote")
    assert ("remote", remote.address) == (first["engine"], first["address"])
    assert [] == live.containers(change)
    shutil.rmtree(repo)
    live.cli.ok("restart", change, "web")
    assert str(change) == live.get(change).told["PYDEPLOY_ENVIRONMENT"]
    for path, text in (("/etc/greeting", "hello there"), ("/run/secrets/token", "far-away-secret")):
        assert text in live.cli("exec", change, "web", "cat", path).stdout
    assert 64 < len(live.cli("exec", change, "web", "cat", "/ca-seen").stdout)
    assert "listening" in live.cli("logs", change, "web").stdout
    assert "1/1 up" == live.cli.ok("status", change)["health"]
    repo = web(CONTENT, Dockerfile=SEES_CA, greeting="hello again\n")
    second = live.cli.ok("deploy", repo, *asked, "--patchset", 2, "--engine", "remote")
    assert f"{change}-2" == second["release"]
    assert 1 == len(containers_there(remote))
    assert 0 == live.cli.ok("remove", change)["residue"]
    assert [] == containers_there(remote)


@pytest.mark.parametrize("by", ["tls"], indirect=True)
def test_a_change_moves_between_engines(
    two_engines: LiveSite, remote: RemoteEngine, change: int, web: Write
) -> None:
    """By name it is the same; nothing stays where it was."""
    load_base_image(remote)
    repo = web()
    asked = ("--change", change, "--patchset")
    two_engines.cli.ok("deploy", repo, *asked, 1, "--engine", "remote")
    two_engines.cli.ok("deploy", repo, *asked, 1, "--engine", "local")
    assert [] == containers_there(remote)
    assert 1 == len(two_engines.containers(change))
    assert 200 == two_engines.get(change).status
    assert 0 == two_engines.cli.ok("remove", change)["residue"]


@pytest.mark.parametrize("by", ["ssh"], indirect=True)
def test_an_engine_that_is_lost_while_a_store_is_replaced(
    two_engines: LiveSite, remote: RemoteEngine, change: int, tmp_path: Path
) -> None:
    """Promoted there, by digest; the old store was stopped and cannot be put back: prune does."""
    load_base_image(remote)
    live, name = two_engines, f"production-{change}"
    keeping = functools.partial(keeping_service.written, tmp_path / "keeping")
    asked = ("--change", change, "--patchset")
    deployed = live.cli.ok("deploy", keeping("1"), *asked, 1)
    promoted = live.cli.ok("promote", change, "--to", name, "--engine", "remote")
    assert ("remote", deployed["images"]) == (promoted["engine"], promoted["images"])
    add(live, name, "one")
    live.cli.ok("deploy", keeping("2"), *asked, 2)
    process = live.cli.start(
        "promote", change, "--to", name, "--json", env={"PYDEPLOY_STOPPOINT": "after-start"}
    )
    waiting.stopped(process)
    remote.cut()
    _, stderr = waiting.woken(process)
    assert 6 == process.returncode, stderr
    remote.mend()
    waiting.eventually(lambda: not live.keys("locks") and not live.keys("work"))
    assert 0 == live.cli.ok("prune")["residue"]
    assert ["one"] == rows(live, name)
    assert 2 == len(containers_there(remote))
    again = live.cli.ok("promote", change, "--to", name)
    assert ["store"] == list(again["gaps_s"])
    assert ["one"] == rows(live, name)
    live.cli.ok("remove", name, "--purge-data")
    assert [] == containers_there(remote)


@pytest.mark.parametrize("by", ["tls"], indirect=True)
def test_promotion_and_backup_reach_an_engine_that_has_only_the_registry(
    two_engines: LiveSite, remote: RemoteEngine, change: int, tmp_path: Path
) -> None:
    """The same digests, pulled; data comes by its backup."""
    for image in remote.docker("images", "--quiet").stdout.split():
        remote.docker("rmi", "--force", image, check=False)
    live, name = two_engines, f"production-{change}"
    keeping = functools.partial(keeping_service.written, tmp_path / "keeping")
    deployed = live.cli.ok("deploy", keeping(), "--change", change, "--patchset", 1)
    promoted = live.cli.ok("promote", change, "--to", name, "--engine", "remote")
    assert deployed["images"] == promoted["images"]
    assert "remote" == promoted["engine"]
    add(live, name, "one")
    assert ["one"] == rows(live, name)
    saved = live.cli.ok("backup", name, "--to", tmp_path / "saved.tar")
    live.cli.ok("restore", saved["file"], "--name", f"{name}-here", "--engine", "local")
    assert ["one"] == rows(live, f"{name}-here")
    live.cli.ok("deploy", keeping(), "--name", f"{name}-b", "--data-from", name)
    assert ["one"] == rows(live, f"{name}-b")
    refused = live.cli.fails(64, "promote", change, "--to", name, "--engine", "local")
    assert "keeps its data on engine remote" in refused["message"]
    stayed = live.cli.ok("restore", saved["file"], "--replace")
    assert "remote" == stayed["engine"]  # the site's default is another
    moved = live.cli.ok("restore", saved["file"], "--engine", "local", "--replace")
    assert "local" == moved["engine"]
    assert [] == containers_there(remote)
    live.cli.ok("remove", name, f"{name}-here", f"{name}-b", change, "--purge-data")
    assert "" == remote.docker("volume", "ls", "--quiet").stdout


@pytest.mark.parametrize(
    ("by", "loss"),
    [("tls", "killed"), ("tls", "unplugged"), ("ssh", "unplugged")],
    indirect=["by"],
)
def test_an_engine_that_is_lost_in_the_middle_of_a_deploy(
    two_engines: LiveSite, remote: RemoteEngine, change: int, web: Write, loss: str
) -> None:
    """The operator's turn, in bounded time; the record stays, and the next deploy repairs."""
    load_base_image(remote)
    live, repo = two_engines, web()
    asked = ("deploy", repo, "--change", change, "--engine", "remote", "--patchset")
    live.cli.ok(*asked, 1)
    (repo / "source" / "note").write_text("2")
    process = live.cli.start(*asked, 2, "--json", env={"PYDEPLOY_STOPPOINT": "after-claim"})
    waiting.stopped(process)
    remote.kill() if loss == "killed" else remote.cut()
    began = time.monotonic()
    stdout, stderr = waiting.woken(process)
    assert 6 == process.returncode, stderr
    assert '"fault": "operator"' in stdout
    assert time.monotonic() - began < 100
    assert f"{change}-1" == live.store.environment(str(change)).current.name  # type: ignore[union-attr]
    assert "engine away" == live.cli.ok("status", change)["health"]
    assert 6 == live.cli("remove", change).code
    remote.start_engine() if loss == "killed" else remote.mend()
    live.cli.ok(*asked, 3)
    assert 1 == len(containers_there(remote))
    assert "3" == live.get(change).told["PYDEPLOY_PATCHSET"]
    assert 0 == live.cli.ok("prune")["residue"]
    assert 0 == live.cli.ok("remove", change)["residue"]


@pytest.mark.parametrize("by", ["tls"], indirect=True)
def test_who_is_not_let_in_is_told(
    two_engines: LiveSite, remote: RemoteEngine, change: int, web: Write, tmp_path: Path
) -> None:
    """Plain TCP is a wrong site.yml; a wrong key or nobody there is the operator's."""
    repo = web()

    def fails(code: int, **engine: Any) -> str:
        engines = {"local": {}, "remote": {**remote.by_tls(), **engine}}
        engines = {
            name: {key: value for key, value in one.items() if value is not None}
            for name, one in engines.items()
        }
        data = yaml.safe_load(two_engines.file.read_text())
        file = tmp_path / "wrong.yml"
        file.write_text(yaml.safe_dump({**data, "engines": engines}))
        live = replace(two_engines, file=file)
        argv = ("deploy", repo, "--change", change, "--patchset", 1, "--engine", "remote")
        message: str = live.cli.fails(code, *argv)["message"]
        return message

    plain = fails(2, host=f"tcp://{remote.address}:2375", tls=None)
    assert "without TLS is open to everybody" in plain
    stranger = tmp_path / "stranger"
    shutil.copytree(remote.tls, stranger)
    _other_certificate(stranger)
    assert "remote" in fails(6, tls=str(stranger))
    assert "remote" in fails(6, host=f"tcp://{remote.address}:2999")
    assert "remote" in fails(6, host=f"ssh://root@{remote.address}:2999", tls=None)
    waiting.eventually(lambda: not _ssh_to(remote.address), 30)  # no connection to share
    (remote.folder / "known_hosts").rename(remote.folder / "known")
    try:
        unknown = fails(6, host=f"ssh://root@{remote.address}:2222", tls=None)
    finally:
        (remote.folder / "known").rename(remote.folder / "known_hosts")
    assert "remote" in unknown


def _other_certificate(folder: Path) -> None:
    import subprocess

    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            "-subj", "/CN=stranger", "-out", str(folder / "cert.pem"),
            "-keyout", str(folder / "key.pem"),
        ],
        check=True, capture_output=True,
    )  # fmt: skip


def test_doctor_looks_at_it(two_engines: LiveSite, remote: RemoteEngine) -> None:
    """Like at the other: it answers, and says of which version it is."""
    found = two_engines.cli("doctor", "--json").json
    engines = [one["message"] for one in found["checks"] if one["part"] == "engine"]
    for name in ("local", "remote"):
        assert 1 == len([one for one in engines if re.match(rf"engine '{name}' \d+\.", one)])
    assert not [one for one in engines if "does not answer" in one]


@pytest.mark.parametrize("by", ["ssh"], indirect=True)
def test_no_ssh_stays_behind(
    two_engines: LiveSite, remote: RemoteEngine, change: int, web: Write
) -> None:
    """Also when a deploy is interrupted."""
    load_base_image(remote)
    argv = ("deploy", web(), "--change", change, "--patchset", 1, "--engine", "remote")
    process = two_engines.cli.start(*argv, env={"PYDEPLOY_STOPPOINT": "after-start"})
    waiting.stopped(process)
    waiting.woken(process, signal.SIGTERM)
    assert 143 == process.returncode
    assert [] == containers_there(remote)
    waiting.eventually(lambda: not _ssh_to(remote.address), 30)


def _ssh_to(address: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if words[0].endswith("ssh") and address in " ".join(words):
            found.append(" ".join(words))
    return found
