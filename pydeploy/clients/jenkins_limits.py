"""How long one request may take, in total.

urllib3 sends a body under the limit for the connect, which is short, and counts the limit for an
answer anew with each byte that comes.  Here a body gets time by its size, and who answers too
slowly is cut off.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

_SLOWEST = 256 << 10  # bytes a second that an upload makes at the least


class LimitedAdapter(HTTPAdapter):
    """For one thread: it knows the socket that is in use."""

    def __init__(self, *, connect: float, answer: float) -> None:
        self._connect, self._answer = connect, answer
        self._socket: socket.socket | None = None  # http.client forgets it before a last answer
        super().__init__()

    def init_poolmanager(self, *given: Any, **options: Any) -> None:
        super().init_poolmanager(*given, **options)
        self.poolmanager.pool_classes_by_scheme = _pools(self)

    def sending(self, sock: socket.socket, size: int) -> None:
        """Called before `size` bytes go out."""
        self._socket = sock
        sock.settimeout(self._answer + size / _SLOWEST)

    @contextmanager
    def total(self, size: int = 0) -> Iterator[None]:
        """A request with a body of `size` ends within the block; ReadTimeout when it does not."""
        seconds = self._connect + self._answer + size / _SLOWEST
        is_late = threading.Event()

        def cut() -> None:
            is_late.set()
            if self._socket is not None:
                with suppress(OSError):  # below TLS, which is the other thread's
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

        self._socket = None
        timer = threading.Timer(seconds, cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        except requests.RequestException:
            if is_late.is_set():
                raise _late(seconds) from None
            raise
        finally:
            timer.cancel()
        if is_late.is_set():  # the end of what was cut off may look like an answer's own
            raise _late(seconds)


def _late(seconds: float) -> requests.ReadTimeout:
    return requests.ReadTimeout(f"no whole answer within {seconds:.0f} s")


def _pools(limits: LimitedAdapter) -> dict[str, type[HTTPConnectionPool]]:
    """What makes connections that say when they send."""

    class Plain(HTTPConnection):
        def send(self, data: Any) -> None:
            _send(limits, self, super().send, data)

    class Secure(HTTPSConnection):
        def send(self, data: Any) -> None:
            _send(limits, self, super().send, data)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _send(limits: LimitedAdapter, connection: HTTPConnection, send: Any, data: Any) -> None:
    if connection.sock is None:  # as http.client does
        connection.connect()
    limits.sending(connection.sock, len(data))
    send(data)
