"""An engine elsewhere as a Unix socket here: one ssh connection for all that a command asks of it.

Docker's own clients start an ssh for each of their connections: slow, and more at once than an
sshd takes by default (MaxSessions, MaxStartups).  This one asks nobody anything (an agent has no
terminal), notices within seconds that the other side is gone, and ends with us.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pydeploy.clients import scratch, shell

ENGINE_SOCKET = "/var/run/docker.sock"  # there, where the host names no other
_BASE = Path("/tmp")  # noqa: S108 (short: a socket's path may have 107 characters; mode 700)
_CONNECT = 5  # seconds
_SILENCE, _SILENCES = 3, 3  # seconds without an answer, how often: then the other side is gone
_OPEN = 15.0  # seconds until it is open, with keys exchanged
_REST = 10.0  # seconds until one that failed is tried again: what is away fails at once
_LOOK = 0.01  # seconds


class Broken(Exception):
    """ssh did not get there; the text is what it said."""


def argv(host: str, here: Path, env_vars: Mapping[str, str]) -> tuple[str, ...]:
    """The command for `ssh://[user@]machine[:port][/socket]`, with its socket at `here`.

    A key that a pipeline binds ($PYDEPLOY_ENGINE_SSH_KEY, a file) is the only one that is tried;
    the user that comes with it counts where the host names none.
    """
    url = urlsplit(host)
    key = env_vars.get("PYDEPLOY_ENGINE_SSH_KEY")
    user = url.username or (env_vars.get("PYDEPLOY_ENGINE_SSH_USERNAME") if key else None)
    there = url.path.rstrip("/") or ENGINE_SOCKET
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": _CONNECT,
        "ServerAliveInterval": _SILENCE,
        "ServerAliveCountMax": _SILENCES,
        "ExitOnForwardFailure": "yes",
        "ControlPath": "none",
        "ForwardAgent": "no",
    }
    return (
        "ssh", "-N", "-T",
        *(word for name, value in options.items() for word in ("-o", f"{name}={value}")),
        *(("-o", "IdentitiesOnly=yes", "-i", key) if key else ()),
        *(("-l", user) if user else ()),
        *(("-p", str(url.port)) if url.port else ()),
        "-L", f"{here}:{there}",
        "--", url.hostname or "",
    )  # fmt: skip


class Tunnel:
    """Opened when it is first needed, and again when it has broken."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._lock = threading.Lock()
        self._ssh: shell.Companion | None = None
        self._here: Path | None = None
        self._failure: tuple[float, Broken] | None = None
        self._owned = contextlib.ExitStack()
        weakref.finalize(self, self._owned.close)  # also when the process ends

    def opened(self) -> str:
        """`unix://...` of its socket, the same each time.  Raises Broken."""
        with self._lock:
            if self._ssh is None or not self._ssh.is_running:
                self._open()
            return f"unix://{self._here}"

    def said(self) -> str:
        """The last that ssh said, if anything."""
        lines = [line for line in self._ssh.tail if line] if self._ssh else []
        return lines[-1] if lines else ""

    def _open(self) -> None:
        if self._failure and time.monotonic() - self._failure[0] < _REST:
            raise self._failure[1]
        try:
            self._start()
        except Broken as broken:
            self._failure = (time.monotonic(), broken)
            raise
        self._failure = None

    def _start(self) -> None:
        if self._here is None:
            self._here = self._owned.enter_context(scratch.folder(_BASE)) / "engine.sock"
        self._here.unlink(missing_ok=True)  # of the one before
        try:
            self._ssh = shell.Companion(
                argv(self._host, self._here, os.environ), env_vars=shell.scrubbed()
            )
        except FileNotFoundError as absent:
            raise Broken("there is no ssh on PATH") from absent
        self._owned.callback(self._ssh.stop)
        until = time.monotonic() + _OPEN
        while not _is_open(self._here):
            if not self._ssh.is_running:
                raise Broken(self.said() or "ssh ended and said nothing")
            if time.monotonic() > until:
                self._ssh.stop()
                raise Broken(f"ssh did not get there in {_OPEN:g} s")
            time.sleep(_LOOK)


def _is_open(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as trial:
        try:
            trial.connect(str(path))
        except OSError:
            return False
        return True
