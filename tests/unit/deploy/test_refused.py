"""Whose turn it is when an engine would not start a release."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from pydeploy.deploy import health, refused, subnets
from pydeploy.errors import ServiceError
from pydeploy.state.records import Port
from tests.unit.deploy.engines import Api, engine
from tests.unit.deploy.samples import a_plan, state, tcp
from tests.unit.deploy.starts import a_start
from tests.unit.deploy.test_probe import serving, silent
from tests.unit.etcd_server import free_ports

SAID = {
    "no space left on device": "write /var/lib/docker/tmp/x: no space left on device",
    "No such image": "Error response from daemon: No such image: pydeploy/hello/web:1",
    "failed to set up container networking": "failed to set up container networking: driver failed",
    "iptables": "Unable to enable DNAT rule:  (iptables failed: iptables --wait -t nat ...)",
    "cannot allocate memory": "fork/exec /usr/bin/runc: cannot allocate memory",
    "Pool overlaps": "invalid pool request: Pool overlaps with other one on this address space",
    "address already in use": "listen tcp4 127.0.0.1:20000: bind: address already in use",
    "port is already allocated": "Bind for 127.0.0.1:20000 failed: port is already allocated",
}


@pytest.fixture(autouse=True)
def no_routes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this machine routes is not what is tested here."""
    (tmp_path / "route").write_text("Iface\n")
    monkeypatch.setattr(subnets, "_ROUTES", tmp_path / "route")


def overall(*states: health.ContainerState) -> health.Overall:
    return health.overall(a_plan({"web": {"ports": tcp(8080)}}), states)


def reason(words: str = "", *states: health.ContainerState, **keys: Any) -> Exception | None:
    there = keys.pop("engine", engine(Api()))
    return refused.reason(a_start(there, **keys), overall(*states), words)


# -- the engine's own words -------------------------------------------------------------


def test_every_sign_has_an_example() -> None:
    """As engines say it."""
    assert set(refused._ENGINE_TROUBLE) == set(SAID)


@pytest.mark.parametrize("sign", SAID)
def test_the_engines_own_trouble_is_the_operators(sign: str) -> None:
    """Exit 6 with the line that says it, what to do, and all of it below."""
    words = f"Container web  Starting\n  {SAID[sign]}  \nlast line\n"
    found = reason(words)
    assert isinstance(found, ServiceError)
    assert (f"engine 'local' could not start it: {SAID[sign]}", words, 6) == (
        found.message,
        found.logs,
        found.exit_code,
    )
    assert found.hint.split(": ")[0] in refused._ENGINE_TROUBLE[sign]


def test_a_line_that_is_endless_is_cut() -> None:
    """Its end says why."""
    found = reason("x" * 9999 + "No such image: y")
    assert isinstance(found, ServiceError)
    assert len(found.message) < 400
    assert found.message.endswith("No such image: y")


@pytest.mark.parametrize(
    "words",
    [
        "",
        'exec: "servr": executable file not found in $PATH: unknown',
        "dependency failed to start: container pd-r-10020-3-7-db-1 is unhealthy",
    ],
)
def test_everything_else_is_the_authors(words: str) -> None:
    """Nothing is said here; whoever asks says what did not come up."""
    assert reason(words) is None


def test_an_engine_that_went_away() -> None:
    """Whatever compose said of it."""
    found = reason("EOF", engine=engine(Api(), is_away=True))
    assert isinstance(found, ServiceError)
    assert "engine 'local' went away during the start" == found.message


# -- what something foreign holds -------------------------------------------------------


def published(host_port: int, protocol: Any = "tcp") -> tuple[Port, ...]:
    return (Port(service="web", container_port=8080, host_port=host_port, protocol=protocol),)


def taken(found: Exception | None) -> tuple[int | None, str | None]:
    assert isinstance(found, refused.Taken)
    return found.port, found.subnet


@pytest.mark.parametrize(
    ("kind", "protocol"), [(socket.SOCK_STREAM, "tcp"), (socket.SOCK_DGRAM, "udp")]
)
def test_a_foreign_port(kind: socket.SocketKind, protocol: str) -> None:
    """TCP or UDP: seen, not read from words; it comes before them."""
    with socket.socket(type=kind) as foreign:
        foreign.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            foreign.listen()
        number = foreign.getsockname()[1]
        found = reason(SAID["address already in use"], ports=published(number, protocol))
    assert (number, None) == taken(found)
    assert f"port {number}" == str(found)


def test_a_port_of_a_service_that_runs_is_its_own() -> None:
    """It is not foreign that it is listened on."""
    with serving(silent) as number:
        assert reason("", state("web"), ports=published(number)) is None


def test_a_port_that_is_free() -> None:
    """Is no reason."""
    assert reason("", ports=published(free_ports(1)[0])) is None


def test_a_port_of_an_engine_elsewhere() -> None:
    """Cannot be bound from here, but asked."""
    elsewhere = engine(Api(), host="ssh://b")
    with serving(silent) as number:
        assert (number, None) == taken(reason("", engine=elsewhere, ports=published(number)))
    (free,) = free_ports(1)
    assert reason("", engine=elsewhere, ports=published(free)) is None


def network(subnet: str, project: str) -> dict[str, Any]:
    labels = {"com.docker.compose.project": project}
    return {"Labels": labels, "IPAM": {"Config": [{"Subnet": subnet}]}}


@pytest.mark.parametrize(
    ("there", "is_taken"),
    [
        (network("10.213.0.32/27", "foreign"), True),
        (network("10.213.0.0/16", "foreign"), True),
        (network("10.213.0.40/30", "foreign"), True),
        (network("10.213.0.32/27", "pd-r-10020-3-6"), True),
        (network("10.213.0.64/27", "foreign"), False),
        (network("10.213.0.32/27", "pd-r-10020-3-7"), False),
    ],
)
def test_a_foreign_subnet(there: dict[str, Any], is_taken: bool) -> None:
    """Whatever overlaps; our own network is none, a dead attempt's is."""
    there_now = engine(Api(networks=[there]))
    found = reason(SAID["Pool overlaps"], engine=there_now, subnets=("10.213.0.32/27",))
    if is_taken:
        assert (None, "10.213.0.32/27") == taken(found)
    else:
        assert isinstance(found, ServiceError)
