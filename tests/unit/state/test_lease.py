"""A lease that lives as long as a block."""

from __future__ import annotations

import threading
import time

import pytest

from pydeploy.clients.etcd import Etcd
from pydeploy.state import lease
from tests.unit.etcd_server import EtcdServer

TTL = 2  # the least that etcd grants


def is_alive(etcd: Etcd, one: int) -> bool:
    return int(etcd.call("lease/timetolive", {"ID": str(one)}).get("TTL", "-1")) > 0


def test_it_outlives_its_time_while_the_block_runs(etcd: Etcd) -> None:
    """And is ended with the block, not only left to run out."""
    lost = threading.Event()
    with lease.kept(etcd, TTL, lost) as mine:
        time.sleep(TTL + 1.5)
        assert is_alive(etcd, mine)
    assert not is_alive(etcd, mine)
    assert not lost.is_set()


def test_it_ends_with_a_failure(etcd: Etcd) -> None:
    """Which is not hidden."""
    with (
        pytest.raises(KeyboardInterrupt),
        lease.kept(etcd, 60, threading.Event()) as mine,
    ):
        raise KeyboardInterrupt
    assert not is_alive(etcd, mine)


def test_a_lease_that_somebody_ended_is_lost(etcd: Etcd) -> None:
    """Noticed with the next sign of life, a third of its time later."""
    lost = threading.Event()
    with lease.kept(etcd, TTL, lost) as mine:
        etcd.revoke(mine)
        assert lost.wait(TTL)


def test_a_lease_of_an_etcd_that_is_away_is_lost(own_server: EtcdServer) -> None:
    """Once it could have run out, and not before; the block ends all the same."""
    lost = threading.Event()
    with lease.kept(own_server.client(), TTL, lost):
        began = time.monotonic()
        own_server.kill()
        assert lost.wait(3 * TTL)
    assert time.monotonic() - began > TTL - 0.1


def test_an_etcd_that_comes_back_in_time(own_server: EtcdServer) -> None:
    """Nothing is lost."""
    lost = threading.Event()
    etcd = own_server.client()
    with lease.kept(etcd, 9, lost) as mine:
        own_server.kill()
        time.sleep(3.5)
        own_server.start()
        time.sleep(3)
        assert is_alive(etcd, mine)
    assert not lost.is_set()


def test_no_thread_stays(etcd: Etcd) -> None:
    """Nobody keeps alive what nobody needs."""
    before = threading.active_count()
    for _ in range(3):
        with lease.kept(etcd, 60, threading.Event()):
            pass
    until = time.monotonic() + 2
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() <= before
