"""HAProxy's runtime API (management guide, section 9.3), for one map and one stick table.

Every command has its own connection: HAProxy answers and closes, so the end of an answer needs no
guessing. Commands scan the map (`set`, `del`), so many changes at once go through a new version of
it that is committed in one step.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pydeploy.errors import ServiceError

PAYLOAD_LIMIT = 12 << 10  # bytes; a command with its payload must fit HAProxy's buffer of 16 KiB
_STREAMS = re.compile(r"\bconn_cur=(\d+)")
_BUSY = re.compile(r"\bkey=(\S+)")
_VERSION = re.compile(r"New version created: (\d+)")
_PID = re.compile(r"^Pid: (\d+)$", re.MULTILINE)
_HINT = "see that the gateway runs: `pydeploy doctor`"


class HAProxy:
    """One HAProxy by its admin socket.

    `map_path` names the map as HAProxy's configuration does. The caller keeps track of what is in
    it: `add` of a key that is there makes a second entry, which is never seen; `set` and `delete`
    of one that is not fail.
    """

    def __init__(self, socket_path: Path, map_path: str, *, timeout: float = 5.0) -> None:
        self.socket_path = socket_path
        self._map = map_path
        self._timeout = timeout

    # -- the map ------------------------------------------------------------------------

    def add(self, key: str, value: str) -> None:
        self._do(f"add map {self._map} {key} {value}")

    def change(self, key: str, value: str) -> None:
        self._do(f"set map {self._map} {key} {value}")

    def delete(self, key: str) -> None:
        self._do(f"del map {self._map} {key}")

    def replace(self, entries: Mapping[str, str]) -> None:
        """Exactly `entries`, from one moment to the next."""
        answer = self.ask(f"prepare map {self._map}")
        created = _VERSION.search(answer)
        if created is None:
            raise _refused("prepare map", answer)
        version = created[1]
        for payload in payloads(entries.items()):
            self._do(f"add map @{version} {self._map} <<\n{payload}")
        self._do(f"commit map @{version} {self._map}")

    # -- what it says -------------------------------------------------------------------

    def pid(self) -> int:
        """The process that answers; another one after a restart or reload."""
        answer = self.ask("show info")
        found = _PID.search(answer)
        if found is None:
            raise _refused("show info", answer)
        return int(found[1])

    def process(self) -> tuple[int, int]:
        """What answers, whatever its number: in a container of its own another one has the same.

        Its socket is another one, too, because each takes the place of the one before.
        """
        return self.pid(), self.socket_path.stat().st_ino

    def open_streams(self, target: str) -> int:
        """Requests and WebSockets that are open to `target` (address:port) now."""
        found = _STREAMS.search(self.ask(f"show table streams key {target}"))
        return int(found[1]) if found else 0

    def busy_targets(self) -> set[str]:
        """All targets that have open streams now."""
        return set(_BUSY.findall(self.ask("show table streams data.conn_cur gt 0")))

    def has_ended(self, connection: socket.socket, *, within: float) -> bool:
        """Whether the process behind `connection` (see `attach`) goes within so many seconds."""
        connection.settimeout(within)
        try:
            while connection.recv(4096):
                pass  # the prompt
        except TimeoutError:
            return False
        except OSError:
            pass  # reset: gone as well
        return True

    def attach(self) -> socket.socket:
        """An interactive connection, which HAProxy keeps open as long as it lives."""
        connection = self._connect()
        connection.sendall(b"prompt\n")
        return connection

    # -- the protocol -------------------------------------------------------------------

    def ask(self, command: str) -> str:
        """The answer to one command; ServiceError when there is none."""
        try:
            with self._connect() as connection:
                connection.sendall(f"{command}\n".encode())
                return b"".join(_received(connection)).decode("utf-8", "replace").strip()
        except OSError as problem:
            raise self._no_answer(problem) from problem

    def _do(self, command: str) -> None:
        """A command that says nothing when it succeeds."""
        answer = self.ask(command)
        if answer:
            raise _refused(command.split("\n", 1)[0], answer)

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(self._timeout)
        try:
            connection.connect(str(self.socket_path))
        except OSError as problem:
            connection.close()
            raise self._no_answer(problem) from problem
        return connection

    def _no_answer(self, problem: OSError) -> ServiceError:
        return ServiceError(
            f"HAProxy does not answer at {self.socket_path}: {problem}",
            service="gateway",
            hint=_HINT,
        )


def payloads(entries: Iterable[tuple[str, str]]) -> Iterator[str]:
    """`key value` lines, in pieces that fit one command each."""
    lines: list[str] = []
    size = 0
    for key, value in entries:
        line = f"{key} {value}\n"
        if lines and size + len(line) > PAYLOAD_LIMIT:
            yield "".join(lines)
            lines, size = [], 0
        lines.append(line)
        size += len(line)
    if lines:
        yield "".join(lines)


def _received(connection: socket.socket) -> Iterator[bytes]:
    while data := connection.recv(65536):
        yield data


def _refused(command: str, answer: str) -> ServiceError:
    return ServiceError(
        f"HAProxy refused {command!r}: {answer or 'no answer'}", service="gateway", hint=_HINT
    )
