"""The runtime API client, against a socket that speaks like HAProxy."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pydeploy.clients.haproxy import PAYLOAD_LIMIT, HAProxy, payloads
from pydeploy.errors import ServiceError


class Cli:
    """Answers each connection's one command from a script, and notes what it was asked."""

    def __init__(self, path: Path) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, str] = {}
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        command = b""
        # A command ends with its line, a payload with an empty one.
        while not command.endswith(b"\n\n" if b"<<" in command else b"\n"):
            command += connection.recv(65536)
        text = command.decode().rstrip("\n")
        self.asked.append(text)
        answer = next((a for start, a in self.answers.items() if text.startswith(start)), "")
        connection.sendall(f"{answer}\n".encode())


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    cli = Cli(tmp_path / "admin.sock")
    yield cli
    cli.close()


@pytest.fixture
def haproxy(cli: Cli, tmp_path: Path) -> HAProxy:
    return HAProxy(tmp_path / "admin.sock", "/m/routes.map", timeout=2)


def test_single_changes_are_one_command_each(cli: Cli, haproxy: HAProxy) -> None:
    haproxy.add("a.test", "10.0.0.1:80")
    haproxy.change("a.test", "starting")
    haproxy.delete("a.test")
    assert cli.asked == [
        "add map /m/routes.map a.test 10.0.0.1:80",
        "set map /m/routes.map a.test starting",
        "del map /m/routes.map a.test",
    ]


def test_what_haproxy_says_about_a_change_is_an_error(cli: Cli, haproxy: HAProxy) -> None:
    """A change that succeeds is answered by nothing."""
    cli.answers["del map"] = "Key not found."
    with pytest.raises(ServiceError, match=r"refused 'del map .* a\.test': Key not found"):
        haproxy.delete("a.test")


def test_replace_prepares_fills_and_commits_one_version(cli: Cli, haproxy: HAProxy) -> None:
    cli.answers["prepare map"] = "New version created: 7"
    haproxy.replace({"a.test": "starting", "b.test": "10.0.0.1:80"})
    assert cli.asked == [
        "prepare map /m/routes.map",
        "add map @7 /m/routes.map <<\na.test starting\nb.test 10.0.0.1:80",
        "commit map @7 /m/routes.map",
    ]


def test_replace_by_nothing_empties_the_map(cli: Cli, haproxy: HAProxy) -> None:
    cli.answers["prepare map"] = "New version created: 8"
    haproxy.replace({})
    assert cli.asked == ["prepare map /m/routes.map", "commit map @8 /m/routes.map"]


def test_replace_is_given_up_when_no_version_is_made(cli: Cli, haproxy: HAProxy) -> None:
    cli.answers["prepare map"] = "Unknown map identifier."
    with pytest.raises(ServiceError, match="Unknown map identifier"):
        haproxy.replace({"a.test": "starting"})


def test_payloads_fit_one_command_and_lose_nothing() -> None:
    entries = [(f"{n}.deploy.deepin.test", "127.0.0.1:20000") for n in range(2000)]
    pieces = list(payloads(entries))
    assert all(len(piece) <= PAYLOAD_LIMIT for piece in pieces)
    assert "".join(pieces) == "".join(f"{key} {value}\n" for key, value in entries)


def test_pid_is_read_from_info(cli: Cli, haproxy: HAProxy) -> None:
    cli.answers["show info"] = "Name: HAProxy\nVersion: 2.6.12\nPid: 42\nUptime: 0d"
    assert haproxy.pid() == 42


@pytest.mark.parametrize(
    ("answer", "count"),
    [
        ("# table: streams, type: string, size:65536, used:0", 0),
        ("# table: streams\n0x7f: key=10.0.0.1:80 use=2 exp=3599999 shard=0 conn_cur=2", 2),
        ("# table: streams\n0x7f: key=10.0.0.1:80 use=0 exp=100 shard=0 conn_cur=0", 0),
    ],
)
def test_open_streams_of_a_target(cli: Cli, haproxy: HAProxy, answer: str, count: int) -> None:
    """A target that was never asked has none."""
    cli.answers["show table streams key 10.0.0.1:80"] = answer
    assert haproxy.open_streams("10.0.0.1:80") == count


def test_busy_targets(cli: Cli, haproxy: HAProxy) -> None:
    cli.answers["show table streams data.conn_cur gt 0"] = (
        "# table: streams, type: string, size:65536, used:3\n"
        "0x1: key=10.0.0.1:80 use=2 exp=1 conn_cur=2\n0x2: key=10.0.0.1:81 use=1 exp=1 conn_cur=1\n"
    )
    assert haproxy.busy_targets() == {"10.0.0.1:80", "10.0.0.1:81"}


def test_no_socket_is_a_service_error(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="does not answer") as caught:
        HAProxy(tmp_path / "none.sock", "/m").pid()
    assert caught.value.service == "gateway"
    assert "doctor" in caught.value.hint


def test_the_end_of_the_process_ends_the_attached_connection(tmp_path: Path) -> None:
    """The prompt is no end; the closed connection is."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "admin.sock"))
    listener.listen()
    haproxy = HAProxy(tmp_path / "admin.sock", "/m")
    with haproxy.attach() as connection:
        process, _ = listener.accept()
        assert process.recv(64) == b"prompt\n"
        process.sendall(b"\n> ")
        assert not haproxy.has_ended(connection, within=0.05)
        process.close()
        assert haproxy.has_ended(connection, within=2)
    listener.close()
