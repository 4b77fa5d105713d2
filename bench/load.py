"""A constant load on the gateway: open loop, in a process of its own.

Requests are due at fixed times, whether or not earlier ones were answered, and latency counts from
when a request was due: a gateway that stops for a second is seen in every request of that second.
Every second request has a connection of its own, the others share kept-alive ones.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event

MOST = 120_000  # requests; ten minutes at 200 a second
PATIENCE = 10.0  # seconds for one answer


@dataclass(frozen=True, kw_only=True)
class Target:
    """Of this machine alone: connections go to loopback."""

    port: int
    host: str
    path: str = "/"
    rate: int = 200  # requests per second


@dataclass(frozen=True, kw_only=True)
class Sent:
    due: float  # time.monotonic()
    took: float  # seconds
    patchset: str  # that answered; empty for a failure
    failure: str = ""


@dataclass
class Running:
    """`sent` is filled when the load has ended."""

    sent: list[Sent] = field(default_factory=list)


@contextmanager
def running(target: Target, seconds: float) -> Iterator[Running]:
    """Load for as long as the block runs, and for at most `seconds`."""
    context = multiprocessing.get_context("spawn")
    stop, (reader, writer) = context.Event(), context.Pipe(duplex=False)
    process = context.Process(target=_process, args=(target, seconds, stop, writer))
    process.start()
    load = Running()
    try:
        reader.recv()  # the first request has gone out
        yield load
    finally:
        stop.set()
        load.sent.extend(reader.recv())
        process.join(10)


def _process(target: Target, seconds: float, stop: Event, writer: object) -> None:
    asyncio.run(_Load(target).run(seconds, stop, writer))


class _Load:
    def __init__(self, target: Target) -> None:
        self._target = target
        self._idle: list[_Connection] = []
        self._sent: list[Sent] = []

    async def run(self, seconds: float, stop: Event, writer: object) -> None:
        began = time.monotonic()
        tasks: set[asyncio.Task[None]] = set()
        for number in range(min(MOST, int(seconds * self._target.rate))):
            due = began + number / self._target.rate
            await asyncio.sleep(max(due - time.monotonic(), 0))
            task = asyncio.create_task(self._one(due, keep=number % 2 == 0))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            if number == 0:
                writer.send("begun")  # type: ignore[attr-defined]
            if stop.is_set():
                break
        await asyncio.gather(*tasks)
        writer.send(self._sent)  # type: ignore[attr-defined]

    async def _one(self, due: float, *, keep: bool) -> None:
        patchset = failure = ""
        try:
            async with asyncio.timeout(PATIENCE):
                patchset = await self._ask(keep)
        except (OSError, EOFError, ValueError, TimeoutError) as problem:
            failure = repr(problem)
        took = time.monotonic() - due
        self._sent.append(Sent(due=due, took=took, patchset=patchset, failure=failure))

    async def _ask(self, keep: bool) -> str:
        """The patchset that says it answered; ValueError for anything but a whole 200."""
        connection = self._idle.pop() if keep and self._idle else await self._connect()
        is_reusable = False
        try:
            status, body, is_reusable = await connection.get(self._target, keep=keep)
        finally:
            if is_reusable:
                self._idle.append(connection)
            else:
                connection.writer.close()
        if status != 200:
            raise ValueError(f"HTTP {status}")
        return str(json.loads(body).get("PYDEPLOY_PATCHSET"))

    async def _connect(self) -> _Connection:
        return _Connection(*await asyncio.open_connection("127.0.0.1", self._target.port))


@dataclass(frozen=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def get(self, target: Target, *, keep: bool) -> tuple[int, bytes, bool]:
        """Status, body, and whether the connection may be used again."""
        ending = "" if keep else "Connection: close\r\n"
        request = f"GET {target.path} HTTP/1.1\r\nHost: {target.host}\r\n{ending}\r\n"
        self.writer.write(request.encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *lines = head.split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        body = await self.reader.readexactly(int(headers["content-length"]))
        stays = keep and headers.get("connection", "").lower() != "close"
        return int(status.split()[1]), body, stays
