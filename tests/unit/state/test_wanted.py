"""Newest wish wins."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pydeploy.errors import ServiceError, Superseded
from pydeploy.state import wanted
from pydeploy.state.keys import Keys
from pydeploy.state.records import Wanted
from pydeploy.state.store import Store
from pydeploy.state.wanted import Wish
from tests.unit.etcd_server import EtcdServer

SHA = "0123456789abcdef"


def deploy(patchset: int | None = 1, revision: str = SHA, by: str = "me") -> Wanted:
    return Wanted(generation=0, action="deploy", patchset=patchset, revision=revision, by=by)


REMOVE = Wanted(generation=0, action="remove", by="operator")
ROLLBACK = Wanted(generation=0, action="rollback", patchset=1, revision=SHA, by="me")


def holds(store: Store, wish: Wish) -> bool:
    return store.etcd.txn([wish.still()], []).succeeded


def test_a_wish_is_raised(store: Store) -> None:
    """It stands in etcd, as generation 1, at the revision that is the switch's condition."""
    mine = wanted.wish(store, "10020", deploy())
    kv = store.etcd.get(store.keys.wanted("10020"))
    assert kv is not None
    assert (1, kv.mod_revision) == (mine.wanted.generation, mine.mod_revision)
    assert mine.wanted == Wanted.read(kv.value)


def test_the_newest_wins(store: Store) -> None:
    """The older one's condition does not hold any more; generations count up."""
    old = wanted.wish(store, "10020", deploy(1))
    new = wanted.wish(store, "10020", deploy(2))
    assert [False, True] == [holds(store, one) for one in (old, new)]
    assert 2 == new.wanted.generation


def test_environments_do_not_disturb_each_other(store: Store) -> None:
    """10020 and 100201 begin alike, that is all."""
    mine = wanted.wish(store, "10020", deploy(1))
    wanted.wish(store, "100201", deploy(2))
    assert holds(store, mine)


def test_the_same_wish_twice_is_one(store: Store) -> None:
    """Two agents with one patchset: both go on, neither supersedes the other."""
    one = wanted.wish(store, "10020", deploy(by="one"))
    other = wanted.wish(store, "10020", deploy(by="other"))
    assert (one.mod_revision, "one") == (other.mod_revision, other.wanted.by)


def test_force_raises_it_again(store: Store) -> None:
    """Who says so deploys the same patchset anew."""
    old = wanted.wish(store, "10020", deploy())
    new = wanted.wish(store, "10020", deploy(), force=True)
    assert (False, 2) == (holds(store, old), new.wanted.generation)


def test_another_revision_of_a_patchset_is_another_wish(store: Store) -> None:
    """A checkout with something more in it than the commit."""
    old = wanted.wish(store, "10020", deploy(1, "a" * 40))
    wanted.wish(store, "10020", deploy(1, "b" * 40))
    assert not holds(store, old)


def test_an_older_patchset_is_superseded_at_once(store: Store) -> None:
    """A late build of patchset 1 ends when 2 is wanted; the wish for 2 is not touched."""
    newer = wanted.wish(store, "10020", deploy(2))
    with pytest.raises(Superseded, match="patchset 2, which is wanted already"):
        wanted.wish(store, "10020", deploy(1), force=True)
    assert holds(store, newer)


def of_change(change: int, patchset: int, revision: str = SHA) -> Wanted:
    return deploy(patchset, revision).model_copy(update={"change": change})


def test_another_changes_patchsets_are_not_older(store: Store) -> None:
    """Two changes in one named environment: their patchsets are counted apart."""
    old = wanted.wish(store, "staging", of_change(10020, 5))
    new = wanted.wish(store, "staging", of_change(10021, 1))
    assert [False, True] == [holds(store, one) for one in (old, new)]


def test_the_same_patchset_of_another_change_is_another_wish(store: Store) -> None:
    """Even of the same revision."""
    old = wanted.wish(store, "staging", of_change(10020, 1))
    wanted.wish(store, "staging", of_change(10021, 1))
    assert not holds(store, old)


def test_an_older_patchset_of_the_same_change_is_older(store: Store) -> None:
    """Also in a named environment."""
    wanted.wish(store, "staging", of_change(10020, 5))
    with pytest.raises(Superseded, match="patchset 5"):
        wanted.wish(store, "staging", of_change(10020, 4))


def test_a_rollback_is_not_refused_as_old(store: Store) -> None:
    """It wants an older patchset on purpose."""
    newer = wanted.wish(store, "10020", deploy(2))
    wanted.wish(store, "10020", ROLLBACK)
    assert not holds(store, newer)


def test_without_patchsets_the_last_one_counts(store: Store) -> None:
    """A named environment knows no older and newer."""
    for revision in ("a" * 40, "b" * 40, "a" * 40):
        newest = wanted.wish(store, "staging", deploy(None, revision))
    assert (3, True) == (newest.wanted.generation, holds(store, newest))


def test_a_removal_supersedes_and_is_remembered_for_a_day(store: Store) -> None:
    """A build that is late cannot revive an abandoned change; the memory goes by itself."""
    building = wanted.wish(store, "10020", deploy(1))
    wanted.wish(store, "10020", REMOVE)
    assert not holds(store, building)
    kv = store.etcd.get(store.keys.wanted("10020"))
    assert kv is not None
    left = store.etcd.call("lease/timetolive", {"ID": str(kv.lease)})
    assert str(wanted.REMOVED_KEPT) == left["grantedTTL"]


def test_after_a_removal_it_may_be_deployed_again(store: Store) -> None:
    """A change that is restored in Gerrit; and that wish does not go with the old lease."""
    wanted.wish(store, "10020", deploy(2))
    wanted.wish(store, "10020", REMOVE)
    mine = wanted.wish(store, "10020", deploy(2))
    kv = store.etcd.get(mine.key)
    assert kv is not None
    assert (3, 0) == (mine.wanted.generation, kv.lease)


def test_many_wish_at_once(store: Store) -> None:
    """Compare-and-swap: every wish is counted, the greatest patchset stands at the end."""

    def raise_it(patchset: int) -> bool:
        try:
            wanted.wish(store, "10020", deploy(patchset))
        except Superseded:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        raised = sum(pool.map(raise_it, range(1, 33)))
    found = store.read(store.keys.wanted("10020"), Wanted)
    assert found is not None
    assert (32, raised) == (found[1].patchset, found[1].generation)


# -- following --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("newer", "by"),
    [
        (deploy(2, by="jenkins"), "patchset 2, wished by jenkins"),
        (deploy(None, "abcdef1234", by="jenkins"), "abcdef1, wished by jenkins"),
        (REMOVE, "a removal wished by operator"),
    ],
)
def test_a_follower_notices_at_once(store: Store, newer: Wanted, by: str) -> None:
    """Within a second, and knows what it was that overtook it."""
    mine = wanted.wish(store, "10020", deploy(1))
    with wanted.followed(store, mine):
        mine.ensure()
        wanted.wish(store, "10020", newer)
        assert mine.overtaken.wait(1)
        with pytest.raises(Superseded) as superseded:
            mine.ensure()
    assert by == superseded.value.by


def test_a_wish_that_was_overtaken_before_it_was_followed(store: Store) -> None:
    """Nothing is missed between the two."""
    mine = wanted.wish(store, "10020", deploy(1))
    wanted.wish(store, "10020", deploy(2))
    with wanted.followed(store, mine):
        assert mine.overtaken.wait(1)


def test_the_same_wish_does_not_overtake(store: Store) -> None:
    """The second agent's equal wish is no reason to stop."""
    mine = wanted.wish(store, "10020", deploy(1))
    with wanted.followed(store, mine):
        wanted.wish(store, "10020", deploy(1))
        assert not mine.overtaken.wait(0.5)


def test_a_wish_that_is_deleted_overtakes(store: Store) -> None:
    """By an operator's hand, or with its lease: nobody wants it any more."""
    mine = wanted.wish(store, "10020", deploy(1))
    with wanted.followed(store, mine):
        store.etcd.delete(mine.key)
        assert mine.overtaken.wait(1)
    assert ["the end of the wish"] == mine.overtaken_by


def test_the_event_may_be_the_callers(store: Store) -> None:
    """One event for "a newer wish" and "the lock is lost"."""
    event = threading.Event()
    mine = wanted.wish(store, "10020", deploy(1), overtaken=event)
    mine.ensure()
    event.set()
    with pytest.raises(ServiceError, match="the lock was lost"):
        mine.ensure()


# -- why we may not go on ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("newer", "by"),
    [
        (deploy(2, by="jenkins"), "patchset 2, wished by jenkins"),
        (REMOVE, "a removal wished by operator"),
        (None, "the end of the wish"),
    ],
)
def test_the_verdict_of_a_newer_wish(store: Store, newer: Wanted | None, by: str) -> None:
    """Superseded, also when no follower has seen it: etcd is asked."""
    mine = wanted.wish(store, "10020", deploy(1))
    if newer:
        wanted.wish(store, "10020", newer)
    else:
        store.etcd.delete(mine.key)
    verdict = mine.verdict()
    assert isinstance(verdict, Superseded)
    assert by == verdict.by
    assert mine.overtaken.is_set()


def test_the_verdict_of_a_lock_that_was_lost(store: Store) -> None:
    """No success: nobody wished for anything newer, so it is the operator's, exit 6."""
    verdict = wanted.wish(store, "10020", deploy(1)).verdict()
    assert isinstance(verdict, ServiceError)
    assert ("etcd", 6, True) == (
        verdict.service,
        verdict.exit_code,
        "the lock was lost" in verdict.message,
    )


def test_the_verdict_while_etcd_is_away(own_server: EtcdServer) -> None:
    """That it is away; not that somebody wished for something newer."""
    mine = wanted.wish(Store(etcd=own_server.client(), keys=Keys("/a")), "10020", deploy(1))
    own_server.kill()
    verdict = mine.verdict()
    assert isinstance(verdict, ServiceError)
    assert "etcd does not answer" in verdict.message


def test_the_verdict_of_what_was_seen_needs_no_etcd(own_server: EtcdServer) -> None:
    """A newer wish that the follower saw stays the reason, whatever comes after."""
    here = Store(etcd=own_server.client(), keys=Keys("/a"))
    mine = wanted.wish(here, "10020", deploy(1))
    with wanted.followed(here, mine):
        wanted.wish(here, "10020", deploy(2))
        assert mine.overtaken.wait(1)
    own_server.kill()
    assert isinstance(mine.verdict(), Superseded)


def test_following_ends(store: Store) -> None:
    """With the block; no thread stays."""
    before = threading.active_count()
    for _ in range(3):
        with wanted.followed(store, wanted.wish(store, "10020", deploy(1))):
            time.sleep(0.05)
    until = time.monotonic() + 3
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.05)
    assert threading.active_count() <= before


@pytest.mark.parametrize("compacts", [False, True])
def test_a_follower_notices_after_a_reconnect(own_server: EtcdServer, compacts: bool) -> None:
    """What was wished while the connection was away, also when its history is gone."""
    here = Store(etcd=own_server.client(), keys=Keys("/a"))
    mine = wanted.wish(here, "10020", deploy(1))
    with wanted.followed(here, mine):
        time.sleep(0.1)
        own_server.kill()
        time.sleep(0.1)
        own_server.start()
        elsewhere = Store(etcd=own_server.client(), keys=Keys("/a"))
        if compacts:
            elsewhere.etcd.delete(mine.key)
            revision = elsewhere.etcd.put("/a/x", "1")
            elsewhere.etcd.call("kv/compaction", {"revision": str(revision), "physical": True})
        else:
            wanted.wish(elsewhere, "10020", deploy(2))
        assert mine.overtaken.wait(4)
