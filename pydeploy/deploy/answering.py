"""Waiting until a release's published ports answer: direct probes, no container is asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pydeploy.deploy import containers, diagnosis, health, probe
from pydeploy.state.records import Port

if TYPE_CHECKING:
    from pydeploy.deploy.start import Start

_PROBE_FIRST, _PROBE_LAST = 0.05, 0.5  # seconds between probes of a port, growing
_SILENCE = 10.0  # seconds after which a port that accepts but never answers is not HTTP


def wait(start: Start, until: float) -> tuple[Port, ...]:
    """Until each published TCP port accepts and the front answers HTTP; the ports that are HTTP."""
    tcp = [port for port in start.ports if port.protocol == "tcp"]
    stop = threading.Event()
    with ThreadPoolExecutor(max(len(tcp), 1)) as pool:
        try:
            answers = list(pool.map(lambda port: _wait_port(start, port, until, stop), tcp))
        finally:  # leaving the pool waits for the others: a failure or Ctrl-C must end them
            stop.set()
    return tuple(port for port, is_http in zip(tcp, answers, strict=True) if is_http)


def _wait_port(start: Start, port: Port, until: float, stop: threading.Event) -> bool:
    """True when it speaks HTTP.  Only the front must, and only where nobody can doubt it."""
    front = start.plan.front
    is_front = front is not None and (port.service, port.container_port) == (
        front.service,
        front.container_port,
    )
    must = is_front and start.plan.is_front_certain
    patience = until if is_front else min(until, time.monotonic() + _SILENCE)
    path = start.plan.settings.path if is_front else "/"
    answer = probe.Answer(kind="closed", detail="not asked in time")
    for _ in _growing_pauses(start, until, stop):
        answer = _ask(start, port, path)
        if answer.kind == "http" and (not is_front or start.plan.settings.accepts(answer.status)):
            return True
        if must or answer.kind == "http":
            continue
        if answer.kind == "other" or (answer.kind == "silent" and time.monotonic() > patience):
            return False
        if answer.kind == "closed" and _closes_on_http(start, port, path):
            return False
    if answer.kind == "silent" and not must:
        return False
    raise diagnosis.not_answering(
        start.engine, start.scope, port, path, answer, start.plan.settings
    )


def _closes_on_http(start: Start, port: Port, path: str) -> bool:
    """True when the port surely listens, and yet closes at every request.

    Listening is seen before each request: a program that comes up between the two would else be
    taken for one that does not speak HTTP.
    """
    bind = start.engine.settings.bind
    return all(
        probe.accepts(bind, port.host_port) and _ask(start, port, path).kind == "closed"
        for _ in range(2)
    )


def _ask(start: Start, port: Port, path: str) -> probe.Answer:
    return probe.ask(start.engine.settings.bind, port.host_port, host=start.host, path=path)


def _growing_pauses(start: Start, until: float, stop: threading.Event) -> Iterator[None]:
    pause = _PROBE_FIRST
    while True:
        start.ensure()
        yield
        if time.monotonic() + pause > until:
            return
        _fail_if_broken(start)
        if stop.wait(pause):
            return
        pause = min(pause * 1.5, _PROBE_LAST)


def _fail_if_broken(start: Start) -> None:
    """A container that ends while we probe is the cause; do not wait for the deadline."""
    overall = health.overall(start.plan, containers.states(start.engine, start.scope))
    if overall.broken:
        raise diagnosis.broken(start.engine, overall.broken)
