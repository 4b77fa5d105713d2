"""What fails around us: exit 6, what to do, nothing half-done, the old release still serving."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.support.cli import Cli
from tests.integration.support.engine import SmallEngine
from tests.integration.support.relay import Relay, socket_folder
from tests.integration.support.repositories import WEB
from tests.integration.support.site import LiveSite

Web = Callable[..., Path]
BUILT = """
services:
  web:
    build: .
    command: ["python3", "/app/server.py"]
    volumes: ["./source:/app"]
    ports: ["8080"]
"""


@pytest.fixture
def served(live: LiveSite, change: int, web: Web) -> Path:
    """Patchset 1 serves."""
    root = web(BUILT)
    live.cli.ok("deploy", root, "--change", change, "--patchset", 1)
    return root


def _unharmed(live: LiveSite, change: int, before: list[str]) -> None:
    assert live.containers(change) == before
    assert live.get(change).told["PYDEPLOY_PATCHSET"] == "1"


def test_etcd_away(live: LiveSite, change: int, served: Path) -> None:
    """At once, with nothing changed; the gateway serves on and is in step again afterwards."""
    before = live.containers(change)
    live.compose("stop", "--timeout", "2", "etcd")
    try:
        began = time.monotonic()
        for arguments in (
            ("deploy", served, "--change", change, "--patchset", 2),
            ("remove", change),
            ("status",),
            ("prune",),
        ):
            error = live.cli.fails(6, *arguments)
            assert "etcd does not answer" in error["message"]
            assert error["fault"] == "operator"
            assert "doctor" in error["hint"]
        assert time.monotonic() - began < 15
        _unharmed(live, change, before)
    finally:
        live.compose("start", "etcd")
    _eventually(lambda: live.cli("status").code == 0)
    _eventually(lambda: live.keys("gateways/"))
    result = live.cli.ok("deploy", served, "--change", change, "--patchset", 2)
    assert result["state"] == "running"
    assert live.get(change).told["PYDEPLOY_PATCHSET"] == "2"


def test_no_gateway_alive(live: LiveSite, change: int, served: Path) -> None:
    """Without one no URL would answer: nothing is started; it still serves what it knew."""
    before = live.containers(change)
    live.compose("stop", "--timeout", "2", "gateway-sync")
    try:
        _eventually(lambda: not live.keys("gateways/"), 20)
        error = live.cli.fails(6, "deploy", served, "--change", change, "--patchset", 2)
        assert "no gateway is alive" in error["message"]
        _unharmed(live, change, before)
    finally:
        live.compose("start", "gateway-sync")
    _eventually(lambda: live.keys("gateways/"))


def test_the_gateway_dies_during_a_deploy(live: LiveSite, change: int, served: Path) -> None:
    """The new release is healthy, but its URL does not answer: the switch is taken back."""
    before = live.containers(change)
    record = live.keys(f"environments/{change}")
    deploy = live.cli.start(
        "deploy", served, "--change", change, "--patchset", 2, "--json",
        env={"PYDEPLOY_STOPPOINT": "after-healthy"},
    )  # fmt: skip
    _eventually(lambda: len(live.containers(change)) == 2)
    _eventually(lambda: _is_stopped(deploy.pid))
    live.compose("kill", "gateway", "gateway-sync")
    subprocess.run(["kill", "-CONT", str(deploy.pid)], check=True)
    stdout, stderr = deploy.communicate(timeout=90)
    live.compose("start", "gateway", "gateway-sync")
    assert deploy.returncode == 6, stdout + stderr
    _eventually(lambda: live.keys("gateways/"))
    assert live.keys(f"environments/{change}") == record
    _eventually(lambda: live.get(change).status == 200)
    _unharmed(live, change, before)


def test_the_registry_away(live: LiveSite, change: int, served: Path) -> None:
    """A new image cannot be pushed: the operator's turn, not the author's."""
    before = live.containers(change)
    live.compose("stop", "--timeout", "2", "registry")
    try:
        (served / "source" / "new.txt").write_text("2")
        error = live.cli.fails(6, "deploy", served, "--change", change, "--patchset", 2)
        assert str(live.ports.registry) in error["message"]
        assert error["fault"] == "operator"
        _unharmed(live, change, before)
    finally:
        live.compose("start", "registry")


def test_the_engine_away(live: LiveSite, change: int, served: Path, tmp_path: Path) -> None:
    """Its socket is named, and what to look at."""
    cli = _with_engine(live, tmp_path, {"host": f"unix://{tmp_path}/none.sock"})
    error = cli.fails(6, "deploy", served, "--change", change, "--patchset", 2)
    assert "engine 'local' does not answer" in error["message"]
    assert live.get(change).told["PYDEPLOY_PATCHSET"] == "1"


def test_the_engine_goes_away_during_the_start(
    live: LiveSite, change: int, served: Path, web: Web, tmp_path: Path
) -> None:
    """Exit 6; what was begun is left for the next deploy, which repairs it; 1 serves on."""
    relay = Relay(socket_folder(tmp_path) / "engine.sock")
    cli = _with_engine(live, tmp_path, {"host": f"unix://{relay.path}"})
    never = web(WEB.replace('"/app/server.py"]', '"/app/server.py", "9999"]'), "two")
    deploy = cli.start("deploy", never, "--change", change, "--patchset", 2, "--json")
    _eventually(lambda: len(live.containers(change)) == 2)
    relay.cut()
    stdout, stderr = deploy.communicate(timeout=90)
    assert deploy.returncode == 6, stdout + stderr
    assert live.get(change).told["PYDEPLOY_PATCHSET"] == "1"
    live.cli.ok("deploy", served, "--change", change, "--patchset", 3)
    assert live.get(change).told["PYDEPLOY_PATCHSET"] == "3"
    assert len(live.containers(change)) == 1
    assert live.cli.ok("remove", change)["residue"] == 0


def test_the_engines_disk_full(
    live: LiveSite, change: int, web: Web, tmp_path: Path, small_engine: SmallEngine
) -> None:
    """A build that fills the disk is the operator's to mend."""
    compose = "services:\n  job:\n    build: .\n    command: ['true']\n"
    dockerfile = (
        "FROM pydeploy-test/tiny:1\n"
        'RUN ["/bin/busybox", "dd", "if=/dev/zero", "of=/big", "bs=1M", "count=300"]\n'
    )
    cli = _with_engine(live, tmp_path, {"host": small_engine.host})
    root = web(compose, Dockerfile=dockerfile)
    error = cli.fails(6, "deploy", root, "--change", change, "--patchset", 1)
    assert "disk" in error["message"]
    assert error["fault"] == "operator"


@pytest.fixture
def small_engine(tmp_path: Path) -> Iterator[SmallEngine]:
    engine = SmallEngine.started(socket_folder(tmp_path), megabytes=160)
    try:
        yield engine
    finally:
        engine.stop()
        shutil.rmtree(engine.folder, ignore_errors=True)


def _with_engine(live: LiveSite, tmp_path: Path, engine: dict[str, Any]) -> Cli:
    """The same site, but its engine is reached (or not) by another door."""
    value = yaml.safe_load(live.file.read_text())
    value["engines"]["local"] |= engine
    path = tmp_path / "site.yml"
    path.write_text(yaml.safe_dump(value))
    return Cli(path)


def _is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"


def _eventually(condition: Callable[[], object], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.2)
