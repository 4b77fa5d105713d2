"""What an environment, or a build, cannot reach; and the limits that the engine really holds."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.support.site import LiveSite

Web = Callable[..., Path]


def _inspect(container: str) -> dict[str, Any]:
    done = subprocess.run(
        ["docker", "inspect", container], check=True, capture_output=True, text=True
    )
    value: dict[str, Any] = json.loads(done.stdout)[0]
    return value


def _only(mapping: dict[str, Any]) -> Any:
    (value,) = mapping.values()
    return value


@pytest.fixture
def neighbours(live: LiveSite, change: int, web: Web) -> Any:
    """Two environments: the address of the second, and how to ask the first to reach for it."""
    other = change + 5000
    mine = live.cli.ok("deploy", web(), "--change", change, "--patchset", 1)
    theirs = live.cli.ok("deploy", web(name="other"), "--change", other, "--patchset", 1)
    yield mine, theirs, other
    live.cli("remove", other)


def _targets(live: LiveSite, change: int, theirs: dict[str, Any], other: int) -> dict[str, Any]:
    """name → (host, port): everything that must be out of reach."""
    network = _only(_inspect(live.containers(change)[0])["NetworkSettings"]["Networks"])
    their_network = _only(_inspect(live.containers(other)[0])["NetworkSettings"]["Networks"])
    gateway_address = network["Gateway"]
    host_port = theirs["ports"][0]["host_port"]
    return {
        "the other's container": (their_network["IPAddress"], 8080),
        "the other's port on the host": (gateway_address, host_port),
        "the other's port by its own gateway": (their_network["Gateway"], host_port),
        "etcd": (gateway_address, live.ports.etcd),
        "etcd's peers": (gateway_address, live.ports.etcd_peer),
        "the registry": (gateway_address, live.ports.registry),
        "etcd on loopback": ("127.0.0.1", live.ports.etcd),
    }


def test_a_container_reaches_nothing_that_is_not_its_own(
    live: LiveSite, change: int, neighbours: Any
) -> None:
    """Another environment's network and ports, etcd and the registry do not answer it."""
    _, theirs, other = neighbours
    reached = [
        name
        for name, (host, port) in _targets(live, change, theirs, other).items()
        if live.get(change, f"/reach?host={host}&port={port}").status == 200
    ]
    assert reached == []
    (container,) = live.containers(change)
    address = _only(_inspect(container)["NetworkSettings"]["Networks"])["IPAddress"]
    assert live.get(change, f"/reach?host={address}&port=8080").status == 200  # the probe works


def test_a_build_reaches_nothing_either(
    live: LiveSite, change: int, neighbours: Any, web: Web
) -> None:
    """The same from a RUN step."""
    _, theirs, other = neighbours
    targets = _targets(live, change, theirs, other)
    script = (
        "import json, socket, sys\n"
        "reached = []\n"
        "for name, (host, port) in json.loads(sys.argv[1]).items():\n"
        "    try:\n"
        "        socket.create_connection((host, port), timeout=1).close()\n"
        "        reached.append(name)\n"
        "    except OSError:\n"
        "        pass\n"
        "json.dump({'reached': reached}, open('/reached.json', 'w'))\n"
    )
    dockerfile = (
        "FROM pydeploy-test/python:1\nCOPY source/reach.py /reach.py\n"
        f'RUN ["python3", "/reach.py", {json.dumps(json.dumps(targets))}]\n'
    )
    compose = """
    services:
      job:
        build: .
        command: ["cat", "/reached.json"]
    """
    root = web(compose, "builder", **{"Dockerfile": dockerfile, "source__reach.py": script})
    builder = change + 6000
    try:
        live.cli.ok("deploy", root, "--change", builder, "--patchset", 1)
        assert json.loads(live.cli("logs", builder).stdout) == {"reached": []}
    finally:
        live.cli("remove", builder)


def test_every_container_has_the_limits_of_the_site(live: LiveSite, change: int, web: Web) -> None:
    """Read back from the engine, also where the file asks for more, or sets none."""
    compose = """
    services:
      web:
        image: pydeploy-test/python:1
        command: ["python3", "/app/server.py"]
        volumes: ["./source:/app"]
        ports: ["8080"]
        mem_limit: 8g
        cpus: 64
        pids_limit: -1
      modest:
        image: pydeploy-test/python:1
        command: ["sleep", "1000"]
        init: true
        restart: always
        deploy: {resources: {limits: {memory: 64M, cpus: "0.5", pids: 20}}}
    """
    live.cli.ok("deploy", web(compose), "--change", change, "--patchset", 1)
    limits = live.site.limits
    seen = {}
    for name in live.containers(change):
        host = _inspect(name)["HostConfig"]
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert host["LogConfig"]["Config"] == {"max-size": str(limits.log_size), "max-file": "3"}
        assert host["Privileged"] is False
        assert host["CapAdd"] is None
        assert host["Binds"] in (None, [])
        assert host["MemorySwap"] == host["Memory"]
        seen[_inspect(name)["Config"]["Labels"]["io.pydeploy.service"]] = (
            host["Memory"],
            host["NanoCpus"],
            host["PidsLimit"],
        )
    assert seen == {
        "web": (limits.memory, int(limits.cpus * 1e9), limits.pids),
        "modest": (64 << 20, int(0.5e9), 20),
    }


def test_ports_are_published_on_the_engines_address_only(
    live: LiveSite, change: int, web: Web
) -> None:
    """Loopback here: nobody reaches an environment but through the gateway."""
    live.cli.ok("deploy", web(), "--change", change, "--patchset", 1)
    bindings = _inspect(live.containers(change)[0])["HostConfig"]["PortBindings"]
    assert {one["HostIp"] for ones in bindings.values() for one in ones} == {"127.0.0.1"}


def test_containers_know_nothing_of_the_agent(live: LiveSite, change: int, web: Web) -> None:
    """No socket, no admin door, no variable of ours but PYDEPLOY_*; labels hold no secret."""
    live.cli(
        "deploy", web(), "--change", change, "--patchset", 1,
        env={"PYDEPLOY_REGISTRY_PASSWORD": "hunter2", "PYDEPLOY_ETCD_PASSWORD": "hunter3"},
    )  # fmt: skip
    (container,) = live.containers(change)
    text = json.dumps(_inspect(container))
    assert "hunter" not in text
    assert "docker.sock" not in text
    assert "admin.sock" not in text
    assert "hunter" not in json.dumps(live.keys())
