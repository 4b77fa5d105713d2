"""Releases again, beside what else happens: removals, kill -9, a second rollback."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pydeploy.deploy import garbage
from tests.integration.support import keeping as keeping_service
from tests.integration.support.keeping import add, container_of, rows
from tests.integration.support.repositories import WEB
from tests.integration.support.site import LiveSite
from tests.integration.support.waiting import eventually

Write = Callable[..., Path]


@pytest.fixture
def keeping(tmp_path: Path) -> Write:
    return functools.partial(keeping_service.written, tmp_path / "keeping")


@pytest.fixture
def staging(live: LiveSite, change: int) -> Iterator[str]:
    name = f"staging-{change}"
    yield name
    live.cli("remove", name, "--purge-data")


def test_a_promotion_beside_the_removal_of_its_source(
    live: LiveSite, change: int, keeping: Write, staging: str
) -> None:
    """The digest is still in the registry afterwards: other engines have it from nowhere else."""
    repo = keeping()
    compose = repo / "docker-compose.yml"
    slow = '["sh", "-c", "sleep 4; exec python3 /app/keeper.py front"]'
    compose.write_text(compose.read_text().replace('["python3", "/app/keeper.py", "front"]', slow))
    deployed = live.cli.ok("deploy", repo, "--change", change, "--patchset", 1)
    promote = live.cli.start("promote", change, "--to", staging, "--json")
    eventually(lambda: live.containers(staging))
    assert 0 == live.cli.ok("remove", change)["residue"]
    stdout, stderr = promote.communicate(timeout=60)
    assert 0 == promote.returncode, stdout + stderr
    there = {one.digest for one in garbage.in_registry(live.site, lambda _: True)}
    assert {image["digest"] for image in deployed["images"]} <= there
    assert 200 == live.get(staging).status


def test_what_goes_is_not_promoted(
    live: LiveSite, change: int, keeping: Write, staging: str
) -> None:
    """A removal that died, or an end that has come: its images may go at any moment."""
    live.cli.ok("deploy", keeping(), "--change", change, "--patchset", 1, "--ttl", "1s")
    eventually(lambda: "has expired" in live.cli("promote", change, "--to", staging).stderr)
    live.cli.ok("extend", change, "1d")
    died = live.cli("remove", change, env={"PYDEPLOY_FAILPOINT": "remove-after-unroute"})
    assert -9 == died.code
    error = live.cli.fails(64, "promote", change, "--to", staging)
    assert "is being removed" in error["message"]


def test_each_rollback_goes_further_back(live: LiveSite, change: int, web: Write) -> None:
    """Never forward to what was gone back from, however often CI tries; --to goes anywhere."""
    name = f"production-{change}"
    deployed = []
    for number in range(3):
        repo = web(WEB.replace("image:", f"environment: {{N: '{number}'}}\n    image:"))
        deployed.append(live.cli.ok("deploy", repo, "--name", name)["release"])
    for number in (1, 0):
        assert deployed[number] == _origin(live, name, live.cli.ok("rollback", name))
    assert "no earlier release" in live.cli.fails(64, "rollback", name)["message"]
    forward = live.cli.ok("rollback", name, "--to", deployed[2])
    assert deployed[2] == _origin(live, name, forward)
    assert "running" == forward["state"]
    live.cli.ok("remove", name)


def _origin(live: LiveSite, name: str, result: dict[str, Any]) -> str:
    (found,) = [one for one in live.cli.ok("releases", name) if one["release"] == result["release"]]
    assert found["is_current"]
    origin: str = found["origin"]["release"]
    return origin


def test_a_rollback_that_dies_is_repaired_by_prune(
    live: LiveSite, change: int, keeping: Write, staging: str
) -> None:
    """kill -9 while it replaces the store: the old one runs again; or after its switch."""
    for mark in ("1", "2"):
        live.cli.ok("deploy", keeping(mark), "--name", staging)
    add(live, staging, "one")
    before = container_of(live, staging, "store")
    _dies_and_is_pruned(live, "after-start", "rollback", staging)
    assert before == container_of(live, staging, "store")
    _is_whole(live, staging)
    _dies_and_is_pruned(live, "after-switch", "rollback", staging)
    assert before != container_of(live, staging, "store")
    _is_whole(live, staging)


def test_a_promotion_that_dies_is_repaired_by_the_next(
    live: LiveSite, change: int, keeping: Write, staging: str
) -> None:
    """kill -9 with two stores made: the same again replaces it once, on the same volume."""
    for patchset in (1, 2):
        live.cli.ok("deploy", keeping(str(patchset)), "--change", change, "--patchset", patchset)
        if patchset == 1:
            live.cli.ok("promote", change, "--to", staging)
    add(live, staging, "one")
    asked = ("promote", change, "--to", staging)
    assert -9 == live.cli(*asked, env={"PYDEPLOY_FAILPOINT": "after-healthy"}).code
    assert ["store"] == list(live.cli.ok(*asked)["gaps_s"])
    _is_whole(live, staging)


def _dies_and_is_pruned(live: LiveSite, point: str, *arguments: object) -> None:
    assert -9 == live.cli(*arguments, env={"PYDEPLOY_FAILPOINT": point}).code
    eventually(lambda: not live.keys("locks") and not live.keys("work"))
    assert 0 == live.cli.ok("prune")["residue"]


def _is_whole(live: LiveSite, name: str) -> None:
    """One front, one store, which come back with their engine; all rows."""
    assert ["one"] == rows(live, name)
    assert 2 == len(live.containers(name))
    assert 1 == len(live.volumes(name))
    for service in ("web", "store"):
        inspected = live.engine.api.inspect_container(container_of(live, name, service))
        assert "always" == inspected["HostConfig"]["RestartPolicy"]["Name"]
