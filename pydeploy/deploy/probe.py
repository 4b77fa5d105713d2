"""Direct probes: does a port accept, does it answer HTTP, and with what status?"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

# Docker's userland proxy accepts for a container that does not listen, and closes at once:
# a connection counts only when it is still open after this many seconds.
_SETTLE = 0.05


def accepts(address: str, port: int, *, timeout: float = 1.0) -> bool:
    """True when something behind the TCP port keeps the connection, or talks first."""
    try:
        with socket.create_connection((address, port), timeout=timeout) as connection:
            connection.settimeout(_SETTLE)
            try:
                return connection.recv(1) != b""
            except TimeoutError:
                return True
    except OSError:
        return False


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`kind`: http (with `status`), silent (accepted, no answer in time), other, or closed."""

    kind: Literal["http", "silent", "other", "closed"]
    status: int = 0
    detail: str = ""


def ask(
    address: str,
    port: int,
    *,
    host: str,
    path: str = "/",
    timeout: float = 5.0,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """One GET to address:port for `host`; redirects are not followed.

    The status counts as soon as the head has come; a body, which may be an endless stream, is not
    waited for.  It is over after `timeout` seconds, however slowly the other side drips.
    """
    connection = (
        _NamedHttps(host, address, port, timeout, tls)
        if tls
        else http.client.HTTPConnection(address, port, timeout=timeout)
    )
    limit = _Limit(timeout)
    try:
        connection.connect()
        with limit.on(connection.sock):
            connection.request("GET", path, headers={"Host": host, "User-Agent": "pydeploy"})
            status = connection.getresponse().status
        answer = Answer(kind="http", status=status)
    except TimeoutError:
        answer = Answer(kind="silent", detail=f"no answer within {timeout:g} s")
    except (http.client.RemoteDisconnected, ConnectionError) as problem:
        answer = Answer(kind="closed", detail=str(problem))
    except (http.client.HTTPException, ValueError) as problem:
        answer = Answer(kind="other", detail=f"not HTTP: {type(problem).__name__}")
    except OSError as problem:
        answer = Answer(kind="closed", detail=str(problem))
    finally:
        connection.close()
    if limit.is_over:  # what came is what we cut
        return Answer(kind="silent", detail=f"no whole answer within {timeout:g} s")
    return answer


class _Limit:
    """Shuts a socket when its time is over: a socket's own timeout begins anew at each byte."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.is_over = False

    @contextlib.contextmanager
    def on(self, connected: socket.socket) -> Iterator[None]:
        def shut() -> None:
            self.is_over = True
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(self._seconds, shut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


class _NamedHttps(http.client.HTTPSConnection):
    """Connects to an address, but asks (SNI, certificate) for a name."""

    def __init__(
        self, name: str, address: str, port: int, timeout: float, tls: ssl.SSLContext
    ) -> None:
        super().__init__(name, port, timeout=timeout, context=tls)
        self._target = (address, port)
        self._tls = tls

    def connect(self) -> None:
        plain = socket.create_connection(self._target, self.timeout)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)


def is_port_free(address: str, port: int) -> bool:
    """True when nothing on this machine listens on address:port, by TCP or by UDP."""
    return all(_can_bind(kind, address, port) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM))


def _can_bind(kind: socket.SocketKind, address: str, port: int) -> bool:
    with socket.socket(type=kind) as trial:
        if kind == socket.SOCK_STREAM:  # what lingers from a connection that ended does not count
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((address, port))
        except OSError:
            return False
        return True
