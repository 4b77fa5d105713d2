"""What gets into HAProxy's map, and what does not."""

from __future__ import annotations

import pytest

from pydeploy.config.site import Engine
from pydeploy.gateway import targets
from pydeploy.gateway.targets import Doors, Refused
from pydeploy.state.records import Route

DOORS = Doors(
    [Engine(bind="127.0.0.1", ports="20000-20010"), Engine(bind="10.0.0.7", ports="30000-30001")]
)


def _value(host: str, **fields: object) -> str:
    record = Route.model_validate({"environment": "10020", **fields}).text()
    return targets.value(host, record, DOORS)


@pytest.mark.parametrize(
    ("address", "port"),
    [("127.0.0.1", 20000), ("127.0.0.1", 20010), ("10.0.0.7", 30001)],
)
def test_an_engines_own_addresses_and_ports_are_let_in(address: str, port: int) -> None:
    assert _value("a.test", address=address, port=port) == f"{address}:{port}"


@pytest.mark.parametrize(
    ("address", "port"),
    [
        ("127.0.0.1", 2379),  # etcd
        ("127.0.0.1", 20011),
        ("127.0.0.1", 30000),  # another engine's range
        ("10.0.0.7", 20000),
        ("169.254.169.254", 80),
        ("", 0),
        ("127.0.0.1\nx", 20000),
    ],
)
def test_anything_else_is_refused(address: str, port: int) -> None:
    """The map is what keeps the gateway from proxying anywhere."""
    with pytest.raises(Refused, match="no engine publishes"):
        _value("a.test", address=address, port=port)


@pytest.mark.parametrize("state", ["starting", "failed", "removed"])
def test_without_a_running_environment_the_state_is_the_value(state: str) -> None:
    """Whatever address the record still names."""
    assert _value("a.test", state=state, address="6.6.6.6", port=1) == state


@pytest.mark.parametrize(
    "host", ["", "A.test", "a b", "a\nb.test x", "a_b.test", "-a", "a" * 254, "a/b"]
)
def test_a_key_that_is_no_host_name_is_refused(host: str) -> None:
    """It would be a line of the map's file, or a word of a command."""
    with pytest.raises(Refused, match="not a host name"):
        _value(host, address="127.0.0.1", port=20000)


@pytest.mark.parametrize("record", ["", "{}", "[]", '{"environment": "x", "state": "sleeping"}'])
def test_a_record_that_cannot_be_read_is_refused(record: str) -> None:
    with pytest.raises(Refused, match="cannot be read"):
        targets.value("a.test", record, DOORS)


def test_fields_of_later_versions_are_ignored() -> None:
    record = '{"environment":"x","address":"127.0.0.1","port":20000,"weight":3}'
    assert targets.value("a.test", record, DOORS) == "127.0.0.1:20000"
