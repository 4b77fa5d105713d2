"""What serves is never erased on a guess: late processes, lost answers, etcd that goes away."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pydeploy.state.records import Gateway
from tests.integration.conftest import LOCK_TTL
from tests.integration.support.repositories import WEB
from tests.integration.support.site import LiveSite
from tests.integration.support.waiting import eventually, stopped, woken

Web = Callable[..., Path]
BEYOND_LEASE = LOCK_TTL + 2
NEVER = WEB.replace('"/app/server.py"]', '"/app/server.py", "9999"]')


def _stop_at(live: LiveSite, point: str, *arguments: object) -> subprocess.Popen[str]:
    process = live.cli.start(*arguments, "--json", env={"PYDEPLOY_STOPPOINT": point})
    stopped(process)
    return process


def _serves(live: LiveSite, change: int, patchset: str) -> None:
    answer = live.get(change)
    assert answer.status == 200, answer.body
    assert answer.told["PYDEPLOY_ENVIRONMENT"] == str(change)
    assert answer.told["PYDEPLOY_PATCHSET"] == patchset


def _claims(live: LiveSite, change: int) -> list[str]:
    """The releases that hold ports of this environment."""
    ports = live.keys("ports/").values()
    return [claim["release"] for claim in ports if claim["environment"] == str(change)]


def test_etcd_goes_away_right_after_the_switch(live: LiveSite, change: int, web: Web) -> None:
    """Exit 6, and the name answers all the while, whichever release it is; the next one tidies."""
    live.cli.ok("deploy", web(), "--change", change, "--patchset", 1)
    deploy = _stop_at(live, "after-switch", "deploy", web(), "--change", change, "--patchset", 2)
    live.compose("stop", "--timeout", "2", "etcd")
    try:
        stdout, stderr = woken(deploy)
        assert deploy.returncode == 6, stdout + stderr
        assert "may serve already" in stderr
        assert live.get(change).status == 200
    finally:
        live.compose("start", "etcd")
    eventually(lambda: live.cli("status").code == 0)
    eventually(lambda: live.keys("gateways/"))
    _serves(live, change, "2")
    live.cli.ok("deploy", web(), "--change", change, "--patchset", 3)
    _serves(live, change, "3")
    assert len(live.containers(change)) == 1
    assert _claims(live, change) == [f"{change}-3"]


def test_an_abort_after_the_lease_ran_out_past_the_switch(
    live: LiveSite, change: int, web: Web
) -> None:
    """The way back is refused, so the new release stays: its port is not given to anybody."""
    live.cli.ok("deploy", web(), "--change", change, "--patchset", 1)
    deploy = _stop_at(live, "after-switch", "deploy", web(), "--change", change, "--patchset", 2)
    time.sleep(BEYOND_LEASE)
    woken(deploy, signal.SIGTERM)
    assert deploy.returncode == 143
    _serves(live, change, "2")
    assert f"{change}-2" in _claims(live, change)
    again = live.cli.ok("deploy", web(), "--change", change, "--patchset", 2)
    assert again["is_unchanged"] is True
    assert _claims(live, change) == [f"{change}-2"]
    assert len(live.containers(change)) == 1


@pytest.mark.parametrize(
    "point", ["remove-after-lock", "remove-after-unroute", "remove-after-erase"]
)
def test_a_remove_woken_after_its_lease_harms_no_newer_release(
    live: LiveSite, change: int, web: Web, point: str
) -> None:
    """Patchset 2 was deployed meanwhile: containers, claims, routes, record, images all stay."""
    live.cli.ok("deploy", web(), "--change", change, "--patchset", 1)
    remove = _stop_at(live, point, "remove", change)
    time.sleep(BEYOND_LEASE)
    second = live.cli.ok("deploy", web(), "--change", change, "--patchset", 2)
    stdout, stderr = woken(remove)
    assert remove.returncode == 0, stderr
    assert json.loads(stdout)["state"] == "superseded"
    _serves(live, change, "2")
    assert len(live.containers(change)) == 1
    assert _claims(live, change) == [f"{change}-2"]
    assert live.cli.ok("status", change)["release"] == f"{change}-2"
    assert live.engine.api.images(name=second["images"][0]["ref"])


def test_etcd_away_during_the_start_is_exit_6(live: LiveSite, change: int, web: Web) -> None:
    """The lock is lost and nobody wished anything newer: that is no success."""
    deploy = live.cli.start("deploy", web(NEVER), "--change", change, "--patchset", 1, "--json")
    eventually(lambda: live.containers(change))
    live.compose("stop", "--timeout", "2", "etcd")
    try:
        stdout, stderr = deploy.communicate(timeout=60)
    finally:
        live.compose("start", "etcd")
    assert deploy.returncode == 6, stdout + stderr
    eventually(lambda: live.cli("status").code == 0)
    eventually(lambda: live.keys("gateways/"))
    assert live.cli.ok("remove", change)["residue"] == 0


@pytest.mark.parametrize("point", ["after-switch", "after-applied", "after-drain"])
def test_the_same_patchset_again_finishes_what_a_dead_deploy_left(
    live: LiveSite, change: int, web: Web, point: str
) -> None:
    """Retrying is what CI does: leftovers go, and it is only then called unchanged."""
    root = web()
    live.cli.ok("deploy", root, "--change", change, "--patchset", 1)
    arguments = ("deploy", root, "--change", change, "--patchset", 2)
    assert live.cli(*arguments, env={"PYDEPLOY_FAILPOINT": point}).code == -signal.SIGKILL
    again = live.cli.ok(*arguments)
    assert again["is_unchanged"] is True
    _serves(live, change, "2")
    (container,) = live.containers(change)
    policy = live.engine.api.inspect_container(container)["HostConfig"]["RestartPolicy"]["Name"]
    assert policy == "always"
    assert _claims(live, change) == [f"{change}-2"]


def test_an_unchanged_patchset_with_a_dead_service_is_deployed_again(
    live: LiveSite, change: int, web: Web
) -> None:
    """Unchanged means that all of it still runs."""
    compose = WEB + WEB.split("services:\n", 1)[1].replace("  web:", "  admin:")
    root = web(compose)
    live.cli.ok("deploy", root, "--change", change, "--patchset", 1)
    (victim,) = [name for name in live.containers(change) if "admin" in name]
    live.engine.api.remove_container(victim, force=True)
    again = live.cli.ok("deploy", root, "--change", change, "--patchset", 1)
    assert again["is_unchanged"] is False
    assert live.cli.ok("status", change)["health"] == "2/2 up"


def test_prune_leaves_the_images_of_a_deploy_under_way(
    live: LiveSite, change: int, web: Web
) -> None:
    """The environment has expired; its next patchset is built and not yet recorded."""
    compose = WEB.replace("image: pydeploy-test/python:1", "build: .")
    live.cli.ok("deploy", web(compose), "--change", change, "--patchset", 1, "--ttl", "1s")
    root = web(compose, "two", **{"source__new.txt": "2"})
    deploy = _stop_at(live, "after-build", "deploy", root, "--change", change, "--patchset", 2)
    time.sleep(1)
    live.cli("prune")
    stdout, stderr = woken(deploy)
    assert deploy.returncode == 0, stdout + stderr
    _serves(live, change, "2")


def test_a_second_remove_waits_for_the_gateways_too(live: LiveSite, change: int, web: Web) -> None:
    """The first one wrote the tombstones and gave up: the ports are still not free."""
    live.cli.ok("deploy", web(), "--change", change, "--patchset", 1)
    lagging = Gateway(applied=1, address="127.0.0.1", http_port=live.ports.http)
    lease = live.store.etcd.grant(120)
    live.store.etcd.put(live.store.keys.gateway("laggard"), lagging.text(), lease=lease)
    try:
        for _ in range(2):
            error = live.cli.fails(6, "remove", change)
            assert "laggard" in error["message"]
            assert _claims(live, change) == [f"{change}-1"]
    finally:
        live.store.etcd.revoke(lease)
    assert live.cli.ok("remove", change)["residue"] == 0


def test_a_named_environment_takes_changes_in_any_order(
    live: LiveSite, change: int, web: Web
) -> None:
    """Patchset numbers are compared within one change only."""
    name = f"shared-{change}"
    try:
        live.cli.ok("deploy", web(), "--name", name, "--change", 77001, "--patchset", 5)
        arguments = ("--name", name, "--change", 77002, "--patchset", 1)
        result = live.cli.ok("deploy", web(name="two"), *arguments)
        assert result["state"] == "running"
        assert live.get(name).told["PYDEPLOY_CHANGE"] == "77002"
    finally:
        live.cli("remove", name)


def test_an_abort_while_ports_are_probed_ends_soon(live: LiveSite, change: int, web: Web) -> None:
    """Not at the deadline: Jenkins does not wait for that."""
    root = web(**{"pydeploy.yml": "front: {path: /status/500}\n"})
    deploy = live.cli.start("deploy", root, "--change", change, "--patchset", 1, "--json")
    eventually(lambda: live.containers(change))
    time.sleep(2)
    began = time.monotonic()
    deploy.send_signal(signal.SIGTERM)
    deploy.communicate(timeout=60)
    assert deploy.returncode == 143
    assert time.monotonic() - began < 10
    assert live.containers(change) == []


def test_releases_that_are_called_alike_share_nothing(
    live: LiveSite, change: int, web: Web
) -> None:
    """`10020` patchset 1 forced twice and `10020-1` patchset 2 are both `10020-1-2`."""
    root, name = web(), f"{change}-1"
    live.cli.ok("deploy", root, "--change", change, "--patchset", 1)
    one = live.cli.ok("deploy", root, "--change", change, "--patchset", 1, "--force")
    try:
        arguments = ("--name", name, "--change", change, "--patchset", 2)
        other = live.cli.ok("deploy", root, *arguments)
        assert one["release"] == other["release"] == f"{change}-1-2"
        _serves(live, change, "1")
        assert live.get(name).told["PYDEPLOY_ENVIRONMENT"] == name
        assert len(live.containers(change)) == len(live.containers(name)) == 1
    finally:
        live.cli("remove", name)
    _serves(live, change, "1")


def test_a_udp_port_that_something_foreign_holds(live: LiveSite, change: int, web: Web) -> None:
    """It is taken between our look and our start: another one is claimed."""
    compose = """
    services:
      worker:
        image: pydeploy-test/python:1
        command: ["sleep", "900"]
        init: true
        ports: ["5353/udp"]
    """
    deploy = _stop_at(
        live, "after-claim", "deploy", web(compose), "--change", change, "--patchset", 1
    )
    ((key, _),) = [
        one for one in live.keys("ports/").items() if one[1]["environment"] == str(change)
    ]
    port = int(key.rsplit("/", 1)[1])
    with socket.socket(type=socket.SOCK_DGRAM) as foreign:
        foreign.bind(("127.0.0.1", port))
        stdout, stderr = woken(deploy)
    assert deploy.returncode == 0, stdout + stderr
    assert f"port {port} is held by something foreign" in stderr
    assert json.loads(stdout)["ports"][0]["host_port"] != port
    live.store.etcd.delete(live.store.keys.port("local", port))


def test_another_revision_than_the_checkouts_is_refused(
    live: LiveSite, change: int, web: Web
) -> None:
    """What is recorded must be what runs."""
    root = web()
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    for argv in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "First"]):
        subprocess.run(["git", *argv], cwd=root, check=True)
    arguments = ("--change", change, "--patchset", 1, "--revision", "a" * 40)
    error = live.cli.fails(64, "deploy", root, *arguments)
    assert "the checkout is at" in error["message"]
