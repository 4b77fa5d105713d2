"""kill -9 at any instant leaves nothing that the next deploy, remove or prune does not repair."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pydeploy.deploy.failpoints import POINTS
from tests.integration.conftest import LOCK_TTL
from tests.integration.support.site import LiveSite

Web = Callable[..., Path]

DEPLOY = [point for point in POINTS if point.startswith(("after-", "during-"))]
REMOVE = [point for point in POINTS if point.startswith("remove-")]
UNDO = [point for point in POINTS if point.startswith("undo-")]
COMPOSE = """
services:
  web:
    image: pydeploy-test/python:1
    command: ["python3", "/app/server.py"]
    volumes: ["./source:/app", "data:/data"]
    ports: ["8080"]
volumes: {data: }
"""


@pytest.mark.parametrize("point", DEPLOY)
def test_a_deploy_that_dies_is_repaired_by_the_next(
    live: LiveSite, change: int, web: Web, point: str
) -> None:
    """Whichever of 1 and 2 serves after the crash, the next deploy ends with one whole release."""
    root = web(COMPOSE)
    live.cli.ok("deploy", root, "--change", change, "--patchset", 1)
    _die(live, point, "deploy", root, "--change", change, "--patchset", 2)
    assert live.get(change).told["PYDEPLOY_PATCHSET"] in ("1", "2")  # it never stops serving
    third = live.cli.ok("deploy", root, "--change", change, "--patchset", 3)
    assert third["state"] == "running"
    assert live.get(change).told["PYDEPLOY_PATCHSET"] == "3"
    _assert_whole(live, change, containers=1)
    assert live.cli.ok("remove", change)["residue"] == 0


@pytest.mark.parametrize("point", ["after-claim", "during-start", "after-switch"])
def test_a_deploy_that_dies_is_repaired_by_prune(
    live: LiveSite, change: int, web: Web, point: str
) -> None:
    """Nobody deploys again: prune finds what is left over once the lock has fallen."""
    root = web(COMPOSE)
    live.cli.ok("deploy", root, "--change", change, "--patchset", 1)
    _die(live, point, "deploy", root, "--change", change, "--patchset", 2)
    time.sleep(LOCK_TTL + 2)
    assert live.cli.ok("prune")["residue"] == 0
    assert live.get(change).status == 200
    _assert_whole(live, change, containers=1)


def test_a_first_deploy_that_dies_is_gone_after_prune(
    live: LiveSite, change: int, web: Web
) -> None:
    """No record was written: everything of it is left over, the `starting` route as well."""
    _die(live, "during-start", "deploy", web(COMPOSE), "--change", change, "--patchset", 1)
    assert live.get(change).status == 503
    time.sleep(LOCK_TTL + 2)
    assert live.cli.ok("prune")["residue"] == 0
    _assert_whole(live, change, containers=0)
    assert live.get(change).status in (404, 410)


@pytest.mark.parametrize("point", UNDO)
def test_an_undo_that_dies_is_repaired_by_prune(
    live: LiveSite, change: int, web: Web, point: str
) -> None:
    """The old release serves, and of the one that failed nothing is left."""
    live.cli.ok("deploy", web(COMPOSE), "--change", change, "--patchset", 1)
    broken = web(COMPOSE.replace("/app/server.py", "/nowhere.py"), "broken")
    _die(live, point, "deploy", broken, "--change", change, "--patchset", 2)
    time.sleep(LOCK_TTL + 2)
    assert live.cli.ok("prune")["residue"] == 0
    assert live.get(change).told["PYDEPLOY_PATCHSET"] == "1"
    _assert_whole(live, change, containers=1)


def test_a_first_deploy_that_dies_after_its_switch_comes_back_with_its_engine(
    live: LiveSite, change: int, web: Web
) -> None:
    """There is nothing old that would lead prune there: it looks at what runs, too."""
    _die(live, "after-switch", "deploy", web(COMPOSE), "--change", change, "--patchset", 1)
    time.sleep(LOCK_TTL + 2)
    found = live.cli.ok("prune")
    assert {str(change): 1} == found["removed"]["unsettled"]
    assert 0 == found["residue"]
    (container,) = live.containers(change)
    policy = live.engine.api.inspect_container(container)["HostConfig"]["RestartPolicy"]["Name"]
    assert "always" == policy


@pytest.mark.parametrize("point", REMOVE)
def test_a_remove_that_dies_is_finished_by_the_next(
    live: LiveSite, change: int, web: Web, point: str
) -> None:
    """Removed again: residue 0.  Or by prune, where the wish or the record still says so."""
    live.cli.ok("deploy", web(COMPOSE), "--change", change, "--patchset", 1)
    _die(live, point, "remove", change)
    assert live.cli.ok("remove", change)["residue"] == 0
    _assert_whole(live, change, containers=0)


def test_a_remove_that_dies_is_finished_by_prune(live: LiveSite, change: int, web: Web) -> None:
    """The environment was wished away; prune does what the dead remove had begun."""
    live.cli.ok("deploy", web(COMPOSE), "--change", change, "--patchset", 1)
    _die(live, "remove-after-unroute", "remove", change)
    time.sleep(LOCK_TTL + 2)
    assert live.cli.ok("prune")["residue"] == 0
    _assert_whole(live, change, containers=0)


def _die(live: LiveSite, point: str, *arguments: object) -> None:
    result = live.cli(*arguments, "--json", env={"PYDEPLOY_FAILPOINT": point})
    assert result.code == -signal.SIGKILL, f"{point}: {result.code} {result.stderr}"


def _assert_whole(live: LiveSite, change: int, *, containers: int) -> None:
    """Containers, networks, volumes and claims are those of one release, or none."""
    assert len(live.containers(change)) == containers
    assert len(live.networks(change)) == containers
    assert len(live.volumes(change)) == containers
    for kind in ("ports/", "subnets/"):
        mine = [one for one in live.keys(kind).values() if one.get("environment") == str(change)]
        assert len(mine) == containers, kind
