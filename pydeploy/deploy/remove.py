"""remove: an environment and every trace of it, proved by looking again.

    want → lock → unroute (tombstone) → gateways have applied it → containers, networks, volumes
         → claims → images that nobody else names → record → look again → unlock

The order is the one in which nothing can be shown or given out wrongly at any instant; what a
crash leaves is found by the same inventory next time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydeploy import console
from pydeploy.clients import etcd as ops
from pydeploy.deploy import failpoints, garbage, gateways, inventory
from pydeploy.deploy.session import Session
from pydeploy.errors import Superseded
from pydeploy.state import audit, claims, lock, store, wanted
from pydeploy.state.lock import Held
from pydeploy.state.records import Environment, Route, Wanted


@dataclass(frozen=True, kw_only=True)
class Removal:
    """What went, by kind, and what is still there (0 when all went)."""

    environment: str
    removed: dict[str, int] = field(default_factory=dict)
    residue: int = 0
    left: tuple[str, ...] = ()
    superseded_by: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {
            "environment": self.environment,
            "state": "superseded" if self.superseded_by else "removed",
            "removed": self.removed,
            "residue": self.residue,
            "left": list(self.left),
        }


def remove(session: Session, environment: str) -> Removal:
    """Remove `environment` from every engine of the site; no error when it is not there."""
    wish = Wanted(generation=0, action="remove", by=store.whoami())
    mine = wanted.wish(session.store, environment, wish, overtaken=session.cancel)
    failpoints.reach("remove-after-want")
    try:
        with (
            wanted.followed(session.store, mine),
            lock.hold(
                session.store.etcd,
                session.store.keys.lock(environment),
                session.holder(),
                wait=session.site.defaults.lock_wait,
                ttl=session.site.defaults.lock_ttl,
                check=mine.ensure,
                on_wait=lambda one: console.say(
                    f"{environment} is locked by {one.holder}; waiting"
                ),
                lost=session.cancel,
            ) as held,
        ):
            failpoints.reach("remove-after-lock")
            removal = under_lock(session, environment, held)
    except Superseded as newer:
        return Removal(environment=environment, superseded_by=newer.by)
    audit.record(session.store, "remove", environment, "removed", removed=removal.removed)
    return removal


def under_lock(session: Session, environment: str, held: Held) -> Removal:
    """All of it but the wish; prune calls this for what expired."""
    record = session.store.environment(environment)
    counts: dict[str, int] = {}
    with console.step(f"remove {environment}"):
        counts["routes"] = _unroute(session, environment, record, held)
        failpoints.reach("remove-after-unroute")
        for name in session.site.engines:
            _add(counts, _erase_from(session, environment, name))
        failpoints.reach("remove-after-erase")
        for name in session.site.engines:
            count = claims.let_go(session.store, name, lambda one: one.environment == environment)
            _add(counts, {"claims": count})
        failpoints.reach("remove-after-claims")
        _add(counts, _erase_images(session, environment, record))
        counts["records"] = _forget(session, environment)
    left = residue(session, environment)
    return Removal(environment=environment, removed=counts, residue=len(left), left=tuple(left))


def residue(session: Session, environment: str) -> list[str]:
    """Everything of `environment` that is still there; a tombstone goes by itself and is not."""
    found = []
    for name in session.site.engines:
        there = inventory.take(session.engine_of(name), session.scope(environment))
        found += [f"{item.kind} {item.name} on {name}" for item in there.items()]
        found += [
            key
            for key, _, claim in claims.held(session.store, name)
            if claim.environment == environment
        ]
    keys = session.store.keys
    for key in (keys.environment(environment), keys.log(environment)):
        found += [key] if session.store.etcd.get(key) else []
    found += [
        kv.key
        for kv in session.store.etcd.range(keys.route()).kvs
        if (route := Route.read(kv.value)).environment == environment and route.state != "removed"
    ]
    return found


def _unroute(session: Session, environment: str, record: Environment | None, held: Held) -> int:
    """Every route becomes a tombstone on a lease; wait until all gateways know."""
    kvs = [
        kv
        for kv in session.store.etcd.range(session.store.keys.route()).kvs
        if Route.read(kv.value).environment == environment
    ]
    live = [kv for kv in kvs if Route.read(kv.value).state != "removed"]
    if not live:
        return 0
    lease = session.store.etcd.grant(session.site.gateway.tombstone)
    tombstone = Route(
        environment=environment,
        release=record.current.name if record and record.current else "",
        state="removed",
    )
    answer = session.store.etcd.txn(
        [held.still()], [ops.put(kv.key, tombstone.text(), lease=lease) for kv in live]
    )
    if not answer.succeeded:
        raise Superseded("whoever took the lock after ours was lost")
    gateways.wait_applied(session.store, answer.revision)
    return len(live)


def _erase_from(session: Session, environment: str, engine_name: str) -> dict[str, int]:
    engine = session.engine_of(engine_name)
    found = inventory.take(engine, session.scope(environment))
    if found.items():
        inventory.erase(engine, found, grace=session.site.defaults.stop_grace)
    return found.counts()


def _erase_images(session: Session, environment: str, record: Environment | None) -> dict[str, int]:
    """The images of this environment that no other record names."""
    site = session.site
    change = _change_of(environment, record)
    candidates = garbage.digests_of(record)
    # Somebody who works right now may have found a build's record and not have written his own
    # yet: then the build keeps its image, and prune takes both later.
    alone = session.store.lock_names() <= {environment}
    keep = garbage.named(
        session,
        but_environment=environment,
        but_change=change,
        but_builds_of=candidates if alone else (),
    )
    images = 0
    for name in site.engines:
        engine = session.engine_of(name)
        for image in garbage.on_engine(site, engine):
            drop = garbage.references_to_drop(
                image, keep=keep, candidates=candidates, change=change
            )
            images += bool(drop) and garbage.erase_from_engine(engine, drop)
    tagged = garbage.in_registry(site, lambda tag: garbage.is_of_change(f":{tag}", change))
    gone = [one for one in (*tagged, *garbage.of_record(site, record)) if one.digest not in keep]
    return {
        "images": images,
        "manifests": garbage.erase_from_registry(site, gone),
        "builds": garbage.forget_builds(session, candidates - keep, change),
    }


def _change_of(environment: str, record: Environment | None) -> int | None:
    if record and record.change and str(record.change.number) == environment:
        return record.change.number
    return int(environment) if environment.isdigit() else None


def _forget(session: Session, environment: str) -> int:
    keys = session.store.keys
    there = [keys.environment(environment), keys.log(environment)]
    found = [key for key in there if session.store.etcd.get(key)]
    for key in found:
        session.store.etcd.delete(key)
    return len(found)


def _add(counts: dict[str, int], more: dict[str, int]) -> None:
    for kind, count in more.items():
        counts[kind] = counts.get(kind, 0) + count
