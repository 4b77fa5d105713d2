"""prune: everything that should be gone, of every environment.

Expired environments are removed; what a dead attempt left behind goes; images that no record
names go.  An environment that is being worked on is left alone: its lock says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pydeploy import console
from pydeploy.clients import etcd as ops
from pydeploy.clients.docker import DockerEngine
from pydeploy.deploy import belongings, extend, freeze, garbage, inventory, remove, sweep, upkeep
from pydeploy.deploy.belongings import Belongings
from pydeploy.deploy.garbage import EngineImage, RegistryImage
from pydeploy.deploy.session import Session
from pydeploy.errors import CapacityError, Fenced, PydeployError
from pydeploy.state import audit, claims, lock, store
from pydeploy.state.lock import Held
from pydeploy.state.records import Environment, Wanted


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What should be gone; `busy` environments are looked at next time.

    `expiring` are those that go soon, and nobody had been told yet.
    """

    expired: tuple[str, ...] = ()  # or wished away by a remove that did not finish
    expiring: tuple[str, ...] = ()
    orphans: dict[str, int] = field(default_factory=dict)  # environment → things left over
    unsettled: dict[str, int] = field(default_factory=dict)  # see upkeep
    images: int = 0
    busy: tuple[str, ...] = ()

    @property
    def residue(self) -> int:
        return (
            len(self.expired)
            + sum(self.orphans.values())
            + sum(self.unsettled.values())
            + self.images
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "expired": list(self.expired),
            "expiring": list(self.expiring),
            "orphans": self.orphans,
            "unsettled": self.unsettled,
            "images": self.images,
            "busy": list(self.busy),
            "residue": self.residue,
        }


def look(session: Session) -> Findings:
    """What prune would remove now."""
    records = session.store.environments()
    busy = session.store.busy_names()
    wishes = session.store.wishes()
    over = [name for name, record in records.items() if _is_over(record, wishes.get(name))]
    orphans: dict[str, int] = {}
    unsettled: Counter[str] = Counter()
    for name in session.site.engines:
        unsettled.update(upkeep.failing(session, session.engine_of(name), records))
        for environment, count in _orphans(session, name, records).items():
            orphans[environment] = orphans.get(environment, 0) + count
    for environment, count in _stray_routes(session, records).items():
        orphans[environment] = orphans.get(environment, 0) + count
    return Findings(
        expired=tuple(name for name in over if name not in busy),
        expiring=tuple(
            name
            for name, record in records.items()
            if name not in busy and _is_to_be_told(session, record)
        ),
        orphans={name: count for name, count in orphans.items() if name not in busy},
        unsettled={name: count for name, count in unsettled.items() if name not in {*busy, *over}},
        images=len(_stale_images(session)),
        busy=tuple(sorted(busy & {*orphans, *unsettled, *over})),
    )


def prune(session: Session) -> tuple[Findings, Findings]:
    """(what was found and removed, what is still there when looking again)."""
    found = look(session)
    for environment in found.expired:
        _each(session, environment, _remove_if_over)
    told: list[str] = []
    for environment in found.expiring:
        _each(session, environment, partial(_tell, told))
    found = replace(found, expiring=tuple(told))
    for environment in {**found.orphans, **found.unsettled}:
        _each(session, environment, _remove_orphans)
    if found.images:
        _erase_stale_images(session)
    audit.record(session.store, "prune", "", "pruned", **found.as_dict())
    return found, look(session)


def _each(session: Session, environment: str, act: Any) -> None:
    """Under the environment's lock, without waiting; one failure must not stop the others."""
    try:
        with _try_lock(session, environment) as held:
            if environment not in _working(session):
                act(session, environment, held)
    except (CapacityError, Fenced):
        console.say(f"{environment} is being worked on; next time")
    except PydeployError as failure:
        console.warn(f"{environment}: {failure.message}")


def _working(session: Session) -> set[str]:
    prefix = session.store.keys.work()
    return {
        kv.key.removeprefix(prefix).split("/")[0] for kv in session.store.etcd.range(prefix).kvs
    }


@contextmanager
def _try_lock(session: Session, environment: str) -> Iterator[Held]:
    with lock.hold(
        session.store.etcd,
        session.store.keys.lock(environment),
        session.holder(),
        wait=0,
        ttl=session.site.defaults.lock_ttl,
    ) as held:
        yield held


def _remove_if_over(session: Session, environment: str, held: Held) -> None:
    key = session.store.keys.wanted(environment)
    wish = session.store.read(key, Wanted)
    record = session.store.environment(environment)
    if record is None or not _is_over(record, wish[1] if wish else None):
        return  # it was extended, or deployed anew, while we came here
    remove.under_lock(session, environment, held)
    if wish:  # what was wanted has ended; a newer wish, which may have come meanwhile, stays
        session.store.etcd.txn([ops.equal(key, "MOD", wish[0].mod_revision)], [ops.delete(key)])


def _is_to_be_told(session: Session, record: Environment) -> bool:
    return extend.is_expiring(session, record) and record.warned != record.expires


def _tell(told: list[str], session: Session, environment: str, held: Held) -> None:
    """Note, once for each time of its end, that an environment ends soon; who does adds it."""
    record = session.store.environment(environment)
    if record is None or not _is_to_be_told(session, record):
        return
    extend.write(session, record.model_copy(update={"warned": record.expires}), held)
    console.warn(f"{environment} expires at {record.expires}; `pydeploy extend {environment} 2d`")
    audit.record(session.store, "expiring", environment, "told", expires=record.expires)
    told.append(environment)


def _remove_orphans(session: Session, environment: str, held: Held) -> None:
    record = session.store.environment(environment)
    if record is None:
        remove.under_lock(session, environment, held)
        return
    for name in session.site.engines:
        sweep.leftovers(session, environment, record, session.engine_of(name), held.token)
    upkeep.mend(session, record, partial(session.store.fence, environment, held.still()))


def _is_over(record: Environment, wish: Wanted | None) -> bool:
    """Expired, or wished away by a remove that died on its way."""
    if record.expires is not None and record.expires <= store.timestamp():
        return True
    return wish is not None and wish.action == "remove"


def _orphans(session: Session, engine: str, records: dict[str, Environment]) -> dict[str, int]:
    """environment → containers, networks, volumes and claims that no record names."""
    belongs = {name: belongings.of(record, engine) for name, record in records.items()}
    nothing = Belongings()
    there = inventory.take(session.engine_of(engine), session.scope())
    unknown = sweep.unknown_data(session, records, engine, there)
    owners = [
        item.environment
        for item in there.items()
        if item not in unknown and not belongs.get(item.environment, nothing).has(item)
    ]
    owners += [
        claim.environment
        for key, _, claim in claims.held(session.store, engine)
        if not claim.foreign and not belongs.get(claim.environment, nothing).has_claim(key, claim)
    ]
    owners += freeze.paused(session.engine_of(engine), session.scope())
    return dict(Counter(owners))


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
    on_engines, in_registry = _stale(session)
    return [image.references[0] for _, image in on_engines] + [one.digest for one in in_registry]


def _stale(
    session: Session,
) -> tuple[list[tuple[DockerEngine, EngineImage]], list[RegistryImage]]:
    """Images that no record names.  Listed before the names are read: what is built meanwhile
    is not in the list, and what was built before has its record by now, or somebody at work."""
    site = session.site
    engines = [session.engine_of(name) for name in site.engines]
    listed = [(engine, image) for engine in engines for image in garbage.on_engine(site, engine)]
    tagged = garbage.in_registry(site, lambda _: True)
    if session.store.busy_names():
        return [], []
    keep = garbage.named(session)
    return (
        [(engine, image) for engine, image in listed if not image.digests & keep],
        [one for one in tagged if one.digest not in keep],
    )


def _erase_stale_images(session: Session) -> None:
    on_engines, in_registry = _stale(session)
    for engine, image in on_engines:
        garbage.erase_from_engine(engine, image.references)
    garbage.erase_from_registry(session.site, in_registry)
