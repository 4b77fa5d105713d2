"""What a compose model will need and how it will be judged, read off it without side effects."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydeploy.config.service import Front, Service
from pydeploy.errors import ConfigError, LayoutError

Model = dict[str, Any]  # compose's canonical JSON
Kind = Literal["web", "worker", "job", "open"]

# A record keeps two models and travels in one etcd request, which may have 1.5 MiB.
MODEL_LIMIT = 400_000

# Where people serve HTTP; decides the front only when pydeploy.yml does not.
_HTTP_PORTS = (80, 8080, 8000, 3000, 5000, 8888, 9000, 443, 8443)
_FRONT_NAMES = (
    "web",
    "www",
    "front",
    "frontend",
    "app",
    "gateway",
    "nginx",
    "proxy",
    "server",
    "api",
)


@dataclass(frozen=True, kw_only=True)
class PortWant:
    """A container port that is to be published on a claimed host port."""

    service: str
    container_port: int
    protocol: Literal["tcp", "udp"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`kind`: web has a front, worker and job have no port, open has UDP ports only."""

    kind: Kind
    services: tuple[str, ...]
    ports: tuple[PortWant, ...]
    networks: tuple[str, ...]
    front: PortWant | None
    is_front_certain: bool  # named in pydeploy.yml: then it must answer HTTP
    is_job_certain: bool  # said in pydeploy.yml: then it must end by itself
    settings: Front

    def of(self, services: Collection[str]) -> Plan:
        """The same for a part of the services, which start by themselves."""
        return replace(
            self,
            services=tuple(name for name in self.services if name in services),
            ports=tuple(port for port in self.ports if port.service in services),
        )


def make(model: Model, service: Service) -> Plan:
    """The plan of `model`; ConfigError when pydeploy.yml names what is not there.

    LayoutError when the model is larger than what a record can keep of it.
    """
    size = len(json.dumps(model))
    if size > MODEL_LIMIT:
        raise LayoutError(
            f"the compose model has {size} bytes, more than {MODEL_LIMIT}",
            hint="move long values (environment, configs, commands) into files of the image",
        )
    ports = published(model)
    front = _front(model, ports, service)
    return Plan(
        kind=_kind(model, ports, service, front),
        services=tuple(model.get("services", {})),
        ports=ports,
        networks=networks(model),
        front=front,
        is_front_certain=service.front.service is not None
        or service.front.port is not None
        or service.kind == "web",
        is_job_certain=service.kind == "job",
        settings=service.front,
    )


def published(model: Model) -> tuple[PortWant, ...]:
    """Each published container port once, in the order of the file."""
    found: dict[PortWant, None] = {}
    for name, definition in model.get("services", {}).items():
        for port in definition.get("ports", []):
            want = PortWant(
                service=name,
                container_port=int(port["target"]),
                protocol="udp" if port.get("protocol") == "udp" else "tcp",
            )
            found[want] = None
    return tuple(found)


def networks(model: Model) -> tuple[str, ...]:
    """The networks that some service is attached to."""
    used: dict[str, None] = {}
    for definition in model.get("services", {}).values():
        if "network_mode" not in definition:
            used.update(dict.fromkeys(definition.get("networks") or {"default": None}))
    return tuple(used)


def _front(model: Model, ports: tuple[PortWant, ...], service: Service) -> PortWant | None:
    tcp = [port for port in ports if port.protocol == "tcp"]
    name, number = service.front.service, service.front.port
    if name is not None and name not in model.get("services", {}):
        raise ConfigError(
            f"pydeploy.yml: front/service: {name!r} is not a service of the compose file",
            hint=f"choose one of: {', '.join(model.get('services', {}))}",
        )
    matching = [
        port
        for port in tcp
        if (name is None or port.service == name)
        and (number is None or port.container_port == number)
    ]
    if (name is not None or number is not None) and not matching:
        which = f"{name or 'any service'}:{number or 'any port'}"
        shown = ", ".join(f"{port.service}:{port.container_port}" for port in tcp) or "none"
        raise ConfigError(
            f"pydeploy.yml: front: {which} is not published by the compose file, but {shown}",
            hint="add it below `ports:` of that service in the compose file",
        )
    return min(matching, key=_front_rank, default=None)


def _front_rank(port: PortWant) -> tuple[int, int]:
    """Smaller is likelier; the file's order decides between equals."""
    by_name = _FRONT_NAMES.index(port.service) if port.service in _FRONT_NAMES else 99
    by_port = _HTTP_PORTS.index(port.container_port) if port.container_port in _HTTP_PORTS else 99
    return (by_name, by_port)


def _kind(
    model: Model, ports: tuple[PortWant, ...], service: Service, front: PortWant | None
) -> Kind:
    if service.kind == "web" and front is None:
        raise ConfigError(
            "pydeploy.yml: kind: web, but the compose file publishes no TCP port",
            hint="add `ports:` to the service that answers, or set kind: worker or job",
        )
    if service.kind in ("worker", "job") and ports:
        raise ConfigError(
            f"pydeploy.yml: kind: {service.kind}, but the compose file publishes a port",
            hint="remove `ports:` or the kind",
        )
    if service.kind == "worker" or service.kind == "job":
        return service.kind
    if ports:
        return "web" if front else "open"
    return "worker" if is_worker(model, None) else "job"


def is_worker(model: Model, kind: str | None) -> bool:
    """Whether it publishes nothing and is to run for ever; `kind` as pydeploy.yml says it."""
    if kind is not None or published(model):
        return kind == "worker"
    return any(_runs_on(definition) for definition in model.get("services", {}).values())


def _runs_on(definition: dict[str, Any]) -> bool:
    """Without a port: a health check or a restart policy says that it is meant to run for ever."""
    if definition.get("healthcheck", {}).get("test"):
        return True
    return str(definition.get("restart", "no")).split(":")[0] in ("always", "unless-stopped")
