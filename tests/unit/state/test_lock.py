"""One lock per environment: one holder, a fencing token, and it falls with its holder."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pydeploy.clients import etcd as ops
from pydeploy.clients.etcd import Etcd
from pydeploy.errors import CapacityError, ServiceError, Superseded
from pydeploy.state import lock
from pydeploy.state.records import Holder
from pydeploy.state.store import Store
from tests.unit.etcd_server import EtcdServer, wait_until

ME = Holder(holder="me@here:1", since="2026-01-31T12:00:00Z", build_url="http://jenkins/1")
YOU = Holder(holder="you@there:2", since="2026-01-31T12:00:01Z")


@pytest.fixture
def key(store: Store) -> str:
    return store.keys.lock("10020")


@pytest.fixture
def held(etcd: Etcd, key: str) -> Iterator[lock.Held]:
    with lock.hold(etcd, key, ME, wait=0, ttl=60) as mine:
        yield mine


def test_the_token_is_the_create_revision(etcd: Etcd, key: str, held: lock.Held) -> None:
    """etcd compares it: a number that only grows, and that no later holder shares."""
    kv = etcd.get(key)
    assert kv is not None
    assert (kv.create_revision, kv.lease) == (held.token, held.lease)


def test_it_says_who_holds_it(etcd: Etcd, key: str, held: lock.Held) -> None:
    """Who, since when, for which build: for whoever waits."""
    kv = etcd.get(key)
    assert kv is not None
    assert ME == Holder.read(kv.value)


def test_nobody_else_gets_it(etcd: Etcd, key: str, held: lock.Held) -> None:
    """Exit 5 that names the holder, since when, its build, and what to do."""
    with (
        pytest.raises(CapacityError, match=r"10020 is locked by me@here:1 since 2026-01-31"),
        lock.hold(etcd, key, YOU, wait=0),
    ):
        pass
    with (
        pytest.raises(CapacityError, match=r"\(http://jenkins/1\)"),
        lock.hold(etcd, key, YOU, wait=0),
    ):
        pass


def test_it_is_let_go_at_the_end(etcd: Etcd, key: str) -> None:
    """At once, also after a failure; the next holder's token is greater."""
    tokens = []
    for failure in (ServiceError("x", service="x"), Superseded("x"), KeyboardInterrupt()):
        with contextlib.suppress(type(failure)), lock.hold(etcd, key, ME, wait=0) as mine:
            tokens.append(mine.token)
            raise failure
        assert etcd.get(key) is None
    assert sorted(set(tokens)) == tokens


def test_who_did_not_get_it_leaves_nothing(etcd: Etcd, key: str, held: lock.Held) -> None:
    """The holder's key stays; the lease of the one who gave up is revoked."""
    before = len(etcd.call("lease/leases", {}).get("leases", []))
    with pytest.raises(CapacityError), lock.hold(etcd, key, YOU, wait=0):
        pass
    assert before == len(etcd.call("lease/leases", {}).get("leases", []))
    assert etcd.get(key) is not None


def test_whoever_waits_gets_it_at_once(etcd: Etcd, key: str) -> None:
    """When it becomes free, and not at the next look a second later."""
    first = lock.hold(etcd, key, ME, wait=0)
    first.__enter__()
    told: list[str] = []
    got: list[float] = []

    def wait() -> None:
        with lock.hold(etcd, key, YOU, wait=8, on_wait=lambda who: told.append(who.holder)):
            got.append(time.monotonic())

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until(lambda: told)
    time.sleep(0.3)
    free = time.monotonic()
    first.__exit__(None, None, None)
    thread.join(8)
    assert ["me@here:1"] == told
    assert got[0] - free < 0.5


def test_waiting_ends(etcd: Etcd, key: str, held: lock.Held) -> None:
    """After `wait` seconds."""
    began = time.monotonic()
    with pytest.raises(CapacityError), lock.hold(etcd, key, YOU, wait=1):
        pass
    assert 0.9 < time.monotonic() - began < 3


def test_waiting_is_broken_off(etcd: Etcd, key: str, held: lock.Held) -> None:
    """`check` is asked about every second: who was superseded does not wait for its turn."""

    def check() -> None:
        raise Superseded("patchset 3")

    began = time.monotonic()
    with pytest.raises(Superseded), lock.hold(etcd, key, YOU, wait=60, check=check):
        pass
    assert time.monotonic() - began < 3


def test_mutual_exclusion_among_threads(etcd: Etcd, key: str) -> None:
    """Of many who wait for their turn, never two are inside."""
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        with lock.hold(etcd, key, ME, wait=30):
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.01)
            inside.remove(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(24)))
    assert (24, 1) == (len(most), max(most))


_PROGRAM = """
import sys, time
from pydeploy.clients import etcd as ops
from pydeploy.clients.etcd import Etcd
from pydeploy.state import lock
from pydeploy.state.records import Holder
url, key, what = sys.argv[1:]
etcd = Etcd((url,))
with lock.hold(etcd, key, Holder(holder="child", since="now"), wait=20, ttl=2) as held:
    if what == "count":
        value = int(etcd.get(key + ".count").value)
        time.sleep(0.02)
        etcd.put(key + ".count", str(value + 1))
    else:
        print("held", flush=True)
        sys.stdin.readline()
        answer = etcd.txn([held.still()], [ops.put(key + ".written", "late")])
        print(answer.succeeded, held.lost.wait(3), flush=True)
"""


def child(server: EtcdServer, key: str, what: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", _PROGRAM, server.url, key, what]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_mutual_exclusion_among_processes(etcd_server: EtcdServer, etcd: Etcd, key: str) -> None:
    """A read and a write under the lock are never torn apart by another process."""
    etcd.put(f"{key}.count", "0")
    children = [child(etcd_server, key, "count") for _ in range(6)]
    assert [0] * 6 == [one.wait(20) for one in children]
    kv = etcd.get(f"{key}.count")
    assert kv is not None
    assert "6" == kv.value


def test_the_dead_let_go_by_themselves(etcd_server: EtcdServer, etcd: Etcd, key: str) -> None:
    """After `kill -9`, within the time to live."""
    holder = child(etcd_server, key, "hold")
    assert holder.stdout is not None
    assert "held\n" == holder.stdout.readline()
    holder.kill()
    holder.wait(5)
    with lock.hold(etcd, key, YOU, wait=8):
        pass


def test_who_slept_beyond_the_lease_changes_nothing(
    etcd_server: EtcdServer, etcd: Etcd, key: str
) -> None:
    """SIGSTOP, another takes the lock, SIGCONT: the write on the token's condition fails, and
    `lost` is set."""
    sleeper = child(etcd_server, key, "hold")
    assert sleeper.stdin is not None
    assert sleeper.stdout is not None
    assert "held\n" == sleeper.stdout.readline()
    sleeper.send_signal(signal.SIGSTOP)
    with lock.hold(etcd, key, YOU, wait=8):
        sleeper.send_signal(signal.SIGCONT)
        sleeper.stdin.write("\n")
        sleeper.stdin.flush()
        assert "False True\n" == sleeper.stdout.readline()
        assert etcd.get(f"{key}.written") is None
        sleeper.wait(5)
        assert etcd.get(key) is not None  # the sleeper's own end did not take our lock away


def test_while_it_works_the_lock_stays(etcd: Etcd, key: str) -> None:
    """It is kept alive for longer than its time to live."""
    with lock.hold(etcd, key, ME, wait=0, ttl=2) as mine:
        time.sleep(3.5)
        assert etcd.txn([mine.still()], []).succeeded
        assert not mine.lost.is_set()


def test_a_lease_that_went_sets_lost(etcd: Etcd, key: str) -> None:
    """Soon, so that the work stops; the event may be the caller's own."""
    lost = threading.Event()
    with lock.hold(etcd, key, ME, wait=0, ttl=2, lost=lost) as mine:
        etcd.revoke(mine.lease)
        assert lost.wait(2)
        assert not etcd.txn([mine.still()], []).succeeded


def test_etcd_away_for_longer_than_the_lease_sets_lost(own_server: EtcdServer) -> None:
    """Who cannot know that he still holds it must not rely on it; a short absence is nothing."""
    etcd = own_server.client(timeout=0.5)
    with lock.hold(etcd, "/lock", ME, wait=0, ttl=3) as mine:
        own_server.kill()
        assert not mine.lost.wait(1.5)
        assert mine.lost.wait(4)


def test_the_condition_holds_only_for_this_hold(etcd: Etcd, key: str) -> None:
    """The same key, held again, does not make an old token good."""
    with lock.hold(etcd, key, ME, wait=0) as old:
        assert etcd.txn([old.still()], []).succeeded
    with lock.hold(etcd, key, ME, wait=0) as new:
        assert [False, True] == [etcd.txn([one.still()], []).succeeded for one in (old, new)]


def test_a_write_whose_answer_was_lost_is_recognised(
    etcd: Etcd, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock that is there on our own lease is ours; its token is the key's."""
    send, calls = etcd.txn, []

    def refused_once(*arguments: list[ops.Compare]) -> ops.TxnResult:
        calls.append(1)
        answer = send(*arguments)
        return send(*arguments) if len(calls) == 1 else answer

    monkeypatch.setattr(etcd, "txn", refused_once)
    with lock.hold(etcd, key, ME, wait=0) as mine:
        kv = etcd.get(key)
        assert kv is not None
        assert kv.create_revision == mine.token
