"""Value types that both configuration files share."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from pydeploy import durations, names

Duration = Annotated[
    int,
    BeforeValidator(durations.parse),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["90s", "15m", "3d"]}),
]
"""Seconds; written `90s`, `15m`, `3d`."""

_SIZE = re.compile(r"(\d+)\s*([kmg]?)b?", re.IGNORECASE)


def _size(value: Any) -> int:
    match = _SIZE.fullmatch(str(value))
    if not match or isinstance(value, bool):
        raise ValueError(f"{value!r} is not a size; write for example 512m or 2g")
    size = int(match[1]) * {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}[match[2].lower()]
    if size < 6 << 20:  # the least that Docker accepts
        raise ValueError(f"{value!r} is less than 6m, the least that Docker accepts")
    return size


Size = Annotated[
    int,
    BeforeValidator(_size),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["512m", "2g"]}),
]
"""Bytes; written `512m`, `2g`."""


def _label(value: Any) -> str:
    problem = names.label_problem(str(value))
    if problem:
        raise ValueError(f"{value!r} {problem}")
    return str(value)


Label = Annotated[str, BeforeValidator(_label)]
"""A DNS label."""


def _domain(value: Any) -> str:
    text = str(value).rstrip(".").lower()
    if not text or len(text) > 180 or any(names.label_problem(part) for part in text.split(".")):
        raise ValueError(f"{value!r} is not a domain name")
    return text


Domain = Annotated[str, BeforeValidator(_domain)]
"""A domain name below which environments get one label each."""


def _address(value: Any) -> str:
    try:
        return str(ipaddress.IPv4Address(str(value)))
    except ValueError as problem:
        raise ValueError(f"{value!r} is not an IPv4 address") from problem


Address = Annotated[str, BeforeValidator(_address)]
"""An IPv4 address."""


def _port_or_auto(value: Any) -> Any:
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if number == "auto" or (type(number) is int and 1 <= number <= 65535):
        return number
    raise ValueError("should be a port from 1 to 65535, or auto")


PortOrAuto = Annotated[int | Literal["auto"], BeforeValidator(_port_or_auto)]
"""A port, or `auto` for one that pydeploy chooses."""


def _absolute(value: Path) -> Path:
    if not value.is_absolute():
        raise ValueError("write an absolute path: the current folder may be anybody's change")
    return value


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
"""A path that means the same wherever pydeploy is called."""


def _port_range(value: Any) -> str:
    match = re.fullmatch(r"(\d{1,5})-(\d{1,5})", str(value))
    if not match or not 1024 <= int(match[1]) <= int(match[2]) <= 65535:
        raise ValueError(f"{value!r} is not a port range; write for example 20000-29999")
    return str(value)


PortRange = Annotated[str, BeforeValidator(_port_range)]
"""`first-last`, both included, 1024..65535."""
