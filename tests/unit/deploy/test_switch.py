"""The switch: one transaction that holds only for whoever has the lock and the newest wish."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from pydeploy.clients import etcd as ops
from pydeploy.clients.etcd import Compare, Etcd
from pydeploy.deploy import switch
from pydeploy.errors import CapacityError, Fenced, ServiceError
from pydeploy.state import lock, wanted
from pydeploy.state.keys import Keys
from pydeploy.state.lock import Held
from pydeploy.state.records import Environment, Holder, Route, Wanted
from pydeploy.state.store import Store
from pydeploy.state.wanted import Wish
from tests.unit.deploy.samples import environment, release
from tests.unit.etcd_server import EtcdServer, wait_until

HOST = "10020.deploy.test"
ADMIN = "admin--10020.deploy.test"
TOMBSTONE = 60


def route(number: int = 1, name: str = "10020", **keys: object) -> Route:
    fields = {"release": f"{name}-{number}", "address": "127.0.0.1", "port": 20000 + number, **keys}
    return Route.model_validate({"environment": name, **fields})


def record(number: int = 1, *, hosts: tuple[str, ...] = (HOST,)) -> Environment:
    return environment(hosts=hosts, current=release(f"10020-{number}", number))


def deploy(patchset: int) -> Wanted:
    return Wanted(generation=0, action="deploy", patchset=patchset)


@pytest.fixture
def held(store: Store) -> Iterator[Held]:
    who = Holder(holder="me", since="now")
    with lock.hold(store.etcd, store.keys.lock("10020"), who, wait=0, ttl=60) as mine:
        yield mine


@pytest.fixture
def wish(store: Store) -> Wish:
    return wanted.wish(store, "10020", deploy(1))


@pytest.fixture
def still(held: Held, wish: Wish) -> tuple[Compare, ...]:
    return (held.still(), wish.still())


def routes(store: Store) -> dict[str, Route]:
    return store.routes()


def forward(
    store: Store,
    still: Sequence[Compare],
    record: Environment,
    routes: Mapping[str, Route],
    *,
    log: str | None = None,
) -> switch.Switched:
    return switch.forward(store, still, record, routes, log=log, tombstone=TOMBSTONE)


# -- forward ----------------------------------------------------------------------------


def test_route_record_and_more_at_one_revision(store: Store, still: tuple[Compare, ...]) -> None:
    """Nobody ever sees one without the other."""
    done = forward(store, still, record(), {HOST: route(), ADMIN: route()}, log="log")
    keys = [
        *(store.keys.environment("10020"), store.keys.log("10020")),
        *(store.keys.route(HOST), store.keys.route(ADMIN)),
    ]
    found = [store.etcd.get(key) for key in keys]
    assert [done.revision] * 4 == [kv.mod_revision for kv in found if kv]
    assert record() == store.environment("10020")


def test_hosts_that_are_not_served_any_more_go(store: Store, still: tuple[Compare, ...]) -> None:
    """With the same transaction: they say `removed`, and go by themselves after a while."""
    forward(store, still, record(hosts=(HOST, ADMIN)), {HOST: route(), ADMIN: route()})
    done = forward(store, still, record(2), {HOST: route(2)})
    tombstone = Route(environment="10020", state="removed")
    assert {HOST: route(2), ADMIN: tombstone} == routes(store)
    kv = store.etcd.get(store.keys.route(ADMIN))
    assert kv is not None
    left = store.etcd.call("lease/timetolive", {"ID": str(kv.lease)})
    assert (done.revision, str(TOMBSTONE)) == (kv.mod_revision, left["grantedTTL"])


def test_a_tombstone_is_no_host_that_goes(store: Store, still: tuple[Compare, ...]) -> None:
    """It is not renewed by the next switch, which does not know the host any more."""
    forward(store, still, record(hosts=(HOST, ADMIN)), {HOST: route(), ADMIN: route()})
    done = forward(store, still, record(2), {HOST: route(2)})
    forward(store, still, record(3), {HOST: route(3)})
    kv = store.etcd.get(store.keys.route(ADMIN))
    assert kv is not None
    assert done.revision == kv.mod_revision


def test_a_log_that_is_no_longer_true_goes(store: Store, still: tuple[Compare, ...]) -> None:
    """With the release that it was of."""
    forward(store, still, record(), {HOST: route()}, log="log")
    forward(store, still, record(2), {HOST: route(2)})
    assert store.etcd.get(store.keys.log("10020")) is None


def test_who_lost_the_lock_changes_nothing(store: Store, wish: Wish) -> None:
    """A process that slept beyond its lease: another has had the lock since."""
    key, who = store.keys.lock("10020"), Holder(holder="me", since="now")
    with lock.hold(store.etcd, key, who, wait=0) as late:
        pass
    with (
        lock.hold(store.etcd, key, who, wait=0),
        pytest.raises(Fenced, match="10020"),
    ):
        forward(store, (late.still(), wish.still()), record(), {HOST: route()})
    assert ({}, None) == (routes(store), store.environment("10020"))


def test_an_older_wish_changes_nothing(store: Store, still: tuple[Compare, ...]) -> None:
    """Somebody wished for patchset 2 while 1 became healthy."""
    wanted.wish(store, "10020", deploy(2))
    with pytest.raises(Fenced):
        forward(store, still, record(), {HOST: route()})
    assert ({}, None) == (routes(store), store.environment("10020"))


def test_another_environments_name_is_refused(store: Store, still: tuple[Compare, ...]) -> None:
    """Exit 5 that says whose it is; nothing is written, not even our own host."""
    store.etcd.put(store.keys.route(ADMIN), route(name="other").text())
    with pytest.raises(CapacityError, match=f"the name {ADMIN} belongs to environment other"):
        forward(store, still, record(), {HOST: route(), ADMIN: route()})
    assert [ADMIN] == list(routes(store))


def test_our_own_tombstone_is_no_obstacle(store: Store, still: tuple[Compare, ...]) -> None:
    """A change that is deployed again; and the route does not go with the tombstone's lease."""
    lease = store.etcd.grant(60)
    store.etcd.put(store.keys.route(HOST), route(state="removed").text(), lease=lease)
    forward(store, still, record(), {HOST: route()})
    store.etcd.revoke(lease)
    assert {HOST: route()} == routes(store)


def test_a_route_that_goes_meanwhile_is_no_newer_wish(
    store: Store, still: tuple[Compare, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tombstone's lease ends between looking and writing: looked again, and done."""
    store.etcd.put(store.keys.route(HOST), route(state="removed").text())
    send, tries = store.etcd.txn, list[int]()

    def late(*arguments: list[ops.Op]) -> ops.TxnResult:
        if not tries:
            store.etcd.delete(store.keys.route(HOST))
        tries.append(1)
        return send(*arguments)

    monkeypatch.setattr(store.etcd, "txn", late)
    forward(store, still, record(), {HOST: route()})
    assert {HOST: route()} == routes(store)


def test_a_name_that_is_taken_meanwhile_is_refused(
    store: Store, still: tuple[Compare, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another environment, between looking and writing."""
    send, tries = store.etcd.txn, list[int]()

    def late(*arguments: list[ops.Op]) -> ops.TxnResult:
        if not tries:
            store.etcd.put(store.keys.route(HOST), route(name="other").text())
        tries.append(1)
        return send(*arguments)

    monkeypatch.setattr(store.etcd, "txn", late)
    with pytest.raises(CapacityError, match="belongs to environment other"):
        forward(store, still, record(), {HOST: route()})
    assert store.environment("10020") is None


# -- an answer that is lost -------------------------------------------------------------


class Deaf(Etcd):
    """Its transactions are carried out (or not, when `is_cut`), but no answer is heard."""

    is_cut = False

    def txn(self, *arguments: Any) -> ops.TxnResult:
        if not self.is_cut:
            super().txn(*arguments)
        raise ServiceError("no answer", service="etcd")


@pytest.fixture
def deaf(store: Store, etcd_server: EtcdServer) -> Store:
    return replace(store, etcd=Deaf((etcd_server.url,)))


def test_a_switch_whose_answer_was_lost_has_been_made(
    store: Store, deaf: Store, still: tuple[Compare, ...]
) -> None:
    """Looked at again: it is as if the answer had come, and there is a way back from it."""
    forward(store, still, record(), {HOST: route()})
    done = forward(deaf, still, record(2), {HOST: route(2)})
    kv = store.etcd.get(store.keys.environment("10020"))
    assert kv is not None
    assert (kv.mod_revision, {HOST: route(2)}) == (done.revision, routes(store))
    switch.back(store, still[:1], done)
    assert ({HOST: route()}, record()) == (routes(store), store.environment("10020"))


def test_a_switch_that_never_came_there(
    store: Store, deaf: Store, still: tuple[Compare, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is none, although there is a record: it names another attempt."""
    forward(store, still, record(), {HOST: route()})
    monkeypatch.setattr(Deaf, "is_cut", True)
    with pytest.raises(ServiceError, match="no answer"):
        forward(deaf, still, record(2), {HOST: route(2)})
    assert ({HOST: route()}, record()) == (routes(store), store.environment("10020"))


def test_a_refusal_that_was_lost(store: Store, deaf: Store, still: tuple[Compare, ...]) -> None:
    """Is no switch either."""
    wanted.wish(store, "10020", deploy(2))
    with pytest.raises(ServiceError, match="no answer"):
        forward(deaf, still, record(), {HOST: route()})
    assert ({}, None) == (routes(store), store.environment("10020"))


def test_etcd_stays_away(own_server: EtcdServer) -> None:
    """Then nobody knows whether it was made: the error goes on to whoever undoes."""
    here = Store(etcd=Deaf((own_server.url,)), keys=Keys("/a"))

    def cut(*_: Any) -> ops.TxnResult:
        own_server.kill()
        raise ServiceError("no answer", service="etcd")

    here.etcd.__dict__["txn"] = cut
    with pytest.raises(ServiceError):
        forward(here, (), record(), {HOST: route()})


def test_what_stands(store: Store, still: tuple[Compare, ...]) -> None:
    """The revision of the record, if it names that attempt; 0 without one, or for another."""
    assert 0 == switch.standing(store, "10020", 1)
    done = forward(store, still, record(), {HOST: route()})
    assert (done.revision, 0) == (
        switch.standing(store, "10020", 1),
        switch.standing(store, "10020", 2),
    )
    again = forward(store, still, record(2), {HOST: route(2)})
    assert [0, again.revision] == [switch.standing(store, "10020", one) for one in (1, 2)]


# -- back -------------------------------------------------------------------------------


def test_back_restores_record_and_routes(store: Store, still: tuple[Compare, ...]) -> None:
    """As they were, also those that the switch had taken away or brought."""
    forward(store, still, record(hosts=(HOST, ADMIN)), {HOST: route(), ADMIN: route()})
    new = "new--10020.deploy.test"
    done = forward(store, still, record(2), {HOST: route(2), new: route(2)})
    assert switch.back(store, still[:1], done) > done.revision
    assert {HOST: route(), ADMIN: route()} == routes(store)
    assert record(hosts=(HOST, ADMIN)) == store.environment("10020")


@pytest.mark.parametrize("log", [None, "log of 1"])
def test_back_restores_the_log(store: Store, still: tuple[Compare, ...], log: str | None) -> None:
    """Of the release that it goes back to; none where that had none."""
    forward(store, still, record(), {HOST: route()}, log=log)
    done = forward(store, still, record(2), {HOST: route(2)}, log="log of 2")
    switch.back(store, still[:1], done)
    kv = store.etcd.get(store.keys.log("10020"))
    assert log == (kv.value if kv else None)


def test_back_to_nothing(store: Store, still: tuple[Compare, ...]) -> None:
    """A first release that does not answer leaves neither record nor route."""
    done = forward(store, still, record(), {HOST: route()})
    switch.back(store, still[:1], done)
    assert ({}, None) == (routes(store), store.environment("10020"))


def test_back_restores_leases(store: Store, still: tuple[Compare, ...]) -> None:
    """What was to go by itself still does."""
    lease = store.etcd.grant(60)
    switch.mark(store, still, "10020", {HOST: route(state="failed")}, lease)
    done = forward(store, still, record(), {HOST: route()})
    switch.back(store, still[:1], done)
    assert {HOST: route(state="failed")} == routes(store)
    store.etcd.revoke(lease)
    assert {} == routes(store)


def test_back_to_what_would_have_gone_by_now(store: Store, still: tuple[Compare, ...]) -> None:
    """Its lease has ended since: it is not restored, and the way back does not fail on it."""
    lease = store.etcd.grant(60)
    switch.mark(store, still, "10020", {HOST: route(state="failed")}, lease)
    done = forward(store, still, record(), {HOST: route()})
    store.etcd.revoke(lease)
    assert switch.back(store, still[:1], done) > 0
    assert {} == routes(store)


def test_back_although_a_newer_wish_has_come(store: Store, still: tuple[Compare, ...]) -> None:
    """That the lock is ours is enough: the newer one waits for it."""
    done = forward(store, still, record(), {HOST: route()})
    wanted.wish(store, "10020", deploy(2))
    assert switch.back(store, still[:1], done) > 0


def test_no_way_back_without_the_lock(store: Store, wish: Wish) -> None:
    """Whoever has it now has gone on from there."""
    key, who = store.keys.lock("10020"), Holder(holder="me", since="now")
    with lock.hold(store.etcd, key, who, wait=0) as mine:
        done = forward(store, (mine.still(), wish.still()), record(), {HOST: route()})
    with lock.hold(store.etcd, key, who, wait=0):
        assert 0 == switch.back(store, (mine.still(),), done)
    assert {HOST: route()} == routes(store)


# -- marks ------------------------------------------------------------------------------


def test_a_mark_says_why_nothing_serves(store: Store, still: tuple[Compare, ...]) -> None:
    """`failed` goes by itself with its lease."""
    lease = store.etcd.grant(1)
    assert switch.mark(store, still, "10020", {HOST: route(state="failed")}, lease) > 0
    assert "failed" == routes(store)[HOST].state
    wait_until(lambda: routes(store) == {})


def test_a_mark_of_somebody_late_is_not_made(store: Store, still: tuple[Compare, ...]) -> None:
    """0, and what stands there stays."""
    wanted.wish(store, "10020", deploy(2))
    assert 0 == switch.mark(store, still, "10020", {HOST: route(state="failed")})
    assert {} == routes(store)


def test_a_mark_never_covers_another_environment(store: Store, still: tuple[Compare, ...]) -> None:
    """A name that is taken is known before anything is started."""
    store.etcd.put(store.keys.route(HOST), route(name="other").text())
    with pytest.raises(CapacityError):
        switch.mark(store, still, "10020", {HOST: route(state="starting")})


@pytest.mark.parametrize(
    ("there", "stays"),
    [
        (route(state="starting"), False),
        (route(), True),
        (route(state="failed"), True),
        (route(2, state="starting"), True),
        (route(name="other", state="starting"), True),
    ],
)
def test_unmark_takes_only_our_starting(store: Store, there: Route, stays: bool) -> None:
    """Not what serves, not what a newer attempt or others say."""
    store.etcd.put(store.keys.route(HOST), there.text())
    switch.unmark(store, "10020", "10020-1", [HOST, "nowhere.test"])
    assert stays == (HOST in routes(store))
