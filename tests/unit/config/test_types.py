"""The value types that both files share, by themselves."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from pydeploy.config import types

anything = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())
)


def read(kind: Any, value: Any) -> Any:
    """The value, or None where it is refused."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return None


@given(anything)
def test_whatever_is_accepted_is_in_range(value: Any) -> None:
    """Wrong types and values are refused; nothing raises anything else."""
    assert (read(types.Duration, value) or 1) > 0
    assert (read(types.Size, value) or 6 << 20) >= 6 << 20
    assert "--" not in (read(types.Label, value) or "")
    assert ipaddress.IPv4Address(read(types.Address, value) or "127.0.0.1")
    assert read(types.PortOrAuto, value) in (None, "auto", *range(1, 65536))


@pytest.mark.parametrize(
    ("value", "port"), [(80, 80), ("8080", 8080), ("auto", "auto"), (True, None), (8.0, None)]
)
def test_ports(value: Any, port: Any) -> None:
    """A number, a number as text, or auto; `true` is no port 1."""
    assert port == read(types.PortOrAuto, value)


@pytest.mark.parametrize(
    ("value", "accepted"),
    [("1024-1024", True), ("1023-2000", False), ("2000-1999", False), ("1024-65535", True)],
)
def test_port_ranges(value: str, accepted: bool) -> None:
    """Above the privileged ports, first not after last."""
    assert accepted == (read(types.PortRange, value) == value)


@pytest.mark.parametrize(
    ("value", "domain"),
    [
        ("deploy.deepin.test", "deploy.deepin.test"),
        ("LOCALHOST", "localhost"),
        ("a.b.", "a.b"),
        ("a_b.test", None),
        (".", None),
        ("", None),
        ("a" * 64 + ".test", None),
    ],
)
def test_domains(value: str, domain: str | None) -> None:
    """Lower case, without the root's dot; each part a label."""
    assert domain == read(types.Domain, value)
