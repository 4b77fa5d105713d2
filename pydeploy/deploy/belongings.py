"""What belongs to an environment on one engine, as its record says; all else of it is left over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydeploy.deploy.inventory import Item
from pydeploy.state.keys import last
from pydeploy.state.records import Environment, KeptService, PortClaim, SubnetClaim


@dataclass(frozen=True, kw_only=True)
class Belongings:
    """Of one environment on one engine; the default is nothing."""

    attempt: int = 0  # whose containers, networks, volumes and claims are the release's
    services: Mapping[str, KeptService] = field(default_factory=dict)
    network: str = ""
    subnet: str = ""
    volumes: frozenset[str] = frozenset()

    def has(self, item: Item) -> bool:
        """Whether a container, network or volume belongs there."""
        if not item.is_kept:
            return item.attempt == self.attempt
        if item.kind == "volume":
            return item.name in self.volumes
        if item.kind == "network":
            return item.name == self.network
        kept = self.services.get(item.service)
        return kept is not None and kept.attempt == item.attempt

    def has_claim(self, key: str, claim: PortClaim | SubnetClaim) -> bool:
        """The same of a claim, whose key says what is claimed."""
        if not claim.kept:
            return claim.token == self.attempt
        if isinstance(claim, SubnetClaim):
            return last(key).replace("_", "/") == self.subnet
        kept = self.services.get(claim.service)
        return kept is not None and any(str(port.host_port) == last(key) for port in kept.ports)


def of(record: Environment | None, engine: str) -> Belongings:
    """What `record` says of `engine`."""
    if record is None:
        return Belongings()
    current, kept = record.current, record.kept
    is_here = current is not None and record.state == "running" and current.engine == engine
    attempt = current.attempt if current is not None and is_here else 0
    if kept is None or kept.engine != engine:
        return Belongings(attempt=attempt)
    return Belongings(
        attempt=attempt,
        services=kept.services,
        network=kept.network,
        subnet=kept.subnet,
        volumes=frozenset(
            [*kept.volumes.values(), *(one.secrets for one in kept.services.values())]
        ),
    )
