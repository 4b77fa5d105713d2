"""One question to one DNS server (RFC 1035, sections 4.1 and 4.2.1): the A records of a name."""

from __future__ import annotations

import secrets
import socket
import struct

from pydeploy.errors import ServiceError

_A, _IN = 1, 1
_CODES = {1: "malformed question", 2: "server failure", 3: "no such name", 5: "refused"}


def addresses(server: str, port: int, name: str, *, timeout: float = 2.0) -> list[str]:
    """Of `name`, as the server at server:port says; ServiceError when it gives no answer."""
    identity = secrets.randbits(16)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
            connection.settimeout(timeout)
            connection.connect((server, port))
            connection.send(question(identity, name))
            answer = connection.recv(4096)
    except OSError as problem:
        raise ServiceError(
            f"dns does not answer at {server}:{port}: {problem}",
            service="dns",
            hint="see that it runs: `pydeploy doctor`",
        ) from problem
    return parse(identity, answer)


def question(identity: int, name: str) -> bytes:
    head = struct.pack("!6H", identity, 0x0100, 1, 0, 0, 0)  # recursion desired, one question
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return head + labels + struct.pack("!BHH", 0, _A, _IN)


def parse(identity: int, answer: bytes) -> list[str]:
    """The addresses in an answer; ServiceError when it says that there is none to be had."""
    try:
        found, flags, questions, records = struct.unpack_from("!4H", answer)
        if found != identity:
            raise ValueError("it answers another question")
        if flags & 15:
            raise ValueError(_CODES.get(flags & 15, f"code {flags & 15}"))
        at = 12
        for _ in range(questions):
            at = _after_name(answer, at) + 4
        addresses = []
        for _ in range(records):
            at = _after_name(answer, at)
            kind, _class, _ttl, length = struct.unpack_from("!HHIH", answer, at)
            at += 10
            if kind == _A:
                addresses.append(socket.inet_ntoa(answer[at : at + length]))
            at += length
    except (ValueError, struct.error, IndexError, OSError) as problem:
        raise ServiceError(f"dns: {problem}", service="dns") from problem
    return addresses


def _after_name(message: bytes, at: int) -> int:
    """Where the name that begins at `at` ends; a pointer (two high bits set) ends it."""
    while message[at]:
        if message[at] & 0xC0:
            return at + 2
        at += 1 + message[at]
    return at + 1
