"""Reading the kernel's tables of sockets."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pydeploy.platform.listeners import Listener, holder, listeners

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue ... uid  timeout inode\n"


def _row(address: str, state: str, inode: str = "77") -> str:
    zeros = "00000000:00000000 00:00000000 00000000"
    return (
        f"   0: {address} 00000000:0000 {state} {zeros}     0        0 {inode} 1 0 100 0 0 10 0\n"
    )


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "net").mkdir()
    for name in ("tcp", "udp"):
        (tmp_path / "net" / name).write_text(HEAD)
    return tmp_path


def test_only_sockets_that_wait_for_others_count(proc: Path) -> None:
    """0A is TCP_LISTEN, 01 an established connection."""
    table = HEAD + _row("0100007F:0050", "0A") + _row("0100007F:1F90", "01")
    (proc / "net" / "tcp").write_text(table)
    assert listeners(proc) == [Listener(protocol="tcp", address="127.0.0.1", port=80, inode="77")]


def test_both_families_and_protocols_are_read(proc: Path) -> None:
    (proc / "net" / "tcp6").write_text(HEAD + _row("0" * 32 + ":01BB", "0A"))
    (proc / "net" / "udp").write_text(HEAD + _row("3500007F:0035", "07"))
    assert [(one.protocol, one.address, one.port) for one in listeners(proc)] == [
        ("tcp", "::", 443),
        ("udp", "127.0.0.53", 53),
    ]


@pytest.mark.parametrize(
    ("theirs", "ours", "taken"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("0.0.0.0", "127.0.0.1", True),
        ("127.0.0.1", "0.0.0.0", True),
        ("::", "10.0.0.1", True),
        ("127.0.0.53", "127.0.0.1", False),  # systemd-resolved does not take our port 53
    ],
)
def test_what_a_listener_takes(theirs: str, ours: str, taken: bool) -> None:
    listener = Listener(protocol="tcp", address=theirs, port=53, inode="1")
    assert listener.takes(ours) is taken


def test_a_real_listener_is_found_with_its_process() -> None:
    with socket.socket() as real:
        real.bind(("127.0.0.1", 0))
        real.listen()
        port = real.getsockname()[1]
        (found,) = [one for one in listeners() if one.port == port and one.protocol == "tcp"]
        assert found.address == "127.0.0.1"
        assert holder(found).endswith(f"(pid {os.getpid()})")
