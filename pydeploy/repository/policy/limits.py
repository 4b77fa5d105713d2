"""Rules on `deploy:` and the number of copies of a service."""

from __future__ import annotations

import math
from typing import Any

from pydeploy.repository.documents import KeyPath
from pydeploy.repository.policy import values
from pydeploy.repository.policy.rules import (
    DROP,
    Denied,
    Nested,
    Rule,
    Scope,
    Table,
    apply,
    ignored,
    keep,
    shown,
)


def amount(scope: Scope, path: KeyPath, value: Any) -> Any:
    """Memory or processors: a number below zero is "no limit" to Docker."""
    try:
        is_amount = float(value) >= 0 and math.isfinite(float(value))
    except (TypeError, ValueError):
        is_amount = False
    if not is_amount:
        scope.note("policy.resources", path, f"{shown(value)} is not a number from zero up")
    return value


_DEVICES = Denied("policy.devices", "devices of the host are not for a change")
_RESOURCE: Table = {
    "cpus": amount,
    "memory": amount,
    "pids": keep,
    "devices": _DEVICES,
    "generic_resources": _DEVICES,
}
_RESOURCES: Table = {"limits": Nested(_RESOURCE), "reservations": Nested(_RESOURCE)}


def replicas(scope: Scope, path: KeyPath, value: Any) -> Any:
    """An environment runs each service once; none at all is a way of switching it off."""
    if str(value) == "0":
        scope.note("policy.replicas", path, "the service would not run at all")
    elif str(value) != "1":
        scope.note("compose.replicas", path, f"one replica is started, not {shown(value)}")
    return DROP


_SWARM: Rule = ignored("compose.ignored", "it has a meaning in a swarm only")

_DEPLOY: Table = {
    "resources": Nested(_RESOURCES),
    "restart_policy": keep,
    "replicas": replicas,
    "labels": values.labels,
    "mode": _SWARM,
    "placement": _SWARM,
    "update_config": _SWARM,
    "rollback_config": _SWARM,
    "endpoint_mode": _SWARM,
}


def deploy(scope: Scope, path: KeyPath, value: Any) -> Any:
    kept = apply(scope, _DEPLOY, value, path)
    if not isinstance(value, dict):
        return value
    kept.pop("labels", None)  # of swarm services, which there are none of
    return kept or DROP
