"""Whose turn it is when an engine would not start a release.

What can be seen is looked at: foreign ports, foreign networks, an engine that is away.  Only what
the engine alone knows is read from its words.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from pydeploy.deploy import diagnosis, health, probe, subnets
from pydeploy.errors import ServiceError

if TYPE_CHECKING:
    from pydeploy.deploy.start import Start

# Words of the engine (26.1) for its own trouble, and what to do.
_ENGINE_TROUBLE = {
    "no space left on device": "its disk is full: `pydeploy prune`, `docker builder prune`",
    "No such image": "an image went meanwhile: run it again",
    "failed to set up container networking": "see its log and its firewall rules",
    "iptables": "see its log and its firewall rules",
    "cannot allocate memory": "its machine has no memory left: remove environments",
    "Pool overlaps": "another network took the subnet: run it again",
    "address already in use": "something took the port: run it again",
    "port is already allocated": "something took the port: run it again",
}


class Taken(Exception):
    """Something foreign holds a port or a subnet that we claimed."""

    def __init__(self, port: int | None = None, subnet: str | None = None) -> None:
        super().__init__(f"port {port}" if port else f"subnet {subnet}")
        self.port = port
        self.subnet = subnet


def reason(start: Start, overall: health.Overall, words: str) -> Exception | None:
    """Taken, or the operator's ServiceError; None when it is the author's.

    `words` is what compose or the engine said.
    """
    return _taken(start, overall) or _trouble(start, words)


def _taken(start: Start, overall: health.Overall) -> Taken | None:
    running = {one.state.service for one in overall.judgements if one.state.status == "running"}
    bind = start.engine.settings.bind
    for port in start.ports:
        if port.service not in running and start.engine.is_local:
            if not probe.is_port_free(bind, port.host_port):
                return Taken(port=port.host_port)
        elif port.service not in running and probe.accepts(bind, port.host_port):
            return Taken(port=port.host_port)
    others = subnets.taken(start.engine, but_project=start.project)
    for subnet in start.subnets:
        if any(IPv4Network(subnet).overlaps(IPv4Network(other)) for other in others):
            return Taken(subnet=subnet)
    return None


def _trouble(start: Start, words: str) -> ServiceError | None:
    name = start.engine.name
    if not start.engine.is_answering():
        return ServiceError(
            f"engine {name!r} went away during the start",
            service="docker",
            hint="see that Docker runs there: `pydeploy doctor`",
        )
    for sign, hint in _ENGINE_TROUBLE.items():
        if sign in words:
            said = next(line for line in words.splitlines() if sign in line)
            return ServiceError(
                f"engine {name!r} could not start it: {said.strip()[-300:]}",
                service="docker",
                hint=hint,
                logs=diagnosis.clipped(words),
            )
    return None
