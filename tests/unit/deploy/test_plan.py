"""What a compose model will need, and which port is the front."""

from __future__ import annotations

from typing import Any

import pytest

from pydeploy.deploy import plan
from pydeploy.deploy.plan import PortWant
from pydeploy.errors import ConfigError, LayoutError
from tests.unit.deploy.samples import a_plan, tcp

WEB = {"web": {"ports": tcp(8080)}}


def want(service: str, port: int) -> PortWant:
    return PortWant(service=service, container_port=port, protocol="tcp")


# -- ports and networks -----------------------------------------------------------------


def test_each_published_port_once_in_the_order_of_the_file() -> None:
    """`"80:8080"` and `"81:8080"` are one container port: the host port is ours to choose."""
    found = a_plan({"b": {"ports": [*tcp(1, 2), *tcp(1)]}, "a": {"ports": tcp(1)}}).ports
    assert (want("b", 1), want("b", 2), want("a", 1)) == found


def test_tcp_and_udp_of_one_number_are_two() -> None:
    """DNS serves both."""
    ports = [{"target": 53, "protocol": "udp"}, {"target": "53"}]
    assert ["udp", "tcp"] == [one.protocol for one in a_plan({"dns": {"ports": ports}}).ports]


@pytest.mark.parametrize(
    ("services", "networks"),
    [
        ({"a": {}}, ("default",)),
        ({"a": {"networks": None}}, ("default",)),
        ({"a": {"networks": {"back": None}}}, ("back",)),
        ({"a": {"networks": {"back": None}}, "b": {}}, ("back", "default")),
        ({"a": {"network_mode": "none"}}, ()),
    ],
)
def test_networks_that_are_used(services: dict[str, Any], networks: tuple[str, ...]) -> None:
    """Each costs a subnet, so one that no service is attached to is not made."""
    assert networks == a_plan(services).networks


# -- the front --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("services", "front"),
    [
        ({"x": {"ports": tcp(8080)}}, ("x", 8080)),
        ({"db": {"ports": tcp(5432)}, "web": {"ports": tcp(9999)}}, ("web", 9999)),
        ({"x": {"ports": tcp(9090, 80)}}, ("x", 80)),
        ({"x": {"ports": tcp(22)}, "y": {"ports": tcp(8000)}}, ("y", 8000)),
        ({"a": {"ports": tcp(1111)}, "b": {"ports": tcp(2222)}}, ("a", 1111)),
        ({"api": {"ports": tcp(80)}, "frontend": {"ports": tcp(3000)}}, ("frontend", 3000)),
    ],
)
def test_the_likeliest_port_is_the_front(services: Any, front: tuple[str, int]) -> None:
    """By the service's name, then by the port's number, then by the file's order."""
    found = a_plan(services)
    assert (want(*front), False) == (found.front, found.is_front_certain)


@pytest.mark.parametrize(
    ("settings", "front"),
    [
        ({"service": "api"}, ("api", 9000)),
        ({"port": 9001}, ("api", 9001)),
        ({"service": "api", "port": 9001}, ("api", 9001)),
        ({"service": "web"}, ("web", 80)),
    ],
)
def test_pydeploy_yml_names_the_front(settings: Any, front: tuple[str, int]) -> None:
    """Then it counts, and must answer HTTP."""
    services = {"web": {"ports": tcp(80)}, "api": {"ports": tcp(9000, 9001)}}
    found = a_plan(services, front=settings)
    assert (want(*front), True) == (found.front, found.is_front_certain)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"service": "wbe"}, "'wbe' is not a service of the compose file"),
        ({"service": "db"}, "db:any port is not published by the compose file, but web:8080"),
        ({"port": 81}, "any service:81 is not published"),
        ({"service": "web", "port": 81}, "web:81 is not published"),
    ],
)
def test_a_front_that_is_not_there(settings: Any, said: str) -> None:
    """The author's error, with what there is."""
    with pytest.raises(ConfigError, match=said):
        a_plan({**WEB, "db": {}}, front=settings)


# -- the kind ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("services", "kind"),
    [
        (WEB, "web"),
        ({"dns": {"ports": [{"target": 53, "protocol": "udp"}]}}, "open"),
        ({"x": {}}, "job"),
        ({"x": {"restart": "no"}}, "job"),
        ({"x": {"restart": "on-failure:3"}}, "job"),
        ({"x": {"restart": "always"}}, "worker"),
        ({"x": {"restart": "unless-stopped"}}, "worker"),
        ({"x": {"healthcheck": {"test": ["CMD", "true"]}}}, "worker"),
        ({"x": {"healthcheck": {"interval": "1s"}}}, "job"),
        ({"x": {}, "y": {"restart": "always"}}, "worker"),
    ],
)
def test_the_kind_is_found_out(services: Any, kind: str) -> None:
    """A TCP port makes it web; without ports a restart policy or health check says it stays."""
    assert kind == a_plan(services).kind


@pytest.mark.parametrize("kind", ["worker", "job"])
def test_the_kind_may_be_said(kind: str) -> None:
    """pydeploy.yml knows better than a guess."""
    assert kind == a_plan({"x": {}}, kind=kind).kind


@pytest.mark.parametrize(
    ("services", "kind", "said"),
    [
        ({"x": {}}, "web", "publishes no TCP port"),
        ({"x": {"ports": [{"target": 53, "protocol": "udp"}]}}, "web", "publishes no TCP port"),
        (WEB, "worker", "publishes a port"),
        (WEB, "job", "publishes a port"),
    ],
)
def test_a_kind_that_does_not_fit(services: Any, kind: str, said: str) -> None:
    """Is a contradiction between two files of the author."""
    with pytest.raises(ConfigError, match=said):
        a_plan(services, kind=kind)


def test_a_said_web_is_certain() -> None:
    """`kind: web` promises that the front answers HTTP."""
    assert a_plan(WEB, kind="web").is_front_certain


def test_an_empty_model() -> None:
    """Is planned as nothing, and not as a crash."""
    found = a_plan({})
    assert ((), (), (), None) == (found.services, found.ports, found.networks, found.front)


def test_a_model_too_large_for_a_record_is_refused() -> None:
    """Before anything is built; with the sizes, and where long values belong."""
    services = {"web": {"image": "x", "environment": {"LONG": "x" * plan.MODEL_LIMIT}}}
    with pytest.raises(LayoutError, match=f"more than {plan.MODEL_LIMIT}"):
        a_plan(services)
