"""Networks that are taken on an engine's host by somebody else."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from pydeploy.clients.docker import DockerEngine

_ROUTES = Path("/proc/net/route")  # destination and mask are little-endian hex (proc(5))


def taken(engine: DockerEngine) -> list[str]:
    """CIDRs of the engine's networks, and of this machine's routes where the engine is here."""
    with engine.answering():
        networks = engine.api.networks()
    found = [
        config["Subnet"]
        for network in networks
        for config in (network.get("IPAM") or {}).get("Config") or []
        if ":" not in config.get("Subnet", ":")
    ]
    return found + (_routes() if engine.is_local else [])


def _routes() -> list[str]:
    found = []
    for line in _ROUTES.read_text().splitlines()[1:]:
        fields = line.split()
        destination, mask = (int.from_bytes(bytes.fromhex(fields[at]), "little") for at in (1, 7))
        if mask:  # the default route covers everything
            found.append(f"{ipaddress.IPv4Address(destination)}/{mask.bit_count()}")
    return found
