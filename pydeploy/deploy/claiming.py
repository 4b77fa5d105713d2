"""The ports and subnets of one attempt: those that stay with the environment, and new ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pydeploy.deploy import kept, probe, subnets
from pydeploy.deploy.kept import Split
from pydeploy.deploy.plan import Plan, PortWant
from pydeploy.deploy.refused import Taken
from pydeploy.deploy.session import Session
from pydeploy.state import claims
from pydeploy.state.claims import Claimant
from pydeploy.state.records import Environment, Kept, Port

_MARK = "none"  # a subnet of no network


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """`networks` are those of the release (name → subnet); `kept_subnet` is empty if not new."""

    ports: tuple[Port, ...]
    networks: dict[str, str]
    kept_subnet: str


def claim(
    session: Session,
    plan_: Plan,
    split: Split,
    before: Environment | None,
    claimant: Claimant,
    release_networks: Iterable[str],
) -> Claimed:
    """CapacityError when a range is full; stateful services keep the ports that they have.

    `release_networks` are those that some service that is swapped is attached to.
    """
    lasting = replace(claimant, is_kept=True)
    old = kept.on_engine(before, session.engine.name)
    stateful = [want for want in plan_.ports if want.service in split.stateful]
    swapped = [want for want in plan_.ports if want.service not in split.stateful]
    there = [port for want in stateful if (port := _held(old, want))]
    missing = [want for want in stateful if not _held(old, want)]
    ports = [*there, *_ports(session, lasting, missing), *_ports(session, claimant, swapped)]
    order = {(want.service, want.container_port, want.protocol): at
             for at, want in enumerate(plan_.ports)}  # fmt: skip
    ports.sort(key=lambda port: order[port.service, port.container_port, port.protocol])
    networks = _subnets(session, claimant, release_networks)
    needs_own = bool(split.stateful or split.volumes) and old is None
    own = _subnets(session, lasting, [kept.NETWORK]) if needs_own else {}
    if split.volumes and not (missing or swapped or networks or own):
        # An attempt of which there is no claim would pass for one that etcd has forgotten.
        _subnets(session, claimant, [_MARK])
    return Claimed(ports=tuple(ports), networks=networks, kept_subnet=own.get(kept.NETWORK, ""))


def note_foreign(session: Session, taken: Taken) -> None:
    """Remember for a while that something that is not ours has it."""
    engine = session.engine.name
    if taken.port:
        claims.note_foreign_port(session.store, engine, taken.port)
    if taken.subnet:
        claims.note_foreign_subnet(session.store, engine, taken.subnet)


def _held(old: Kept | None, want: PortWant) -> Port | None:
    """The port that a stateful service has for this already."""
    service = old.services.get(want.service) if old else None
    for port in service.ports if service else ():
        if (port.container_port, port.protocol) == (want.container_port, want.protocol):
            return port
    return None


def _ports(session: Session, claimant: Claimant, wanted: list[PortWant]) -> list[Port]:
    if not wanted:
        return []
    engine = session.engine
    bind = engine.settings.bind
    host_ports = claims.claim_ports(
        session.store,
        engine.settings,
        claimant,
        [(want.service, want.container_port) for want in wanted],
        is_free=lambda port: not engine.is_local or probe.is_port_free(bind, port),
    )
    return [
        Port(
            service=want.service,
            container_port=want.container_port,
            protocol=want.protocol,
            host_port=host_port,
        )
        for want, host_port in zip(wanted, host_ports, strict=True)
    ]


def _subnets(session: Session, claimant: Claimant, networks: Iterable[str]) -> dict[str, str]:
    wanted = tuple(networks)
    if not wanted:
        return {}
    engine = session.engine
    return claims.claim_subnets(
        session.store, engine.settings, claimant, wanted, taken=subnets.taken(engine)
    )
