"""What compose really gets: the canonical model with claims, limits, labels and identity put in."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydeploy import names
from pydeploy.config.site import Limits
from pydeploy.deploy.plan import Model
from pydeploy.state.records import Port

# Waiting for a health check must not take longer than the service itself: while a container
# starts, its check runs this often (Docker Engine 25, `start_interval`).
START_INTERVAL = "500ms"
SECRETS_FOLDER = "/run/secrets"
SECRETS_VOLUME = "io.pydeploy.secrets"  # what the model calls it, with the service behind it
_DROPPED = ("build", "deploy", "container_name", "develop", "pull_policy", "scale", "profiles")


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where and as what a release will run."""

    project: str
    labels: Mapping[str, str]
    identity: Mapping[str, str]  # PYDEPLOY_* that containers are told
    bind: str
    ports: tuple[Port, ...]
    subnets: Mapping[str, str]  # network → CIDR
    limits: Limits
    deadline: int  # seconds
    volumes: Mapping[str, str] = field(default_factory=dict)  # those that are there already
    networks: Mapping[str, str] = field(default_factory=dict)  # likewise, beside `subnets`
    secrets: Mapping[str, str] = field(default_factory=dict)  # service → volume with its secrets


def release_model(model: Model, placement: Placement) -> Model:
    """The model for `docker compose up`; `model` itself is not changed."""
    result: Model = {
        "name": placement.project,
        "services": {
            name: _service(name, copy.deepcopy(definition), placement)
            for name, definition in model["services"].items()
        },
        "networks": {
            name: _network(model.get("networks", {}).get(name) or {}, subnet, placement)
            for name, subnet in placement.subnets.items()
        }
        | {name: _there(there) for name, there in placement.networks.items()},
        "volumes": {
            name: _there(placement.volumes[name])
            if name in placement.volumes
            else {"labels": dict(placement.labels)}
            for name in model.get("volumes") or {}
        },
    }
    for kind in ("configs", "secrets"):
        if model.get(kind):
            result[kind] = {
                name: _unnamed(value)
                for name, value in model[kind].items()
                if not value.get("external")
            }
    for name, volume in placement.secrets.items():
        _mount_secrets(result, model, name, volume)
    return {key: value for key, value in result.items() if value}


def _mount_secrets(result: Model, model: Model, service: str, volume: str) -> None:
    """The site's secrets are files of a volume; what compose would do with them is taken out."""
    one = result["services"][service]
    key = f"{SECRETS_VOLUME}.{service}"
    while key in result["volumes"]:  # a change's own, which other services may mount
        key += "-"
    result["volumes"][key] = _there(volume)
    mount = {"type": "volume", "source": key, "target": SECRETS_FOLDER, "read_only": True}
    one["volumes"] = [*(one.get("volumes") or ()), mount]
    declared = model.get("secrets") or {}
    one["secrets"] = [
        use for use in one.get("secrets") or () if not declared[use["source"]].get("external")
    ]


def _there(name: str) -> dict[str, Any]:
    """A network or volume that compose finds and does not make."""
    return {"external": True, "name": name}


def _unnamed(value: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key != "name"}


def _network(declared: dict[str, Any], subnet: str, placement: Placement) -> dict[str, Any]:
    network: dict[str, Any] = {
        "driver": "bridge",
        "ipam": {"config": [{"subnet": subnet}]},
        "labels": dict(placement.labels),
    }
    if declared.get("internal"):
        network["internal"] = True
    return network


def _service(name: str, service: dict[str, Any], placement: Placement) -> dict[str, Any]:
    memory, cpus, pids = _asked_limits(service)
    for key in _DROPPED:
        service.pop(key, None)
    limits = placement.limits
    service["labels"] = {
        **_as_mapping(service.get("labels")),
        **placement.labels,
        names.SERVICE: name,
    }
    service["environment"] = {**_as_mapping(service.get("environment")), **placement.identity}
    service["ports"] = [
        _port(port, placement.bind) for port in placement.ports if port.service == name
    ]
    service["mem_limit"] = str(min(memory or limits.memory, limits.memory))
    service["memswap_limit"] = service["mem_limit"]  # no swap on top
    service["cpus"] = min(cpus or limits.cpus, limits.cpus)
    service["pids_limit"] = min(pids or limits.pids, limits.pids)
    service["security_opt"] = ["no-new-privileges:true"]
    service["logging"] = {
        "driver": "json-file",
        "options": {"max-size": str(limits.log_size), "max-file": "3"},
    }
    if "network_mode" not in service:
        service.setdefault("networks", {"default": None})
    _hasten_health(service, placement.deadline)
    if not service["ports"]:
        del service["ports"]
    return service


def _hasten_health(service: dict[str, Any], deadline: int) -> None:
    """Check often while it starts, and do not give up before our own deadline does.

    Without a `test` the image's own check is inherited, and these two are merged into it.
    """
    check = service.get("healthcheck") or {}
    if check.get("disable"):
        return
    service["healthcheck"] = {
        **check,
        "start_period": f"{deadline}s",
        "start_interval": START_INTERVAL,
    }


def _port(port: Port, bind: str) -> dict[str, Any]:
    return {
        "target": port.container_port,
        "published": str(port.host_port),
        "protocol": port.protocol,
        "host_ip": bind,
        "mode": "host",
    }


def _asked_limits(service: dict[str, Any]) -> tuple[int, float, int]:
    """(bytes, cpus, processes) that the file asks for; 0 where it says nothing, or "no limit"."""
    asked = service.get("deploy", {}).get("resources", {}).get("limits", {})
    memory = int(service.get("mem_limit") or asked.get("memory") or 0)
    cpus = float(service.get("cpus") or asked.get("cpus") or 0)
    pids = int(service.get("pids_limit") or asked.get("pids") or 0)
    return memory, cpus, max(pids, 0)


def _as_mapping(value: Any) -> dict[str, Any]:
    """Labels and environment come as a mapping in the canonical model, or not at all."""
    return dict(value or {})
