"""Who works for an environment, and waiting until nobody does."""

from __future__ import annotations

import threading
import time

import pytest

from pydeploy.errors import ServiceError
from pydeploy.state import work
from pydeploy.state.records import Holder
from pydeploy.state.store import Store

ME = Holder(holder="me@here:1", since="2026-01-31T12:00:00Z", patchset=3)
YOU = Holder(holder="you@there:2", since="2026-01-31T12:00:01Z")


def workers(store: Store, environment: str) -> list[str]:
    kvs = store.etcd.range(store.keys.work(environment)).kvs
    return sorted(Holder.read(kv.value).holder for kv in kvs)


def waited(store: Store, environment: str, limit: float, stop: threading.Event) -> tuple[bool, int]:
    """(what was found, seconds that it took)."""
    began = time.monotonic()
    found = work.wait_idle(store, environment, limit, stop)
    return found, round(time.monotonic() - began)


def test_it_is_said_for_the_block(store: Store) -> None:
    """By whom, on a lease, so that who dies stops saying it."""
    with work.announced(store, "10020", ME, 60):
        (kv,) = store.etcd.range(store.keys.work("10020")).kvs
        assert ME == Holder.read(kv.value)
        assert f"{store.keys.work('10020')}{kv.lease:x}" == kv.key
    assert [] == workers(store, "10020")


def test_it_is_no_longer_said_after_a_failure(store: Store) -> None:
    """Whatever it was."""
    with (
        pytest.raises(ServiceError),
        work.announced(store, "10020", ME, 60),
    ):
        raise ServiceError("away", service="docker")
    assert [] == workers(store, "10020")


def test_several_may_work_for_one(store: Store) -> None:
    """They wait for each other's lock later; each says it for itself."""
    with work.announced(store, "10020", ME, 60):
        with work.announced(store, "10020", YOU, 60):
            assert ["me@here:1", "you@there:2"] == workers(store, "10020")
        assert ["me@here:1"] == workers(store, "10020")


def test_nobody_works(store: Store) -> None:
    """Known at once; who works for another environment whose name begins alike does not count."""
    with work.announced(store, "100201", ME, 60):
        assert (True, 0) == waited(store, "10020", 5, threading.Event())


def test_work_that_ends_is_waited_for(store: Store) -> None:
    """And no longer than it takes."""
    with work.announced(store, "10020", ME, 60):
        (kv,) = store.etcd.range(store.keys.work("10020")).kvs
        timer = threading.Timer(1, lambda: store.etcd.delete(kv.key))
        timer.start()
        assert (True, 1) == waited(store, "10020", 8, threading.Event())


def test_somebody_dead_is_forgotten(store: Store) -> None:
    """With the lease that nobody keeps alive."""
    key = f"{store.keys.work('10020')}dead"
    store.etcd.put(key, ME.text(), lease=store.etcd.grant(2))
    assert work.wait_idle(store, "10020", 8, threading.Event())


def test_work_that_does_not_end(store: Store) -> None:
    """Is waited for until the limit, which is no error."""
    with work.announced(store, "10020", ME, 60):
        assert (False, 1) == waited(store, "10020", 1, threading.Event())


def test_waiting_can_be_stopped(store: Store) -> None:
    """By a newer wish: within about a second."""
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with work.announced(store, "10020", ME, 60):
        found, seconds = waited(store, "10020", 30, stop)
    assert not found
    assert seconds <= 2
