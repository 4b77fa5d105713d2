"""Many at once: repositories, networks, claims; and what happens when a range is full."""

from __future__ import annotations

import http.server
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from pydeploy.deploy import inventory
from pydeploy.state import claims
from pydeploy.state.claims import Claimant
from tests.integration.support.cli import Cli
from tests.integration.support.site import LiveSite

Web = Callable[..., Path]

REPOSITORIES, PROCESSES = 25, 5


@pytest.mark.timeout(600)
def test_25_repositories_at_once_from_5_processes(live: LiveSite, web: Web) -> None:
    """All answer by name as themselves, all are removed, residue 0."""
    numbers = list(range(40001, 40001 + REPOSITORIES))
    roots = {number: web(name=f"service-{number}") for number in numbers}

    def deploy(number: int) -> dict[str, object]:
        value: dict[str, object] = live.cli.ok(
            "deploy", roots[number], "--change", number, "--patchset", 1
        )
        return value

    with ThreadPoolExecutor(PROCESSES) as pool:
        results = list(pool.map(deploy, numbers))
    assert [result["state"] for result in results] == ["running"] * REPOSITORIES
    assert [live.get(number).told["PYDEPLOY_CHANGE"] for number in numbers] == [
        str(number) for number in numbers
    ]
    host_ports = [port["host_port"] for result in results for port in result["ports"]]
    assert len(set(host_ports)) == REPOSITORIES
    with ThreadPoolExecutor(PROCESSES) as pool:
        removals = list(pool.map(lambda number: live.cli.ok("remove", number), numbers))
    assert [removal["residue"] for removal in removals] == [0] * REPOSITORIES
    assert inventory.take(live.engine, live.session.scope()).items() == ()


def test_200_networks_at_once(live: LiveSite) -> None:
    """Docker's own pools end at about 31; ours gives 200 releases a network each, then lets go."""
    labels = {"io.pydeploy.site": live.site.site, "io.pydeploy.environment": "networks"}
    engine = live.engine
    _ = engine.sdk

    def make(number: int) -> str:
        claimant = Claimant(
            engine="local", environment="networks", release=f"networks-{number}", token=7
        )
        subnet = claims.claim_subnets(
            live.store, live.site.engines["local"], claimant, ["default"]
        )["default"]
        engine.api.create_network(
            f"{live.site.compose_prefix}-net-{number}",
            ipam={"Config": [{"Subnet": subnet}]},
            labels=labels,
        )
        return subnet

    try:
        with ThreadPoolExecutor(8) as pool:
            subnets = list(pool.map(make, range(200)))
        assert len(set(subnets)) == 200
        assert len(live.networks("networks")) == 200
    finally:
        found = inventory.take(engine, live.session.scope("networks"))
        inventory.erase(engine, found, grace=1)
        claims.let_go(live.store, "local", lambda _, claim: claim.environment == "networks")
    assert live.networks("networks") == []


def test_a_full_range_names_the_biggest_holders(
    live: LiveSite, change: int, web: Web, tmp_path: Path
) -> None:
    """Exit 5, the operator's turn, and what to do."""
    last = live.site.engines["local"].port_range[-1]
    cli = _with_ports(live, tmp_path, f"{last - 1}-{last}")
    cli.ok("deploy", web(), "--change", change, "--patchset", 1)
    cli.ok("deploy", web(name="two"), "--name", "holder", "--ttl", "1d")
    try:
        error = cli.fails(
            5, "deploy", web(name="three"), "--change", change + 7000, "--patchset", 1
        )
        assert error["class"] == "CapacityError"
        assert error["fault"] == "operator"
        assert f"{change} (1)" in error["message"]
        assert "holder (1)" in error["message"]
        assert "prune" in error["hint"]
    finally:
        cli("remove", "holder")


def test_a_port_that_something_foreign_holds_is_skipped_and_remembered(
    live: LiveSite, change: int, web: Web, tmp_path: Path
) -> None:
    """Of two ports one is taken by a program that is not ours: the other is used."""
    last = live.site.engines["local"].port_range[-1]
    server = http.server.HTTPServer(("127.0.0.1", last), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        cli = _with_ports(live, tmp_path, f"{last - 1}-{last}")
        for patchset in range(1, 4):  # the choice is random: within three it is met, or not needed
            result = cli.ok("deploy", web(), "--change", change, "--patchset", patchset, "--force")
            assert [port["host_port"] for port in result["ports"]] == [last - 1]
            cli.ok("remove", change)
            if f"ports/local/{last}" in live.keys("ports/"):
                break
        noted = live.keys("ports/").get(f"ports/local/{last}")
        assert noted is None or noted["foreign"] is True
    finally:
        server.shutdown()
        server.server_close()
        live.store.etcd.delete(live.store.keys.port("local", last))


def _with_ports(live: LiveSite, tmp_path: Path, ports: str) -> Cli:
    value = yaml.safe_load(live.file.read_text())
    value["engines"]["local"]["ports"] = ports
    path = tmp_path / "site.yml"
    path.write_text(yaml.safe_dump(value))
    return Cli(path)


def test_the_gateway_serves_only_ports_of_the_range(live: LiveSite) -> None:
    """A route that somebody wrote to an address that is not an engine's is not served."""
    host = "evil.deploy.deepin.test"
    route = {"environment": "evil", "state": "running", "address": "127.0.0.1"}
    key = live.store.keys.route(host)
    for port in (live.ports.etcd, 22):
        live.store.etcd.put(key, json.dumps(route | {"port": port}))
        try:
            answer = live.get_host(host)
            assert answer.status in (404, 503)
        finally:
            live.store.etcd.delete(key)


def test_a_subnet_that_something_foreign_holds_is_replaced(
    live: LiveSite, change: int, web: Web, tmp_path: Path
) -> None:
    """It was taken between our look and our start: another one is claimed, the first remembered."""
    pool = f"10.{live.site.engines['local'].subnets.split('.')[1]}.255.192/26"
    value = yaml.safe_load(live.file.read_text())
    value["engines"]["local"] |= {"subnets": pool, "subnet_prefix": 27}
    path = tmp_path / "site.yml"
    path.write_text(yaml.safe_dump(value))
    argv = Cli(path).argv("deploy", web(), "--change", change, "--patchset", 1, "--json")
    deploy = subprocess.Popen(
        argv, env=os.environ | {"PYDEPLOY_STOPPOINT": "after-claim"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while "T" != Path(f"/proc/{deploy.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]:
        assert deploy.poll() is None, deploy.communicate()
        time.sleep(0.1)
    ((key, claim),) = [
        one for one in live.keys("subnets/").items() if one[1]["environment"] == str(change)
    ]
    subnet = key.rsplit("/", 1)[1].replace("_", "/")
    foreign = f"{live.site.compose_prefix}-foreign"
    subprocess.run(["docker", "network", "create", "--subnet", subnet, foreign], check=True)
    try:
        deploy.send_signal(signal.SIGCONT)
        _, stderr = deploy.communicate(timeout=60)
        assert deploy.returncode == 0, stderr
        assert f"subnet {subnet} is held by something foreign" in stderr
        assert live.keys("subnets/")[key]["foreign"] is True
        assert live.get(change).status == 200
    finally:
        live.cli("remove", change)
        subprocess.run(["docker", "network", "rm", foreign], check=True)
        live.store.etcd.delete(f"{live.store.keys.root}/{key}")
    assert claim["release"] == f"{change}-1"
