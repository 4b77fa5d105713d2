"""What a route becomes in HAProxy's map, and which routes are let in at all.

The map is all that keeps the gateway from connecting anywhere, so a value gets in only if it is
an address and port on which an engine of the site publishes environments.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pydantic import ValidationError

from pydeploy.config.site import Engine
from pydeploy.state.records import Route

# As haproxy.cfg has it: what does not match is never looked up there.
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


class Refused(Exception):
    """A route that must not get into the map; the text says why."""


class Doors:
    """The addresses and ports behind which environments may be."""

    def __init__(self, engines: Iterable[Engine]) -> None:
        self._ranges: dict[str, list[range]] = {}
        for engine in engines:
            self._ranges.setdefault(engine.bind, []).append(engine.port_range)

    def admits(self, address: str, port: int) -> bool:
        return any(port in ports for ports in self._ranges.get(address, ()))


def value(host: str, record: str, doors: Doors) -> str:
    """The map's value for `host`: `address:port`, or the word for why there is none."""
    if not _HOST.fullmatch(host):
        raise Refused(f"{host!r} is not a host name")
    try:
        route = Route.read(record)
    except ValidationError as problem:
        raise Refused(f"its record cannot be read: {problem.errors()[0]['msg']}") from problem
    if route.state != "running":
        return route.state
    if not doors.admits(route.address, route.port):
        raise Refused(f"no engine publishes at {route.address}:{route.port}")
    return f"{route.address}:{route.port}"


def is_address(value: str) -> bool:
    """Whether requests go there, rather than get a page."""
    return ":" in value
