"""remove: an environment and every trace of it, proved by looking again.

    want → lock → unroute (tombstone) → gateways have applied it → last backup → kept data is no
         longer on record → containers, networks, volumes → claims → images that nobody else names
         → record → look again → unlock

The order is the one in which nothing can be shown or given out wrongly at any instant; what a
crash leaves is found by the same inventory next time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydeploy import console
from pydeploy.clients import etcd as ops
from pydeploy.clients.etcd import KeyValue
from pydeploy.deploy import backups, failpoints, garbage, gateways, inventory, kept, sweep, turn
from pydeploy.deploy.inventory import Inventory, Item
from pydeploy.deploy.session import Session
from pydeploy.errors import Fenced, Superseded, UsageError
from pydeploy.state import audit, claims, store, wanted, work
from pydeploy.state.lock import Held
from pydeploy.state.records import Environment, Route, Wanted

_UNDO_TIME = 5.0  # seconds that work which we have overtaken may take to notice, and to undo


@dataclass(frozen=True, kw_only=True)
class Removal:
    """What went, by kind, and what is still there (0 when all went)."""

    environment: str
    removed: dict[str, int] = field(default_factory=dict)
    residue: int = 0
    left: tuple[str, ...] = ()
    superseded_by: str = ""
    backup: str | None = None  # the file that was left

    def as_dict(self) -> dict[str, Any]:
        return {
            "environment": self.environment,
            "state": "superseded" if self.superseded_by else "removed",
            "removed": self.removed,
            "residue": self.residue,
            "left": list(self.left),
            "backup": self.backup,
        }


def data_at_stake(session: Session, environment: str) -> list[str]:
    """The volumes that nobody could bring back: kept data of an environment of its own name."""
    record = session.store.environment(environment)
    if record is not None and environment.isdigit():
        return []
    named = record.kept.volumes.values() if record and record.kept else ()
    unknown = _unknown(session, environment, record)
    return sorted({*named, *(one.name for one in unknown if one.kind == "volume")})


def _unknown(session: Session, environment: str, record: Environment | None) -> list[Item]:
    return [
        item
        for name in session.site.engines
        for item in sweep.unknown_of(session, environment, record, session.engine_of(name))
    ]


def remove(session: Session, environment: str, *, purge_data: bool = False) -> Removal:
    """Remove `environment` from every engine of the site; no error when it is not there.

    UsageError where kept data would go and `purge_data` was not said.
    """
    if not purge_data and (volumes := data_at_stake(session, environment)):
        raise UsageError(
            f"{environment} keeps data: {', '.join(volumes)}",
            hint=f"`pydeploy remove {environment} --purge-data` deletes it, too; "
            f"`pydeploy backup {environment}` saves it first",
        )
    try:
        with turn.audited(session, "remove", environment):
            return _removed(session, environment)
    except Superseded as newer:
        return Removal(environment=environment, superseded_by=newer.by)


def _removed(session: Session, environment: str) -> Removal:
    wish = Wanted(generation=0, action="remove", by=store.whoami())
    mine = wanted.wish(session.store, environment, wish, overtaken=session.cancel)
    failpoints.reach("remove-after-want")
    try:
        with (
            wanted.followed(session.store, mine),
            turn.lock_of(session, environment, check=mine.ensure) as held,
        ):
            failpoints.reach("remove-after-lock")
            return under_lock(session, environment, held, is_data_spared=False)
    except Fenced as fenced:
        raise mine.verdict() from fenced


def under_lock(
    session: Session, environment: str, held: Held, *, is_data_spared: bool = True
) -> Removal:
    """All of it but the wish; prune calls this for what expired.

    With `is_data_spared`, kept data that no record names stays, and counts for nothing.

    Touches only what is older than the lock's token: should we have slept beyond our lease, a
    newer release may serve by now.  Raises Fenced when that is noticed.
    """
    record = session.store.environment(environment)
    with console.step(f"remove {environment}"):
        unknown = _unknown(session, environment, record) if is_data_spared else []
        spared = frozenset(item.identity for item in unknown)
        counts: dict[str, int] = {"routes": _unroute(session, environment, record, held)}
        failpoints.reach("remove-after-unroute")
        saved = backups.before_removal(session, record, held) if record else None
        _discard(session, record, held)
        failpoints.reach("remove-after-discard")
        volumes = _erase_all(session, environment, record, held, spared, counts)
    left = residue(session, environment, volumes, spared)
    removal = Removal(
        environment=environment,
        removed=counts,
        residue=len(left),
        left=tuple(left),
        backup=str(saved) if saved else None,
    )
    result = "removed" if not left else "left over"
    last = {"backup": str(saved)} if saved else {}
    audit.record(session.store, "remove", environment, result, removed=counts, **last)
    return removal


def _erase_all(
    session: Session,
    environment: str,
    record: Environment | None,
    held: Held,
    spared: frozenset[str],
    counts: dict[str, int],
) -> dict[str, list[str]]:
    """Adds what went to `counts`, by kind.

    Returns the anonymous volumes by engine, which no label would find again.
    """
    volumes: dict[str, list[str]] = {}
    for name in session.site.engines:
        found = _erase_from(session, environment, name, held, spared)
        _add(counts, found.counts())
        volumes[name] = [one for item in found.containers for one in item.anonymous_volumes]
    failpoints.reach("remove-after-erase")
    for name in session.site.engines:
        count = claims.let_go(
            session.store,
            name,
            lambda _, one: one.environment == environment and one.token < held.token,
        )
        _add(counts, {"claims": count})
    failpoints.reach("remove-after-claims")
    _add(counts, _erase_images(session, environment, record, held))
    failpoints.reach("remove-after-images")
    counts["records"] = _forget(session, environment, held)
    return volumes


def residue(
    session: Session,
    environment: str,
    volumes: dict[str, list[str]],
    spared: frozenset[str] = frozenset(),
) -> list[str]:
    """Everything of `environment` that is still there; a tombstone goes by itself and is not.

    `volumes` are the anonymous ones that its containers had, by engine.
    """
    found = []
    for name in session.site.engines:
        engine = session.engine_of(name)
        there = inventory.take(engine, session.scope(environment))
        found += [
            f"{item.kind} {item.name} on {name}"
            for item in there.items()
            if item.identity not in spared
        ]
        found += [
            f"volume {one} on {name}" for one in inventory.existing(engine, volumes.get(name, []))
        ]
        found += [
            key
            for key, _, claim in claims.held(session.store, name)
            if claim.environment == environment
        ]
    keys = session.store.keys
    for key in (keys.environment(environment), keys.log(environment)):
        found += [key] if session.store.etcd.get(key) else []
    found += [kv.key for kv in session.store.etcd.range(keys.release(environment)).kvs]
    found += [
        kv.key
        for kv in session.store.etcd.range(keys.route()).kvs
        if (route := Route.read(kv.value)).environment == environment and route.state != "removed"
    ]
    return found


def _unroute(session: Session, environment: str, record: Environment | None, held: Held) -> int:
    """Every route becomes a tombstone on a lease; wait until all gateways know.

    Also when there are only tombstones: who wrote them may have died before the gateways knew.
    """
    kvs = [
        (kv, route)
        for kv in session.store.etcd.range(session.store.keys.route()).kvs
        if (route := Route.read(kv.value)).environment == environment
    ]
    live = [kv for kv, route in kvs if route.state != "removed"]
    newest = max((kv.mod_revision for kv, _ in kvs), default=0)
    if live:
        newest = _entomb(session, environment, record, held, live)
    gateways.wait_applied(session.store, newest)
    return len(live)


def _entomb(
    session: Session,
    environment: str,
    record: Environment | None,
    held: Held,
    live: list[KeyValue],
) -> int:
    """The revision of the tombstones."""
    lease = session.store.etcd.grant(session.site.gateway.tombstone)
    release = record.current.name if record and record.current else ""
    tombstone = Route(environment=environment, release=release, state="removed").text()
    answer = session.store.etcd.txn(
        [held.still()], [ops.put(kv.key, tombstone, lease=lease) for kv in live]
    )
    if not answer.succeeded:
        raise Fenced(environment)
    return answer.revision


def _discard(session: Session, record: Environment | None, held: Held) -> None:
    """From here on nothing is kept: whoever comes after us, should we die, does not build on it."""
    if record is None or record.kept is None:
        return
    changed = record.model_copy(
        update={"kept": None, "discarded": kept.discarded(record, None)},
    )
    key = session.store.keys.environment(record.name)
    answer = session.store.etcd.txn([held.still()], [ops.put(key, changed.text())])
    if not answer.succeeded:
        raise Fenced(record.name)


def _erase_from(
    session: Session, environment: str, engine_name: str, held: Held, spared: frozenset[str]
) -> Inventory:
    engine = session.engine_of(engine_name)
    found = inventory.take(engine, session.scope(environment)).where(
        lambda item: item.attempt < held.token and item.identity not in spared
    )
    if found.items():
        inventory.erase(engine, found, grace=session.site.defaults.stop_grace)
    return found


def _erase_images(
    session: Session, environment: str, record: Environment | None, held: Held
) -> dict[str, int]:
    """The images of this environment that no other record names.

    Not while somebody works for it, who may have built and not have recorded yet: that ends soon
    (we wished last), or is newer than we are; what stays is prune's.
    """
    site = session.site
    limit = site.defaults.lock_ttl + _UNDO_TIME  # somebody dead is forgotten by then
    if not work.wait_idle(session.store, environment, limit, session.cancel):
        return {}
    if not session.store.etcd.txn([held.still()], []).succeeded:
        raise Fenced(environment)
    change = _change_of(environment, record)
    named = garbage.images_of(session, record, environment)
    candidates = {image.digest for image in named}
    # The same for a build's record that somebody who works for another environment has found.
    alone = session.store.busy_names() <= {environment}
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
    gone = [one for one in (*tagged, *garbage.of_images(site, named)) if one.digest not in keep]
    return {
        "images": images,
        "manifests": garbage.erase_from_registry(site, gone),
        "builds": garbage.forget_builds(session, candidates - keep, change),
    }


def _change_of(environment: str, record: Environment | None) -> int | None:
    if record and record.change and str(record.change.number) == environment:
        return record.change.number
    return int(environment) if environment.isdigit() else None


def _forget(session: Session, environment: str, held: Held) -> int:
    """Delete the record, its releases and its log; only the lock's holder ever writes them."""
    keys = session.store.keys
    releases = session.store.etcd.range(keys.release(environment)).kvs
    there = [keys.environment(environment), keys.log(environment)]
    found = [key for key in there if session.store.etcd.get(key)]
    found += [kv.key for kv in releases]
    answer = session.store.etcd.txn([held.still()], [ops.delete(key) for key in found])
    if not answer.succeeded:
        raise Fenced(environment)
    return len(found)


def _add(counts: dict[str, int], more: dict[str, int]) -> None:
    for kind, count in more.items():
        counts[kind] = counts.get(kind, 0) + count
