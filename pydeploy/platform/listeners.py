"""Who listens on this machine, as the kernel tells it (proc(5), /proc/net/tcp and friends).

Read, not tried: binding a port below 1024 needs rights that whoever asks may not have.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Protocol = Literal["tcp", "udp"]
_LISTENING = {"tcp": "0A", "udp": "07"}  # TCP_LISTEN; an unconnected UDP socket
_ANY = ("0.0.0.0", "::")  # noqa: S104 (what the kernel calls them)


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A socket that waits for others."""

    protocol: Protocol
    address: str
    port: int
    inode: str

    def takes(self, address: str) -> bool:
        """Whether nobody else can listen on the same port of `address`."""
        return self.address == address or self.address in _ANY or address in _ANY


def listeners(root: Path = Path("/proc")) -> list[Listener]:
    """All of this machine's (of this network namespace)."""
    return [*_of(root, "tcp"), *_of(root, "udp")]


def holder(listener: Listener, root: Path = Path("/proc")) -> str:
    """`nginx (pid 12)`, or empty when only root may know."""
    wanted = f"socket:[{listener.inode}]"
    for process in root.glob("[0-9]*"):
        with suppress(OSError):
            if any(str(fd.readlink()) == wanted for fd in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return ""


def _of(root: Path, protocol: Protocol) -> Iterator[Listener]:
    for name in (protocol, f"{protocol}6"):
        with suppress(FileNotFoundError):  # a kernel without IPv6
            for line in (root / "net" / name).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING[protocol]:
                    address, port = fields[1].split(":")
                    yield Listener(
                        protocol=protocol,
                        address=_address(address),
                        port=int(port, 16),
                        inode=fields[9],
                    )


def _address(text: str) -> str:
    """Hexadecimal words in the machine's byte order."""
    words = [int(text[start : start + 8], 16) for start in range(0, len(text), 8)]
    raw = struct.pack(f"={len(words)}I", *words)
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)
