"""The etcd client against a real etcd: keys, transactions, leases, watches, and its absence."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from pydeploy.clients import etcd as ops
from pydeploy.clients.etcd import Batch, Compacted, Etcd, WatchLost
from pydeploy.errors import ServiceError
from tests.unit.etcd_server import EtcdServer, free_ports, wait_until


@pytest.fixture
def root() -> str:
    """A prefix that no other test uses."""
    return f"/test/{uuid.uuid4().hex}"


class Watcher:
    """Follows a watch in a thread."""

    def __init__(self, etcd: Etcd, prefix: str, *, after: int, single: bool = False) -> None:
        self.batches: list[Batch] = []
        self.problem: BaseException | None = None
        self.stop = threading.Event()
        self._thread = threading.Thread(
            target=self._follow, args=(etcd, prefix, after, single), daemon=True
        )
        self._thread.start()

    def _follow(self, etcd: Etcd, prefix: str, after: int, single: bool) -> None:
        try:
            for batch in etcd.watch(prefix, after=after, single=single, stop=self.stop):
                self.batches.append(batch)
        except BaseException as problem:
            self.problem = problem

    @property
    def seen(self) -> list[tuple[str, str, str]]:
        return [
            (event.kind, event.kv.key.rpartition("/")[2], event.kv.value)
            for batch in self.batches
            for event in batch.events
        ]

    def ended(self, seconds: float) -> bool:
        self._thread.join(seconds)
        return not self._thread.is_alive()


@pytest.fixture
def watch(etcd: Etcd) -> Iterator[Callable[..., Watcher]]:
    watchers: list[Watcher] = []

    def begin(*arguments: str, **options: int | bool) -> Watcher:
        watchers.append(Watcher(etcd, *arguments, **options))  # type: ignore[arg-type]
        return watchers[-1]

    yield begin
    for one in watchers:
        one.stop.set()
        assert one.ended(3)


# -- keys -------------------------------------------------------------------------------


def test_put_and_get(etcd: Etcd, root: str) -> None:
    """A value comes back as it was, with the revisions of its key."""
    first = etcd.put(f"{root}/a", "ä\n")
    second = etcd.put(f"{root}/a", "")
    kv = etcd.get(f"{root}/a")
    assert kv is not None
    assert ("", first, second, 0) == (kv.value, kv.create_revision, kv.mod_revision, kv.lease)


def test_a_missing_key(etcd: Etcd, root: str) -> None:
    """None, and not an empty value."""
    assert etcd.get(f"{root}/a") is None


def test_a_key_that_is_no_text(etcd: Etcd, root: str) -> None:
    """A name from a command line may be any bytes: it does not exist, that is all."""
    assert etcd.get(f"{root}/\udcff") is None


def test_range(etcd: Etcd, root: str) -> None:
    """All keys below the prefix, sorted, and not its neighbours."""
    for name in ("b", "a", "a/x"):
        etcd.put(f"{root}/{name}", name)
    last = etcd.put(f"{root}0", "a neighbour")  # '0' follows '/'
    found = etcd.range(f"{root}/")
    assert ["a", "a/x", "b"] == [kv.value for kv in found.kvs]
    assert found.revision >= last


def test_range_in_the_past(etcd: Etcd, root: str) -> None:
    """As it was at a revision."""
    then = etcd.put(f"{root}/a", "old")
    etcd.put(f"{root}/a", "new")
    assert ["old"] == [kv.value for kv in etcd.range(f"{root}/", revision=then).kvs]


def test_range_of_what_was_written_since(etcd: Etcd, root: str) -> None:
    """At that revision or after it, in the order of keys."""
    etcd.put(f"{root}/a", "old")
    since = etcd.put(f"{root}/c", "new")
    etcd.put(f"{root}/b", "newer")
    assert ["newer", "new"] == [kv.value for kv in etcd.range(f"{root}/", since=since).kvs]


def test_the_first_key(etcd: Etcd, root: str) -> None:
    """Below the prefix; None where there is none."""
    etcd.put(f"{root}0", "a neighbour")
    assert etcd.first(f"{root}/") is None
    for name in ("b", "a"):
        etcd.put(f"{root}/{name}", name)
    first = etcd.first(f"{root}/")
    assert first is not None
    assert "a" == first.value


def test_the_last_keys(etcd: Etcd, root: str) -> None:
    """From the last one on; within bounds, and as it was at a revision."""
    for name in "abcd":
        etcd.put(f"{root}/{name}", name)
    then = etcd.put(f"{root}0", "a neighbour")
    etcd.put(f"{root}/e", "e")

    def last(**bounds: Any) -> str:
        return "".join(kv.value for kv in etcd.last(f"{root}/", limit=3, **bounds))

    assert "edc" == last()
    assert "dcb" == last(revision=then)
    assert "cb" == last(start=f"{root}/b", before=f"{root}/d")


def test_delete(etcd: Etcd, root: str) -> None:
    """One key, or all below a prefix with their number."""
    for name in ("a", "b", "c"):
        etcd.put(f"{root}/{name}", name)
    assert etcd.delete(f"{root}/a") > 0
    assert etcd.delete(f"{root}/a") > 0
    assert 2 == etcd.delete_prefix(f"{root}/")
    assert () == etcd.range(f"{root}/").kvs


def test_ten_thousand_keys(etcd: Etcd, root: str) -> None:
    """A large answer is read whole."""
    for first in range(0, 10_000, 1000):
        operations = [ops.put(f"{root}/{one:05}", "x" * 50) for one in range(first, first + 1000)]
        etcd.txn([], operations)
    found = etcd.range(f"{root}/").kvs
    assert (10_000, f"{root}/09999") == (len(found), found[-1].key)


# -- transactions -----------------------------------------------------------------------


def test_a_transaction_holds(etcd: Etcd, root: str) -> None:
    """All of it at one revision."""
    a, b = f"{root}/a", f"{root}/b"
    answer = etcd.txn([ops.equal(a, "CREATE", 0)], [ops.put(a, "1"), ops.put(b, "2")])
    assert answer.succeeded
    assert [answer.revision] * 2 == [kv.mod_revision for kv in etcd.range(f"{root}/").kvs]


def test_a_transaction_does_not_hold(etcd: Etcd, root: str) -> None:
    """None of it; what was to be fetched instead comes back."""
    a = f"{root}/a"
    etcd.put(a, "mine")
    answer = etcd.txn([ops.equal(a, "CREATE", 0)], [ops.put(a, "yours")], [ops.fetch(a)])
    assert (False, "mine") == (answer.succeeded, answer.ranges[0][0].value)


def test_fetching_what_is_not_there(etcd: Etcd, root: str) -> None:
    """Is an empty range; one per fetch, whatever stands between them."""
    a, b = f"{root}/a", f"{root}/b"
    etcd.put(f"{root}/d", "3")
    operations = [ops.fetch(a), ops.put(b, "2"), ops.delete(f"{root}/c"), ops.fetch(f"{root}/d")]
    answer = etcd.txn([], operations)
    assert [0, 1] == [len(found) for found in answer.ranges]


@pytest.mark.parametrize("target", ["CREATE", "MOD", "VERSION"])
def test_conditions(etcd: Etcd, root: str, target: ops.Target) -> None:
    """Each holds for its number and for no other."""
    key = f"{root}/a"
    etcd.put(key, "1")
    etcd.put(key, "2")
    kv = etcd.get(key)
    assert kv is not None
    number = {"CREATE": kv.create_revision, "MOD": kv.mod_revision, "VERSION": 2}[target]
    assert [True, False] == [
        etcd.txn([ops.equal(key, target, value)], []).succeeded for value in (number, number + 1)
    ]


def test_one_of_many_wins(etcd: Etcd, root: str) -> None:
    """Of 40 transactions that create one key, exactly one succeeds."""
    key = f"{root}/a"

    def create(number: int) -> bool:
        return etcd.txn([ops.equal(key, "CREATE", 0)], [ops.put(key, str(number))]).succeeded

    with ThreadPoolExecutor(20) as pool:
        assert 1 == sum(pool.map(create, range(40)))


# -- leases -----------------------------------------------------------------------------


def test_a_lease_takes_its_keys_along(etcd: Etcd, root: str) -> None:
    """Revoked, its keys go at once; keeping it alive then says 0."""
    lease = etcd.grant(60)
    etcd.put(f"{root}/a", "1", lease=lease)
    kv = etcd.get(f"{root}/a")
    assert kv is not None
    assert (lease, 60) == (kv.lease, etcd.keep_alive(lease))
    etcd.revoke(lease)
    assert (None, 0) == (etcd.get(f"{root}/a"), etcd.keep_alive(lease))


def test_a_lease_that_is_not_kept_alive_ends(etcd: Etcd, root: str) -> None:
    """By itself; that is how the locks of the dead fall."""
    lease = etcd.grant(1)
    etcd.put(f"{root}/a", "1", lease=lease)
    wait_until(lambda: etcd.get(f"{root}/a") is None)
    assert 0 == etcd.keep_alive(lease)


def test_a_put_on_a_lease_that_is_gone_is_refused(etcd: Etcd, root: str) -> None:
    """With etcd's own reason."""
    with pytest.raises(ServiceError, match="requested lease not found"):
        etcd.put(f"{root}/a", "1", lease=12345)


# -- watching ---------------------------------------------------------------------------


def test_a_watch_sees_what_comes_after(
    etcd: Etcd, root: str, watch: Callable[..., Watcher]
) -> None:
    """Every event after the revision, in order, and of the prefix only."""
    then = etcd.put(f"{root}/a", "before")
    etcd.put(f"{root}/a", "1")
    found = watch(f"{root}/", after=then)
    etcd.put(f"{root}0", "a neighbour")
    etcd.delete(f"{root}/a")
    wait_until(lambda: len(found.seen) == 2)
    assert [("put", "a", "1"), ("delete", "a", "")] == found.seen


def test_a_transaction_is_one_batch(etcd: Etcd, root: str, watch: Callable[..., Watcher]) -> None:
    """So that what belongs together is applied together; with the revision it is up to."""
    found = watch(f"{root}/", after=etcd.put(f"{root}0", "now"))
    answer = etcd.txn([], [ops.put(f"{root}/{name}", name) for name in "abc"])
    wait_until(lambda: found.seen)
    (batch,) = (one for one in found.batches if one.events)
    assert (3, answer.revision) == (len(batch.events), batch.revision)


def test_a_watch_of_one_key(etcd: Etcd, root: str, watch: Callable[..., Watcher]) -> None:
    """`single` does not see keys that only begin alike."""
    found = watch(f"{root}/a", after=etcd.put(f"{root}/z", "now"), single=True)
    etcd.put(f"{root}/ab", "no")
    etcd.put(f"{root}/a", "yes")
    wait_until(lambda: found.seen)
    assert [("put", "a", "yes")] == found.seen


def test_stop_ends_a_watch_within_a_second(
    etcd: Etcd, root: str, watch: Callable[..., Watcher]
) -> None:
    """Quietly: no error, and no thread is left."""
    before = threading.active_count()
    found = watch(f"{root}/", after=etcd.put(f"{root}/a", "1"))
    time.sleep(0.2)
    found.stop.set()
    assert found.ended(1.0)
    assert found.problem is None
    wait_until(lambda: threading.active_count() <= before, 2)


def test_who_leaves_a_watch_leaves_nothing_behind(
    etcd: Etcd, root: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Leaving at the first event and then setting `stop`: no thread complains or stays."""
    before = threading.active_count()
    for _ in range(20):
        stop = threading.Event()
        then = etcd.put(f"{root}/a", "1")
        etcd.put(f"{root}/a", "2")
        for batch in etcd.watch(f"{root}/a", after=then, single=True, stop=stop):
            if batch.events:
                break
        stop.set()
    wait_until(lambda: threading.active_count() <= before, 2)
    assert "" == capfd.readouterr().err


def test_a_compacted_watch_is_lost(own_server: EtcdServer) -> None:
    """What happened before is no longer known; that is told apart from a lost connection."""
    etcd = own_server.client()
    then = etcd.put("/a", "1")
    now = etcd.put("/a", "2")
    etcd.call("kv/compaction", {"revision": str(now), "physical": True})
    found = Watcher(etcd, "/", after=then - 1)
    assert found.ended(3)
    assert isinstance(found.problem, Compacted)
    assert f"compacted up to revision {now}" == str(found.problem)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_watch_is_lost_with_the_server(own_server: EtcdServer, how: str) -> None:
    """Whether it ended in order or not; afterwards a new watch goes on where that one was."""
    etcd = own_server.client()
    then = etcd.put("/a", "1")
    found = Watcher(etcd, "/", after=then)
    time.sleep(0.2)
    getattr(own_server, how)()
    assert found.ended(8)
    assert isinstance(found.problem, WatchLost)
    own_server.start()
    etcd.put("/a", "2")
    again = Watcher(etcd, "/", after=then)
    wait_until(lambda: again.seen)
    again.stop.set()
    assert [("put", "a", "2")] == again.seen


def test_progress_notices(tmp_path: Path) -> None:
    """An idle watch says up to which revision nothing has happened."""
    server = EtcdServer(tmp_path, "--experimental-watch-progress-notify-interval", "200ms").start()
    try:
        etcd = server.client()
        found = Watcher(etcd, "/quiet/", after=etcd.put("/a", "1"))
        now = etcd.put("/elsewhere", "1")
        wait_until(lambda: found.batches and found.batches[-1].revision >= now)
        found.stop.set()
        assert [] == found.seen
    finally:
        server.kill()


# -- when it does not answer ------------------------------------------------------------


def assert_fails_within(seconds: float, act: Callable[[], object]) -> ServiceError:
    began = time.monotonic()
    with pytest.raises(ServiceError) as refused:
        act()
    assert time.monotonic() - began < seconds
    assert ("etcd", 6) == (refused.value.service, refused.value.exit_code)
    return refused.value


def test_etcd_is_down() -> None:
    """Exit 6 at once, with the address and what to do."""
    (port,) = free_ports(1)
    failure = assert_fails_within(3, lambda: Etcd((f"http://127.0.0.1:{port}",)).get("/a"))
    assert f"etcd does not answer at http://127.0.0.1:{port}" == failure.message
    assert "pydeploy doctor" in failure.hint


def test_a_watch_while_etcd_is_down() -> None:
    """The same."""
    (port,) = free_ports(1)
    etcd = Etcd((f"http://127.0.0.1:{port}",))
    assert_fails_within(3, lambda: next(etcd.watch("/", after=1)))


def test_the_next_endpoint_is_asked(etcd_server: EtcdServer, root: str) -> None:
    """The first one is dead: nothing was sent, so the second may be asked."""
    (port,) = free_ports(1)
    etcd = Etcd((f"http://127.0.0.1:{port}", f"{etcd_server.url}/"))
    began = time.monotonic()
    etcd.put(f"{root}/a", "1")
    found = Watcher(etcd, f"{root}/", after=0)
    wait_until(lambda: found.seen)
    found.stop.set()
    assert time.monotonic() - began < 1


@contextlib.contextmanager
def black_hole() -> Iterator[str]:
    """Accepts, reads, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_an_endpoint_that_never_answers() -> None:
    """Gives up after `timeout`."""
    with black_hole() as url:
        assert_fails_within(1.5, lambda: Etcd((url,), timeout=0.5).get("/a"))


def test_what_was_sent_is_not_sent_again(etcd_server: EtcdServer, root: str) -> None:
    """It may have been carried out: another endpoint is not asked."""
    with black_hole() as url:
        etcd = Etcd((url, etcd_server.url), timeout=0.5)
        assert_fails_within(1.5, lambda: etcd.put(f"{root}/a", "1"))
    assert etcd_server.client().get(f"{root}/a") is None


@pytest.mark.parametrize(
    ("status", "body"),
    [(404, b"nope"), (200, b"<html>"), (200, b"[]"), (200, b"{}"), (200, b'"x"'), (502, b"{}")],
)
def test_something_else_answers(status: int, body: bytes) -> None:
    """Another server on that port is no etcd: the operator's, and no bug."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        etcd = Etcd((f"http://127.0.0.1:{server.server_port}",))
        for act in (lambda: etcd.put("/a", "1"), lambda: etcd.range("/"), lambda: etcd.grant(5)):
            assert_fails_within(2, act)
        with pytest.raises((WatchLost, ServiceError)):
            next(etcd.watch("/", after=1))
    finally:
        server.shutdown()
        server.server_close()


def test_a_host_that_vanished_is_noticed(etcd: Etcd) -> None:
    """The kernel asks for it on a silent connection: 10 s, then 4 times every 5 s."""
    etcd.status()
    connection: Any = etcd._pool.connection_from_url(etcd.endpoints[0])._get_conn()
    wanted = {socket.TCP_KEEPIDLE: 10, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 4}
    assert connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert wanted == {one: connection.sock.getsockopt(socket.IPPROTO_TCP, one) for one in wanted}
    assert connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_it_recovers_after_a_restart(own_server: EtcdServer) -> None:
    """The same client goes on: connections from before do not stand in the way."""
    etcd = own_server.client()
    etcd.put("/a", "1")
    own_server.kill()
    assert_fails_within(3, lambda: etcd.get("/a"))
    own_server.start()
    assert etcd.get("/a") is not None


def test_threads_share_one_client(etcd: Etcd, root: str) -> None:
    """Answers never get mixed up."""

    def both(number: int) -> bool:
        etcd.put(f"{root}/{number}", str(number))
        kv = etcd.get(f"{root}/{number}")
        return kv is not None and kv.value == str(number)

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(both, range(200)))


# -- with a password --------------------------------------------------------------------


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[EtcdServer]:
    """An etcd with authentication, whose tokens live one second."""
    server = EtcdServer(tmp_path, "--auth-token-ttl", "1").start()
    etcd = server.client()
    etcd.call("auth/user/add", {"name": "root", "password": "geheim"})
    etcd.call("auth/role/add", {"name": "root"})
    etcd.call("auth/user/grant", {"user": "root", "role": "root"})
    etcd.call("auth/enable", {})
    yield server
    server.kill()


def test_login(locked: EtcdServer) -> None:
    """With the password it works, without it is refused, and no message shows it."""
    assert locked.client(username="root", password="geheim").put("/a", "1") > 0
    for wrong in ({}, {"username": "root", "password": "falsch-geheim"}):
        failure = assert_fails_within(3, lambda wrong=wrong: locked.client(**wrong).get("/a"))
        assert "geheim" not in failure.message


def test_a_token_that_has_run_out(locked: EtcdServer) -> None:
    """Requests and watches log in again by themselves."""
    etcd = locked.client(username="root", password="geheim")
    then = etcd.put("/a", "1")
    time.sleep(2.2)
    assert etcd.put("/a", "2") > then
    time.sleep(2.2)
    with contextlib.suppress(WatchLost):  # the first one may learn that the token is too old
        next(etcd.watch("/", after=then))
    assert "2" == next(etcd.watch("/", after=then)).events[0].kv.value


# -- a second opinion -------------------------------------------------------------------


def test_etcdctl_reads_what_we_wrote(etcd_server: EtcdServer, etcd: Etcd, root: str) -> None:
    """etcd's own client sees the same: nothing of ours is encoded twice."""
    etcd.put(f"{root}/ä", '{"ü": "\\n"}')
    argv = ["etcdctl", "--endpoints", etcd_server.url, "get", f"{root}/ä", "--print-value-only"]
    got = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    assert '{"ü": "\\n"}\n' == got


def test_status(etcd: Etcd) -> None:
    """What `pydeploy doctor` shows: version and size; no alarms."""
    assert etcd.status()["version"].startswith("3.")
    assert int(etcd.status()["dbSize"]) > 0
    assert [] == etcd.alarms()
