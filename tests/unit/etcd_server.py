"""A real etcd for the tests: its own process, data and loopback ports, and it can be killed."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydeploy.clients.etcd import Etcd


def program() -> str:
    """`etcd` on PATH, or beside the Python that runs the tests (where `make` puts it)."""
    found = shutil.which("etcd") or shutil.which("etcd", path=str(Path(sys.executable).parent))
    assert found, "etcd is missing: `make .venv/bin/etcd` gets it"
    return found


def free_ports(count: int) -> list[int]:
    """Ports on which nothing listens right now; all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def wait_until(is_so: Callable[[], Any], seconds: float = 8.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


class EtcdServer:
    """May be stopped, killed and started again; its data stays."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options = options
        self._client_port, self._peer_port = free_ports(2)
        self.url = f"http://127.0.0.1:{self._client_port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> EtcdServer:
        peer = f"http://127.0.0.1:{self._peer_port}"
        argv = [
            *(program(), "--name", "test", "--data-dir", str(self._folder / "data")),
            *("--listen-client-urls", self.url, "--advertise-client-urls", self.url),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
            *("--initial-cluster", f"test={peer}", "--max-txn-ops", "1024"),
            *("--unsafe-no-fsync", "--logger", "zap", "--log-level", "error", *self._options),
        ]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=log)
        wait_until(self._answers)
        return self

    def stop(self) -> None:
        """As an operator stops it."""
        self._end("terminate")

    def kill(self) -> None:
        """As a power cut does."""
        self._end("kill")

    def client(self, **options: Any) -> Etcd:
        return Etcd((self.url,), **options)

    def _end(self, how: str) -> None:
        if self._process:
            getattr(self._process, how)()
            self._process.wait(8)
            self._process = None

    def _answers(self) -> bool:
        has_ended = self._process is None or self._process.poll() is not None
        assert not has_ended, (self._folder / "log").read_text()
        with contextlib.suppress(Exception):
            return bool(self.client().status())
        return False
