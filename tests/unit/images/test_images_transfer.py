"""Pulls that do not end by themselves, from an engine that can be told to wait."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from pydeploy.clients.docker import DockerEngine
from pydeploy.clients.shell import Cancelled
from pydeploy.config.site import Engine
from pydeploy.errors import ServiceError
from pydeploy.images.stop import Stop
from pydeploy.images.transfer import Transfer


class Slow(socketserver.ThreadingUnixStreamServer):
    """An engine whose pulls begin (or not) and never end."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), _Handler)
        self.begins = True
        self.asked = threading.Event()
        self.hung_up = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Slow

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        body = json.dumps({"ApiVersion": "1.45", "Version": "26"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        if self.server.begins:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            line = b'{"status":"Pulling"}\r\n'
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.flush()
        self.server.asked.set()
        self.connection.settimeout(20)
        if self.connection.recv(1) == b"":
            self.server.hung_up.set()
        self.close_connection = True


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Slow]:
    server = Slow(tmp_path / "engine.sock")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def transfer(slow: Slow, stop: Stop, timeout: float) -> Transfer:
    engine = DockerEngine("slow", Engine(host=f"unix://{slow.server_address!s}"))
    return Transfer(engine=engine, registry=None, login=None, stop=stop, timeout=timeout)


@pytest.mark.parametrize("begins", [True, False])
def test_a_pull_has_a_deadline(slow: Slow, begins: bool) -> None:
    """A registry that says nothing must not hold a deploy for ever; it is the operator's."""
    slow.begins = begins
    with pytest.raises(ServiceError, match="x could not be pulled: no end after 1s"):
        transfer(slow, Stop(None), 1).pull("x")


@pytest.mark.parametrize("begins", [True, False])
def test_a_pull_stops_at_once(slow: Slow, begins: bool) -> None:
    """Ctrl-C, a newer wish, or another service's failure."""
    slow.begins = begins
    stop = Stop(None)

    def set_when_asked() -> None:
        slow.asked.wait(10)
        time.sleep(0.2)
        stop.set()

    threading.Thread(target=set_when_asked, daemon=True).start()
    with pytest.raises(Cancelled):
        transfer(slow, stop, 60).pull("x")
    assert slow.hung_up.wait(5 if begins else 0.5) == begins


def test_an_engine_that_answers_counts(slow: Slow) -> None:
    """What reading raises is raised where it was asked for."""
    slow.server_close()
    Path(str(slow.server_address)).unlink()
    with pytest.raises(ServiceError, match="does not answer"):
        transfer(slow, Stop(None), 60).pull("x")
