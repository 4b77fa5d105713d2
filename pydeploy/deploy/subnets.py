"""Networks that are taken on an engine's host by somebody else."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

from pydeploy.clients.docker import DockerEngine

_PROJECT_LABEL = "com.docker.compose.project"
_ROUTES = Path("/proc/net/route")  # destination and mask are little-endian hex (proc(5))


def taken(engine: DockerEngine, *, but_project: str = "") -> list[str]:
    """CIDRs of the engine's networks, and of this machine's routes where the engine is here.

    `but_project` is a compose project whose own networks (and their routes) do not count.
    """
    with engine.answering():
        networks = engine.api.networks()
    own = {
        subnet
        for network in networks
        if (network.get("Labels") or {}).get(_PROJECT_LABEL) == but_project
        for subnet in _of(network)
    }
    found = [subnet for network in networks for subnet in _of(network)]
    found += _routes() if engine.is_local else []
    return [subnet for subnet in found if subnet not in own]


def _of(network: dict[str, Any]) -> list[str]:
    configs = (network.get("IPAM") or {}).get("Config") or []
    return [one["Subnet"] for one in configs if ":" not in one.get("Subnet", ":")]


def _routes() -> list[str]:
    found = []
    for line in _ROUTES.read_text().splitlines()[1:]:
        fields = line.split()
        destination, mask = (int.from_bytes(bytes.fromhex(fields[at]), "little") for at in (1, 7))
        if mask:  # the default route covers everything
            found.append(f"{ipaddress.IPv4Address(destination)}/{mask.bit_count()}")
    return found
