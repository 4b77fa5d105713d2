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
from pydeploy.errors import CapacityError, Superseded
from pydeploy.state.records import Environment, Route
from pydeploy.state.store import Store


@dataclass(frozen=True, kw_only=True)
class Before:
    """What stood there before a switch, so that it can be put back."""

    environment: str
    record: KeyValue | None
    routes: Mapping[str, KeyValue | None]  # host → what was there


@dataclass(frozen=True, kw_only=True)
class Switched:
    revision: int
    before: Before


def forward(
    store: Store,
    still: Sequence[Compare],
    record: Environment,
    routes: Mapping[str, Route],
    extra: Sequence[Op] = (),
) -> Switched:
    """Make `record` and `routes` true at once.

    `extra` is written in the same transaction.  Hosts that the environment had before and has no
    longer lose their route.  Raises Superseded when the conditions `still` do not hold,
    CapacityError when a host is another environment's.
    """
    while True:
        before = _look(store, record.name, routes)
        gone = [host for host in before.routes if host not in routes]
        answer = store.etcd.txn(
            [*still, *_unchanged(store, before)],
            [
                ops.put(store.keys.environment(record.name), record.text()),
                *(ops.put(store.keys.route(host), route.text()) for host, route in routes.items()),
                *(ops.delete(store.keys.route(host)) for host in gone),
                *extra,
            ],
        )
        if answer.succeeded:
            return Switched(revision=answer.revision, before=before)
        if not _holds(store, still):
            raise Superseded("whoever holds the lock or wished last")
        # A route went between looking and writing, as a tombstone's does with its lease.


def back(store: Store, still: Sequence[Compare], switched: Switched) -> int:
    """Put back what stood there; the revision, or 0 when somebody else has gone on meanwhile."""
    before = switched.before
    operations = [_restore(store, store.keys.environment(before.environment), before.record)]
    operations += [
        _restore(store, store.keys.route(host), kv) for host, kv in before.routes.items()
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


def unmark(store: Store, environment: str, hosts: Iterable[str]) -> None:
    """Delete the routes of `environment` that say `starting`: nothing starts any more."""
    for host in hosts:
        found = store.read(store.keys.route(host), Route)
        if found and found[1].environment == environment and found[1].state == "starting":
            store.etcd.txn(
                [ops.equal(found[0].key, "MOD", found[0].mod_revision)], [ops.delete(found[0].key)]
            )


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
    return Before(environment=environment, record=record, routes=there)


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
