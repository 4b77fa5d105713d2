"""Can subnets of the pool be given out?"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path

from pydeploy import names
from pydeploy.clients.docker import DockerEngine
from pydeploy.platform.checks.verdict import Context, Verdict, error, ok, warning

_ROUTES = Path("/proc/net/route")
_BRIDGES = ("br-", "docker")  # what the engine itself makes; its networks are asked for by name
_FEW = 0.1


def check(context: Context) -> Iterator[Verdict]:
    for name, engine in context.engines.items():
        yield _left(context, name, engine)
        foreign = [*_networks_of_others(engine)]
        if engine.is_local:
            foreign += _routes(_ROUTES.read_text())
        pool = ipaddress.IPv4Network(engine.settings.subnets)
        for what, network in foreign:
            if network.overlaps(pool):
                yield error(
                    "subnets",
                    f"engine {name!r}: {what} {network} overlaps the pool {pool}",
                    f"choose another pool in site.yml: engines/{name}/subnets",
                    "config",
                )


def _left(context: Context, name: str, engine: DockerEngine) -> Verdict:
    settings, store = engine.settings, context.store
    pool = ipaddress.IPv4Network(settings.subnets)
    total = 1 << (settings.subnet_prefix - pool.prefixlen)
    free = total - len(store.etcd.range(store.keys.subnets(name)).kvs)
    text = f"engine {name!r}: {free} of {total} networks are free ({pool})"
    if free == 0:
        return error(
            "subnets", text, f"pydeploy prune, or a wider engines/{name}/subnets", "config"
        )
    if free < _FEW * total:
        return warning("subnets", text, f"pydeploy prune, or a wider engines/{name}/subnets")
    return ok("subnets", text)


def _networks_of_others(engine: DockerEngine) -> Iterator[tuple[str, ipaddress.IPv4Network]]:
    with engine.answering():
        networks = engine.api.networks()
    for one in networks:
        if names.SITE in (one.get("Labels") or {}):
            continue
        for config in (one.get("IPAM") or {}).get("Config") or []:
            subnet = ipaddress.ip_network(config.get("Subnet", "::/128"), strict=False)
            if isinstance(subnet, ipaddress.IPv4Network):
                yield f"the network {one['Name']}", subnet


def _routes(table: str) -> list[tuple[str, ipaddress.IPv4Network]]:
    """Where this machine reaches others (proc(5): hexadecimal, in the machine's byte order)."""
    found = []
    for line in table.splitlines()[1:]:
        device, destination, _gateway, *_, mask, _mtu, _window, _irtt = line.split()
        if device.startswith(_BRIDGES) or int(mask, 16) == 0:
            continue
        address = ipaddress.IPv4Address(bytes.fromhex(destination)[::-1])
        length = bin(int(mask, 16)).count("1")
        network = ipaddress.IPv4Network((address, length), strict=False)
        found.append((f"the route by {device} to", network))
    return found
