"""Direct probes, on real sockets."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from pydeploy.deploy import probe
from tests.unit.etcd_server import free_ports

Behaviour = Callable[[socket.socket], None]


@contextlib.contextmanager
def serving(behave: Behaviour) -> Iterator[int]:
    """A server that treats each connection as `behave` says; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=one, args=server.accept()[:1], daemon=True).start()

        def one(connection: socket.socket) -> None:
            with contextlib.suppress(OSError), connection:
                behave(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def close_at_once(connection: socket.socket) -> None:
    """As docker-proxy does for a container that does not listen."""


def silent(connection: socket.socket) -> None:
    while connection.recv(1000):
        pass


def says(text: bytes, *, then_stay: bool = False) -> Behaviour:
    """Sends `text` once a request has come."""

    def behave(connection: socket.socket) -> None:
        connection.recv(10_000)
        connection.sendall(text)
        if then_stay:
            silent(connection)

    return behave


def talks_first(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
    silent(connection)


def drips(connection: socket.socket) -> None:
    """A byte now and then, for ever: a socket's own timeout never comes."""
    connection.recv(10_000)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.1)


def resets(connection: socket.socket) -> None:
    connection.recv(10_000)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


# -- does it accept ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behave", "expected"),
    [(silent, True), (talks_first, True), (close_at_once, False)],
)
def test_what_accepts(behave: Behaviour, expected: bool) -> None:
    """A connection counts when it stays open or talks; one that is closed at once does not."""
    with serving(behave) as port:
        assert expected == probe.accepts("127.0.0.1", port)


def test_nothing_accepts_where_nothing_listens() -> None:
    """And that is known at once."""
    began = time.monotonic()
    assert not probe.accepts("127.0.0.1", free_ports(1)[0])
    assert time.monotonic() - began < 0.5


# -- what does it answer ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("behave", "kind", "status"),
    [
        (says(OK), "http", 200),
        (says(b"HTTP/1.0 503 Not yet\r\n\r\n"), "http", 503),
        (says(b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.test/\r\n\r\n"), "http", 302),
        (says(b"HTTP/1.1 204 No Content\r\n\r\n"), "http", 204),
        (says(b"HTTP/1.1 200 OK\r\n\r\n", then_stay=True), "http", 200),
        (
            says(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nonly some", then_stay=True),
            "http",
            200,
        ),
        (
            says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n"),
            "http",
            200,
        ),
        (silent, "silent", 0),
        (drips, "silent", 0),
        (says(b"HTTP/1.1 200 OK\r\n", then_stay=True), "silent", 0),
        (close_at_once, "closed", 0),
        (resets, "closed", 0),
        (talks_first, "other", 0),
        (says(b"\x00\xff\x15\x03\x01\r\n\r\n"), "other", 0),
        (says(b"x" * 100_000), "other", 0),
        (says(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 500 + b"\r\n"), "other", 0),
        (says(b"HTTP/1.1 abc OK\r\n\r\n"), "other", 0),
    ],
)
def test_what_answers(behave: Behaviour, kind: str, status: int) -> None:
    """HTTP by its status, whatever follows the head; silence, a closed door, or something else.
    Redirects are an answer and are not followed.  All of it within the timeout."""
    began = time.monotonic()
    with serving(behave) as port:
        found = probe.ask("127.0.0.1", port, host="10020.test", timeout=0.6)
    assert (kind, status) == (found.kind, found.status)
    assert time.monotonic() - began < 1.2


def test_nothing_listens() -> None:
    """Closed, and why."""
    found = probe.ask("127.0.0.1", free_ports(1)[0], host="x")
    assert ("closed", True) == (found.kind, "refused" in found.detail)


def test_what_is_asked() -> None:
    """One GET of the path, for the environment's host."""
    heard: list[bytes] = []

    def listen(connection: socket.socket) -> None:
        heard.append(connection.recv(10_000))
        connection.sendall(OK)

    with serving(listen) as port:
        probe.ask("127.0.0.1", port, host="10020.test", path="/health?a=b")
    lines = heard[0].decode().split("\r\n")
    assert "GET /health?a=b HTTP/1.1" == lines[0]
    assert {"Host: 10020.test", "User-Agent: pydeploy"} <= set(lines)
    assert 1 == len(heard)


def test_no_thread_stays() -> None:
    """Thousands of probes leave nothing behind."""
    before = threading.active_count()
    with serving(says(OK)) as port:
        for _ in range(20):
            probe.ask("127.0.0.1", port, host="x", timeout=30)
    until = time.monotonic() + 2
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() <= before


# -- is a port free ---------------------------------------------------------------------


def test_a_port_that_is_listened_on_is_not_free() -> None:
    """Also where it is listened on at every address."""
    for address in ("127.0.0.1", "0.0.0.0"):
        with socket.create_server((address, 0)) as server:
            assert not probe.is_port_free("127.0.0.1", server.getsockname()[1])


def test_a_port_that_is_taken_by_udp_alone_is_not_free() -> None:
    """A release may publish it by either; a claim is of both."""
    for address in ("127.0.0.1", "0.0.0.0"):
        with socket.socket(type=socket.SOCK_DGRAM) as taken:
            taken.bind((address, 0))
            assert not probe.is_port_free("127.0.0.1", taken.getsockname()[1])


def test_a_free_port_is_free() -> None:
    """Asking does not take it."""
    (port,) = free_ports(1)
    assert [True, True] == [probe.is_port_free("127.0.0.1", port) for _ in range(2)]


def test_a_port_of_a_connection_that_has_just_ended_is_free() -> None:
    """TIME_WAIT does not count: Docker can listen there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        server.accept()[0].close()
        client.close()
    assert probe.is_port_free("127.0.0.1", port)


def test_an_address_that_is_not_ours_has_no_free_port() -> None:
    """Nothing could be published there."""
    assert not probe.is_port_free("192.0.2.1", 20000)
