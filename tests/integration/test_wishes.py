"""Newest wish wins, whoever works for an older one: stopped, late, or woken from the dead."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.conftest import LOCK_TTL
from tests.integration.support.repositories import WEB
from tests.integration.support.site import LiveSite

Web = Callable[..., Path]

SLOW_BUILD = """
services:
  web:
    build: .
    command: ["python3", "/app/server.py"]
    volumes: ["./source:/app"]
    ports: ["8080"]
"""
# Each time another text, else the builder has it in its cache and does not sleep.
SLOW_DOCKERFILE = "FROM pydeploy-test/python:1\nRUN sleep 6 && echo {}\n"


def test_patchset_2_wished_while_1_builds_is_the_only_one_that_serves(
    live: LiveSite, change: int, web: Web
) -> None:
    """1 stops in its build, ends as superseded with exit 0, and never serves."""
    slow = web(SLOW_BUILD, "one", Dockerfile=SLOW_DOCKERFILE.format(time.time_ns()))
    one = live.cli.start("deploy", slow, "--change", change, "--patchset", 1, "--json")
    _wait(lambda: f"wanted/{change}" in live.keys("wanted/"))
    time.sleep(1.5)
    two = live.cli.ok("deploy", web(), "--change", change, "--patchset", 2)
    assert two["state"] == "running"
    stdout, stderr = one.communicate(timeout=60)
    assert one.returncode == 0, stderr
    assert '"state": "superseded"' in stdout
    assert live.get(change).told["PYDEPLOY_PATCHSET"] == "2"
    assert len(live.containers(change)) == 1


def test_an_older_patchset_is_superseded_at_once(live: LiveSite, change: int, web: Web) -> None:
    """A late job for patchset 1 changes nothing once 2 is wanted."""
    newer = live.cli.ok("deploy", web(), "--change", change, "--patchset", 2)
    assert newer["state"] == "running"
    late = live.cli.ok("deploy", web(), "--change", change, "--patchset", 1)
    assert late["state"] == "superseded"
    assert "patchset 2" in late["superseded_by"]
    assert live.get(change).told["PYDEPLOY_PATCHSET"] == "2"


def test_remove_wished_during_a_build_leaves_nothing(live: LiveSite, change: int, web: Web) -> None:
    """A change that was abandoned while it built does not come up afterwards."""
    slow = web(SLOW_BUILD, Dockerfile=SLOW_DOCKERFILE.format(time.time_ns()))
    deploy = live.cli.start("deploy", slow, "--change", change, "--patchset", 1, "--json")
    _wait(lambda: f"wanted/{change}" in live.keys("wanted/"))
    time.sleep(1.5)
    assert live.cli.ok("remove", change)["residue"] == 0
    stdout, _ = deploy.communicate(timeout=60)
    assert deploy.returncode == 0
    assert '"state": "superseded"' in stdout
    assert live.containers(change) == []
    assert live.cli("status", change).code == 64


def test_remove_wished_during_the_start_undoes_it(live: LiveSite, change: int, web: Web) -> None:
    """The deploy that is starting notices, undoes what it began, and lets go of the lock."""
    never = WEB.replace('"/app/server.py"]', '"/app/server.py", "9999"]')
    deploy = live.cli.start("deploy", web(never), "--change", change, "--patchset", 1, "--json")
    _wait(lambda: live.containers(change))
    began = time.monotonic()
    assert live.cli.ok("remove", change)["residue"] == 0
    assert time.monotonic() - began < 15
    stdout, _ = deploy.communicate(timeout=60)
    assert '"state": "superseded"' in stdout
    assert live.containers(change) == []
    assert live.get(change).status in (404, 410)


def test_the_same_patchset_by_two_agents_is_one_release(
    live: LiveSite, change: int, web: Web
) -> None:
    """Both succeed with the same release; one set of containers, claims and networks."""
    root = web()
    agents = [
        live.cli.start("deploy", root, "--change", change, "--patchset", 1, "--json")
        for _ in range(2)
    ]
    outputs = [agent.communicate(timeout=90) for agent in agents]
    assert [agent.returncode for agent in agents] == [0, 0], outputs
    assert all(f'"release": "{change}-1"' in stdout for stdout, _ in outputs)
    assert len(live.containers(change)) == 1
    assert len(live.networks(change)) == 1
    claims = [one for one in live.keys("ports/").values() if one["environment"] == str(change)]
    assert len(claims) == 1


@pytest.mark.parametrize("point", ["after-claim", "after-healthy"])
def test_a_deploy_woken_after_its_lease_changes_nothing(
    live: LiveSite, change: int, web: Web, point: str
) -> None:
    """SIGSTOP beyond the lease, another deploys, SIGCONT: the late one fails at the switch."""
    root = web()
    late = live.cli.start(
        "deploy",
        root,
        "--change",
        change,
        "--patchset",
        1,
        "--json",
        env={"PYDEPLOY_STOPPOINT": point},
    )
    _wait(lambda: _is_stopped(late), 60)
    time.sleep(LOCK_TTL + 2)
    live.cli.ok("deploy", web(name="two"), "--change", change, "--patchset", 2)
    before = (live.keys(f"environments/{change}"), live.keys("routes/"), live.containers(change))
    os.kill(late.pid, signal.SIGCONT)
    stdout, stderr = late.communicate(timeout=90)
    assert late.returncode == 0, stderr
    assert '"state": "superseded"' in stdout
    after = (live.keys(f"environments/{change}"), live.keys("routes/"), live.containers(change))
    assert before == after
    assert live.get(change).told["PYDEPLOY_PATCHSET"] == "2"
    assert live.cli("prune", "--json").code == 0


def test_an_aborted_deploy_undoes_what_it_began(live: LiveSite, change: int, web: Web) -> None:
    """SIGTERM, as Jenkins sends it: exit 143, nothing stays, the old release serves."""
    live.cli.ok("deploy", web(), "--change", change, "--patchset", 1)
    never = WEB.replace('"/app/server.py"]', '"/app/server.py", "9999"]')
    deploy = live.cli.start(
        "deploy", web(never, "two"), "--change", change, "--patchset", 2, "--json"
    )
    _wait(lambda: len(live.containers(change)) == 2)
    deploy.send_signal(signal.SIGTERM)
    _, stderr = deploy.communicate(timeout=60)
    assert deploy.returncode == 143, stderr
    assert len(live.containers(change)) == 1
    assert live.get(change).told["PYDEPLOY_PATCHSET"] == "1"
    assert f"locks/{change}" not in live.keys("locks/")


def _is_stopped(process: subprocess.Popen[str]) -> bool:
    assert process.poll() is None, process.communicate()
    return Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"


def _wait(condition: Callable[[], object], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.1)
