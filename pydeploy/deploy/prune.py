"""prune: everything that should be gone, of every environment.

Expired environments are removed; what a dead attempt left behind goes; images that no record
names go.  An environment that is being worked on is left alone: its lock says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydeploy import console
from pydeploy.deploy import garbage, inventory, remove, sweep
from pydeploy.deploy.session import Session
from pydeploy.errors import CapacityError, PydeployError, Superseded
from pydeploy.state import audit, claims, lock, store
from pydeploy.state.lock import Held
from pydeploy.state.records import Environment


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What should be gone; `busy` environments are looked at next time."""

    expired: tuple[str, ...] = ()
    orphans: dict[str, int] = field(default_factory=dict)  # environment → things left over
    images: int = 0
    busy: tuple[str, ...] = ()

    @property
    def residue(self) -> int:
        return len(self.expired) + sum(self.orphans.values()) + self.images

    def as_dict(self) -> dict[str, Any]:
        return {
            "expired": list(self.expired),
            "orphans": self.orphans,
            "images": self.images,
            "busy": list(self.busy),
            "residue": self.residue,
        }


def look(session: Session) -> Findings:
    """What prune would remove now."""
    records = session.store.environments()
    busy = session.store.lock_names()
    orphans: dict[str, int] = {}
    for name in session.site.engines:
        for environment, count in _orphans(session, name, records).items():
            orphans[environment] = orphans.get(environment, 0) + count
    for environment, count in _stray_routes(session, records).items():
        orphans[environment] = orphans.get(environment, 0) + count
    return Findings(
        expired=tuple(name for name in _expired(records) if name not in busy),
        orphans={name: count for name, count in orphans.items() if name not in busy},
        images=0 if _builds_run(busy) else len(_stale_images(session)),
        busy=tuple(sorted(busy & {*orphans, *_expired(records)})),
    )


def prune(session: Session) -> tuple[Findings, Findings]:
    """(what was found and removed, what is still there when looking again)."""
    found = look(session)
    for environment in found.expired:
        _each(session, environment, _remove_if_expired)
    for environment in found.orphans:
        _each(session, environment, _remove_orphans)
    if found.images:
        _erase_stale_images(session)
    audit.record(session.store, "prune", "", "pruned", **found.as_dict())
    return found, look(session)


def _each(session: Session, environment: str, act: Any) -> None:
    """Under the environment's lock, without waiting; one failure must not stop the others."""
    try:
        with _try_lock(session, environment) as held:
            act(session, environment, held)
    except (CapacityError, Superseded):
        console.say(f"{environment} is being worked on; next time")
    except PydeployError as failure:
        console.warn(f"{environment}: {failure.message}")


@contextmanager
def _try_lock(session: Session, environment: str) -> Iterator[Held]:
    with lock.hold(
        session.store.etcd,
        session.store.keys.lock(environment),
        session.holder(),
        wait=0,
        ttl=session.site.defaults.lock_ttl,
        lost=session.cancel,
    ) as held:
        yield held


def _remove_if_expired(session: Session, environment: str, held: Held) -> None:
    record = session.store.environment(environment)
    if record and _is_expired(record):  # it may have been extended while we came here
        remove.under_lock(session, environment, held)


def _remove_orphans(session: Session, environment: str, held: Held) -> None:
    record = session.store.environment(environment)
    if record is None:
        remove.under_lock(session, environment, held)
        return
    for name in session.site.engines:
        sweep.leftovers(session, environment, record, session.engine_of(name))


def _builds_run(busy: set[str]) -> bool:
    """A build's image is named by a record only when it is done: leave images alone meanwhile."""
    return bool(busy)


def _expired(records: dict[str, Environment]) -> list[str]:
    return [name for name, record in records.items() if _is_expired(record)]


def _is_expired(record: Environment) -> bool:
    return record.expires is not None and record.expires <= store.timestamp()


def _orphans(session: Session, engine: str, records: dict[str, Environment]) -> dict[str, int]:
    """environment → containers, networks, volumes and claims that no record names."""
    counts: dict[str, int] = {}
    there = inventory.take(session.engine_of(engine), session.scope())
    owners = [(item.environment, item.attempt) for item in there.items()]
    owners += [
        (claim.environment, claim.token)
        for _, _, claim in claims.held(session.store, engine)
        if not claim.foreign
    ]
    for environment, attempt in owners:
        if attempt != sweep.kept_attempt(records.get(environment), engine):
            counts[environment] = counts.get(environment, 0) + 1
    return counts


def _stray_routes(session: Session, records: dict[str, Environment]) -> dict[str, int]:
    """Routes of environments that have no record, or do not name that host."""
    counts: dict[str, int] = {}
    for host, route in session.store.routes().items():
        record = records.get(route.environment)
        if route.state in ("running", "starting") and (record is None or host not in record.hosts):
            counts[route.environment] = counts.get(route.environment, 0) + 1
    return counts


def _stale_images(session: Session) -> list[str]:
    """References of ours, on engines and in the registry, that no record names."""
    keep = garbage.named(session)
    site = session.site
    found = [
        image.references[0]
        for name in site.engines
        for image in garbage.on_engine(site, session.engine_of(name))
        if not image.digests & keep
    ]
    return found + [
        one.digest for one in garbage.in_registry(site, lambda _: True) if one.digest not in keep
    ]


def _erase_stale_images(session: Session) -> None:
    keep = garbage.named(session)
    site = session.site
    for name in site.engines:
        engine = session.engine_of(name)
        for image in garbage.on_engine(site, engine):
            if not image.digests & keep:
                garbage.erase_from_engine(engine, image.references)
    stale = garbage.in_registry(site, lambda _: True)
    garbage.erase_from_registry(site, [one for one in stale if one.digest not in keep])
