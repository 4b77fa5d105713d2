"""The switch: route, record and claims in one transaction, and the same backwards.

It holds only if the lock's create revision (the fencing token) and the mod revision of the wish
are still those we began with, and if each host is free or this environment's.  A process that
slept beyond its lease fails here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydeploy.clients import etcd as ops
from pydeploy.clients.etcd import Compare, KeyValue, Op
from pydeploy.errors import CapacityError, Fenced, ServiceError
from pydeploy.state.records import Environment, Route
from pydeploy.state.store import Store


@dataclass(frozen=True, kw_only=True)
class Before:
    """What stood there before a switch, so that it can be put back."""

    environment: str
    record: KeyValue | None
    log: KeyValue | None
    routes: Mapping[str, KeyValue | None]  # host → what was there


@dataclass(frozen=True, kw_only=True)
class Switched:
    revision: int
    before: Before
    release: str  # what was switched to


def forward(
    store: Store,
    still: Sequence[Compare],
    record: Environment,
    routes: Mapping[str, Route],
    *,
    log: str | None,
    tombstone: int,
) -> Switched:
    """Make `record`, its `log` and `routes` true at once.

    Hosts that the environment had before and has no longer say `removed` for `tombstone` seconds.
    Raises Fenced when the conditions `still` do not hold, CapacityError when a host is another
    environment's.
    """
    while True:
        before = _look(store, record.name, routes)
        try:
            answer = store.etcd.txn(
                [*still, *_unchanged(store, before)],
                _forward(store, before, record, routes, log, tombstone),
            )
        except ServiceError:
            if stands := standing(store, record.name, _attempt(record)):
                # Only its answer was lost.
                return Switched(revision=stands, before=before, release=_release(record))
            raise
        if answer.succeeded:
            return Switched(revision=answer.revision, before=before, release=_release(record))
        if not _holds(store, still):
            raise Fenced(record.name)
        # A route went between looking and writing, as a tombstone's does with its lease.


def _forward(
    store: Store,
    before: Before,
    record: Environment,
    routes: Mapping[str, Route],
    log: str | None,
    tombstone: int,
) -> list[Op]:
    keys = store.keys
    gone = [host for host, kv in before.routes.items() if host not in routes and kv]
    removed = Route(environment=record.name, state="removed").text()
    lease = store.etcd.grant(tombstone) if gone else 0
    current = record.current
    return [
        ops.put(keys.environment(record.name), record.text()),
        *([ops.put(keys.release(record.name, current.name), current.text())] if current else ()),
        ops.delete(keys.log(record.name)) if log is None else ops.put(keys.log(record.name), log),
        *(ops.put(keys.route(host), route.text()) for host, route in routes.items()),
        *(ops.put(keys.route(host), removed, lease=lease) for host in gone),
    ]


def standing(store: Store, environment: str, attempt: int) -> int:
    """The revision at which the record was made to name `attempt`; 0 when it names another."""
    found = store.read(store.keys.environment(environment), Environment)
    return found[0].mod_revision if found and _attempt(found[1]) == attempt else 0


def _attempt(record: Environment) -> int:
    return record.current.attempt if record.current else 0


def _release(record: Environment) -> str:
    return record.current.name if record.current else ""


def back(store: Store, still: Sequence[Compare], switched: Switched) -> int:
    """Put back what stood there; the revision, or 0 when somebody else has gone on meanwhile."""
    before, keys = switched.before, store.keys
    operations = [
        _restore(store, keys.environment(before.environment), before.record),
        _restore(store, keys.log(before.environment), before.log),
        ops.delete(keys.release(before.environment, switched.release)),
        *(_restore(store, keys.route(host), kv) for host, kv in before.routes.items()),
    ]
    answer = store.etcd.txn(list(still), operations)
    return answer.revision if answer.succeeded else 0


def mark(
    store: Store,
    still: Sequence[Compare],
    environment: str,
    routes: Mapping[str, Route],
    lease: int = 0,
) -> int:
    """Say `starting` or `failed` where no release serves.

    The revision, or 0 when the conditions do not hold any more; CapacityError when a host is
    another environment's.
    """
    while True:
        before = _look(store, environment, routes)
        answer = store.etcd.txn(
            [*still, *_unchanged(store, before)],
            [
                ops.put(store.keys.route(host), route.text(), lease=lease)
                for host, route in routes.items()
            ],
        )
        if answer.succeeded:
            return answer.revision
        if not _holds(store, still):
            return 0


def unmark(store: Store, environment: str, release: str, hosts: Iterable[str]) -> None:
    """Delete the routes that say `starting` of this release: it does not start any more."""
    for host in hosts:
        found = store.read(store.keys.route(host), Route)
        if found is None:
            continue
        kv, route = found
        if (route.environment, route.release, route.state) == (environment, release, "starting"):
            store.etcd.txn([ops.equal(kv.key, "MOD", kv.mod_revision)], [ops.delete(kv.key)])


def _look(store: Store, environment: str, routes: Mapping[str, Route]) -> Before:
    """What stands there now; CapacityError when a host belongs to another environment."""
    record = store.etcd.get(store.keys.environment(environment))
    old_hosts = Environment.read(record.value).hosts if record else ()
    there: dict[str, KeyValue | None] = {}
    for host in dict.fromkeys((*routes, *old_hosts)):
        kv = there[host] = store.etcd.get(store.keys.route(host))
        owner = Route.read(kv.value).environment if kv else environment
        if owner != environment:
            raise CapacityError(
                f"the name {host} belongs to environment {owner}",
                hint=f"choose another name, or remove {owner}",
            )
    log = store.etcd.get(store.keys.log(environment))
    return Before(environment=environment, record=record, log=log, routes=there)


def _unchanged(store: Store, before: Before) -> list[Compare]:
    return [
        ops.equal(store.keys.route(host), "MOD", kv.mod_revision if kv else 0)
        for host, kv in before.routes.items()
    ]


def _holds(store: Store, still: Sequence[Compare]) -> bool:
    return store.etcd.txn(list(still), []).succeeded


def _restore(store: Store, key: str, kv: KeyValue | None) -> Op:
    """What was on a lease that has ended meanwhile would be gone by now, too."""
    if kv is None or (kv.lease and not store.etcd.keep_alive(kv.lease)):
        return ops.delete(key)
    return ops.put(key, kv.value, lease=kv.lease)
