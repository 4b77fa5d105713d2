"""The switch: one transaction that holds only for whoever has the lock and the newest wish."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pydeploy.clients import etcd as ops
from pydeploy.clients.etcd import Compare
from pydeploy.deploy import switch
from pydeploy.errors import CapacityError, Superseded
from pydeploy.state import lock, wanted
from pydeploy.state.lock import Held
from pydeploy.state.records import Environment, Holder, Route, Wanted
from pydeploy.state.store import Store
from pydeploy.state.wanted import Wish
from tests.unit.deploy.samples import environment, release
from tests.unit.etcd_server import wait_until

HOST = "10020.deploy.test"
ADMIN = "admin--10020.deploy.test"


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


# -- forward ----------------------------------------------------------------------------


def test_route_record_and_more_at_one_revision(store: Store, still: tuple[Compare, ...]) -> None:
    """Nobody ever sees one without the other."""
    extra = ops.put(store.keys.log("10020"), "log")
    done = switch.forward(store, still, record(), {HOST: route(), ADMIN: route()}, [extra])
    keys = [
        *(store.keys.environment("10020"), store.keys.log("10020")),
        *(store.keys.route(HOST), store.keys.route(ADMIN)),
    ]
    found = [store.etcd.get(key) for key in keys]
    assert [done.revision] * 4 == [kv.mod_revision for kv in found if kv]
    assert record() == store.environment("10020")


def test_hosts_that_are_not_served_any_more_go(store: Store, still: tuple[Compare, ...]) -> None:
    """With the same transaction."""
    switch.forward(store, still, record(hosts=(HOST, ADMIN)), {HOST: route(), ADMIN: route()})
    switch.forward(store, still, record(2), {HOST: route(2)})
    assert {HOST: route(2)} == routes(store)


def test_who_lost_the_lock_changes_nothing(store: Store, wish: Wish) -> None:
    """A process that slept beyond its lease: another has had the lock since."""
    key, who = store.keys.lock("10020"), Holder(holder="me", since="now")
    with lock.hold(store.etcd, key, who, wait=0) as late:
        pass
    with (
        lock.hold(store.etcd, key, who, wait=0),
        pytest.raises(Superseded, match="holds the lock or wished last"),
    ):
        switch.forward(store, (late.still(), wish.still()), record(), {HOST: route()})
    assert ({}, None) == (routes(store), store.environment("10020"))


def test_an_older_wish_changes_nothing(store: Store, still: tuple[Compare, ...]) -> None:
    """Somebody wished for patchset 2 while 1 became healthy."""
    wanted.wish(store, "10020", deploy(2))
    with pytest.raises(Superseded):
        switch.forward(store, still, record(), {HOST: route()})
    assert ({}, None) == (routes(store), store.environment("10020"))


def test_another_environments_name_is_refused(store: Store, still: tuple[Compare, ...]) -> None:
    """Exit 5 that says whose it is; nothing is written, not even our own host."""
    store.etcd.put(store.keys.route(ADMIN), route(name="other").text())
    with pytest.raises(CapacityError, match=f"the name {ADMIN} belongs to environment other"):
        switch.forward(store, still, record(), {HOST: route(), ADMIN: route()})
    assert [ADMIN] == list(routes(store))


def test_our_own_tombstone_is_no_obstacle(store: Store, still: tuple[Compare, ...]) -> None:
    """A change that is deployed again; and the route does not go with the tombstone's lease."""
    lease = store.etcd.grant(60)
    store.etcd.put(store.keys.route(HOST), route(state="removed").text(), lease=lease)
    switch.forward(store, still, record(), {HOST: route()})
    store.etcd.revoke(lease)
    assert {HOST: route()} == routes(store)


def test_a_route_that_goes_meanwhile_is_no_newer_wish(
    store: Store, still: tuple[Compare, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tombstone's lease ends between looking and writing: looked again, and done."""
    store.etcd.put(store.keys.route(HOST), route(state="removed").text())
    send, tries = store.etcd.txn, []

    def late(*arguments: list[ops.Op]) -> ops.TxnResult:
        if not tries:
            store.etcd.delete(store.keys.route(HOST))
        tries.append(1)
        return send(*arguments)

    monkeypatch.setattr(store.etcd, "txn", late)
    switch.forward(store, still, record(), {HOST: route()})
    assert {HOST: route()} == routes(store)


def test_a_name_that_is_taken_meanwhile_is_refused(
    store: Store, still: tuple[Compare, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another environment, between looking and writing."""
    send, tries = store.etcd.txn, []

    def late(*arguments: list[ops.Op]) -> ops.TxnResult:
        if not tries:
            store.etcd.put(store.keys.route(HOST), route(name="other").text())
        tries.append(1)
        return send(*arguments)

    monkeypatch.setattr(store.etcd, "txn", late)
    with pytest.raises(CapacityError, match="belongs to environment other"):
        switch.forward(store, still, record(), {HOST: route()})
    assert store.environment("10020") is None


# -- back -------------------------------------------------------------------------------


def test_back_restores_record_and_routes(store: Store, still: tuple[Compare, ...]) -> None:
    """As they were, also those that the switch had taken away or brought."""
    switch.forward(store, still, record(hosts=(HOST, ADMIN)), {HOST: route(), ADMIN: route()})
    new = "new--10020.deploy.test"
    done = switch.forward(store, still, record(2), {HOST: route(2), new: route(2)})
    assert switch.back(store, still[:1], done) > done.revision
    assert {HOST: route(), ADMIN: route()} == routes(store)
    assert record(hosts=(HOST, ADMIN)) == store.environment("10020")


def test_back_to_nothing(store: Store, still: tuple[Compare, ...]) -> None:
    """A first release that does not answer leaves neither record nor route."""
    done = switch.forward(store, still, record(), {HOST: route()})
    switch.back(store, still[:1], done)
    assert ({}, None) == (routes(store), store.environment("10020"))


def test_back_restores_leases(store: Store, still: tuple[Compare, ...]) -> None:
    """What was to go by itself still does."""
    lease = store.etcd.grant(60)
    switch.mark(store, still, "10020", {HOST: route(state="failed")}, lease)
    done = switch.forward(store, still, record(), {HOST: route()})
    switch.back(store, still[:1], done)
    assert {HOST: route(state="failed")} == routes(store)
    store.etcd.revoke(lease)
    assert {} == routes(store)


def test_back_to_what_would_have_gone_by_now(store: Store, still: tuple[Compare, ...]) -> None:
    """Its lease has ended since: it is not restored, and the way back does not fail on it."""
    lease = store.etcd.grant(60)
    switch.mark(store, still, "10020", {HOST: route(state="failed")}, lease)
    done = switch.forward(store, still, record(), {HOST: route()})
    store.etcd.revoke(lease)
    assert switch.back(store, still[:1], done) > 0
    assert {} == routes(store)


def test_back_although_a_newer_wish_has_come(store: Store, still: tuple[Compare, ...]) -> None:
    """That the lock is ours is enough: the newer one waits for it."""
    done = switch.forward(store, still, record(), {HOST: route()})
    wanted.wish(store, "10020", deploy(2))
    assert switch.back(store, still[:1], done) > 0


def test_no_way_back_without_the_lock(store: Store, wish: Wish) -> None:
    """Whoever has it now has gone on from there."""
    key, who = store.keys.lock("10020"), Holder(holder="me", since="now")
    with lock.hold(store.etcd, key, who, wait=0) as mine:
        done = switch.forward(store, (mine.still(), wish.still()), record(), {HOST: route()})
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
        (route(name="other", state="starting"), True),
    ],
)
def test_unmark_takes_only_our_starting(store: Store, there: Route, stays: bool) -> None:
    """Not what serves, not what others say."""
    store.etcd.put(store.keys.route(HOST), there.text())
    switch.unmark(store, "10020", [HOST, "nowhere.test"])
    assert stays == (HOST in routes(store))
