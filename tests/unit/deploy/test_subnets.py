"""Networks that others have on an engine's host."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pydeploy.clients.docker import DockerEngine
from pydeploy.deploy import subnets
from tests.unit.deploy import engines

ROUTES = (
    "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
    "eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
    "eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    "br-1\t20 00D50A\t00000000\t0001\t0\t0\t0\tE0FFFFFF\t0\t0\t0\n"
).replace("20 00", "2000")


def engine(networks: list[Any], host: str = "unix:///x") -> DockerEngine:
    return engines.engine(SimpleNamespace(networks=lambda: networks), host=host)


@pytest.fixture
def routes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "route"
    file.write_text(ROUTES)
    monkeypatch.setattr(subnets, "_ROUTES", file)


NETWORKS = [
    {"IPAM": {"Config": [{"Subnet": "172.17.0.0/16"}, {"Subnet": "fd00::/64"}]}},
    {"IPAM": {"Config": None}},
    {"IPAM": None},
    {"IPAM": {"Config": [{"Gateway": "1.2.3.4"}]}},
]


def test_networks_of_the_engine_and_routes_of_its_machine(routes: None) -> None:
    """IPv4 only; the default route covers everything and does not count."""
    assert ["172.17.0.0/16", "192.168.0.0/24", "10.213.0.32/27"] == subnets.taken(engine(NETWORKS))


def test_routes_here_say_nothing_of_an_engine_elsewhere(routes: None) -> None:
    """There only its networks are known."""
    assert ["172.17.0.0/16"] == subnets.taken(engine(NETWORKS, "ssh://b"))


def test_this_machines_own_table() -> None:
    """Can be read."""
    assert all("/" in one for one in subnets.taken(engine([])))
