"""Rules on networks, ports and names."""

from __future__ import annotations

import ipaddress
import json
import re
from typing import Any

from pydeploy.repository.documents import KeyPath
from pydeploy.repository.policy import values
from pydeploy.repository.policy.mounts import EXTERNAL, FIXED_NAME
from pydeploy.repository.policy.rules import (
    DROP,
    Denied,
    Each,
    Scope,
    Table,
    apply,
    drop,
    has_shape,
    ignored,
    keep,
    one_of,
    shown,
)

_ADDRESS = ignored("compose.address", "fixed addresses are ignored")
_DRIVER = Denied("policy.network-driver", "driver options can leave the private network")


def _address_plan(scope: Scope, path: KeyPath, value: Any) -> Any:
    """Subnets are claimed; a plain `ipam: {}` asks for none."""
    if any(value.get(key) for key in ("config", "options")) or value.get("driver", "") not in (
        "",
        "default",
    ):
        scope.note("compose.address", path, "subnets are claimed per environment; ipam is ignored")
    return DROP


NETWORK: Table = {
    "name": FIXED_NAME,
    "driver": one_of("bridge", code="policy.network-driver"),
    "driver_opts": _DRIVER,
    "internal": keep,
    "attachable": drop,
    "enable_ipv4": drop,
    "enable_ipv6": _ADDRESS,
    "ipam": _address_plan,
    "labels": values.labels,
    "external": EXTERNAL,
}

_MEMBERSHIP: Table = {
    "aliases": keep,
    "priority": keep,
    "gw_priority": keep,
    "ipv4_address": _ADDRESS,
    "ipv6_address": _ADDRESS,
    "link_local_ips": _ADDRESS,
    "mac_address": _ADDRESS,
    "driver_opts": _DRIVER,
}


def memberships(scope: Scope, path: KeyPath, value: Any) -> Any:
    """The networks of a service; one without options is null."""
    if not has_shape(scope, path, value, dict):
        return value
    return {
        name: apply(scope, _MEMBERSHIP, options, (*path, name)) if options else None
        for name, options in value.items()
    }


def mode(scope: Scope, path: KeyPath, value: Any) -> Any:
    """No network at all is allowed; Docker's shared bridge is replaced by the private network."""
    if value == "none":
        return value
    if value not in ("bridge", "default", ""):
        what = f"{shown(value)} is a network of the host or of others"
        scope.note("policy.network-mode", path, what)
        return value
    if value == "bridge":
        scope.note("compose.bridge", path, "the private network is used instead")
    return DROP


_PORT: Table = dict.fromkeys(("target", "protocol", "name", "app_protocol"), keep) | dict.fromkeys(
    ("mode", "published", "host_ip"), drop
)


def ports(scope: Scope, path: KeyPath, value: Any) -> Any:
    kept = Each(_port)(scope, path, value)
    return _unique(kept) if isinstance(kept, list) else kept


def _port(scope: Scope, path: KeyPath, value: Any) -> Any:
    """The container's port counts; the host's is claimed when the environment starts."""
    kept = apply(scope, _PORT, value, path)
    if not isinstance(value, dict):
        return value
    protocol = value.get("protocol", "tcp")
    if protocol not in ("tcp", "udp"):
        scope.note("policy.ports", path, f"protocol {shown(protocol)} is not allowed")
    published = value.get("published")
    if published:
        what = f"container port {value.get('target')} counts, host port {published} is ignored"
        scope.note("compose.host-port", path, what)
    return {"mode": "ingress", **kept, "protocol": protocol}


def _unique(items: list[Any]) -> list[Any]:
    """Two host ports of one container port are one port."""
    return list({json.dumps(item, sort_keys=True): item for item in items}.values())


def links(scope: Scope, path: KeyPath, value: Any) -> Any:
    """`db` or `db:alias`, of services of the same file."""
    for number, link in enumerate(value if has_shape(scope, path, value, list) else ()):
        if str(link).partition(":")[0] not in scope.model["services"]:
            scope.note("policy.external", (*path, number), f"{shown(link)} is not a service here")
    return value


def extra_hosts(scope: Scope, path: KeyPath, value: Any) -> Any:
    """`name=address`: a line of the container's own /etc/hosts.  host-gateway is the engine's."""
    return Each(_extra_host)(scope, path, value)


def _extra_host(scope: Scope, path: KeyPath, value: Any) -> Any:
    address = re.sub(r"^[^=:]*[=:]", "", str(value)).strip("[]")
    try:
        ipaddress.ip_address(address)
    except ValueError:
        scope.note("policy.extra-hosts", path, f"{shown(value)} is not a name and its address")
    return value
