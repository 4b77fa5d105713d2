"""The gateway's key in a real etcd, and the file that HAProxy's start looks at."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pydeploy.gateway.presence import Presence
from pydeploy.state.records import Gateway
from pydeploy.state.store import Store


def _state(applied: int) -> Gateway:
    return Gateway(applied=applied, address="127.0.0.1", http_port=80)


@pytest.fixture
def presence(store: Store, tmp_path: Path) -> Iterator[Presence]:
    presence = Presence(store, "a", tmp_path / "in-step", say=print, ttl=2, beat=0.2)
    stop = threading.Event()
    thread = threading.Thread(target=presence.run, args=(stop,), daemon=True)
    thread.start()
    yield presence
    stop.set()
    thread.join(5)


def _wait(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_nothing_is_there_before_something_is_published(presence: Presence, store: Store) -> None:
    """A gateway that has applied nothing is not to be waited for."""
    time.sleep(0.5)
    assert store.gateways() == {}


def test_the_last_state_is_written(presence: Presence, store: Store) -> None:
    for applied in range(1, 50):
        presence.publish(_state(applied))
    _wait(lambda: store.gateways() == {"a": _state(49)})


def test_the_key_outlives_its_lease_while_we_are_alive(presence: Presence, store: Store) -> None:
    presence.publish(_state(1))
    _wait(lambda: "a" in store.gateways())
    time.sleep(3)
    assert "a" in store.gateways()


def test_a_lost_lease_is_replaced(presence: Presence, store: Store) -> None:
    """As after a SIGSTOP that lasted longer than the lease."""
    presence.publish(_state(1))
    _wait(lambda: "a" in store.gateways())
    kv = store.etcd.get(store.keys.gateway("a"))
    assert kv is not None
    store.etcd.revoke(kv.lease)
    _wait(lambda: store.gateways() == {"a": _state(1)})


def test_withdrawing_takes_the_key_at_once(presence: Presence, store: Store) -> None:
    presence.publish(_state(1))
    _wait(lambda: "a" in store.gateways())
    presence.withdraw()
    _wait(lambda: store.gateways() == {})
    presence.publish(_state(2))
    _wait(lambda: store.gateways() == {"a": _state(2)})


def test_in_step_is_touched_only_while_etcd_is_followed(presence: Presence, tmp_path: Path) -> None:
    file = tmp_path / "in-step"
    assert not file.exists()
    presence.follows(True)
    assert file.exists()
    first = file.stat().st_mtime_ns
    _wait(lambda: file.stat().st_mtime_ns > first)
    presence.follows(False)
    time.sleep(0.1)
    last = file.stat().st_mtime_ns
    time.sleep(0.5)
    assert file.stat().st_mtime_ns == last
