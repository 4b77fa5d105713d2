"""Restarting one service where it is."""

from __future__ import annotations

import time
from collections.abc import Iterator

from pydeploy import console
from pydeploy.deploy import containers, probe, turn
from pydeploy.deploy.logs import existing
from pydeploy.deploy.session import Session
from pydeploy.errors import DeployError, UsageError
from pydeploy.state import audit
from pydeploy.state.records import Environment

_LOOK_AGAIN = 0.1  # seconds


def restart(session: Session, name: str, service: str) -> float:
    """Stop and start the container of `service`; the seconds until it was up again.

    DeployError when it does not come up within the site's deadline.
    """
    existing(session, name)
    with (
        turn.audited(session, "restart", name, service=service),
        turn.lock_of(session, name),
        console.step(f"restart {service} of {name}"),
    ):
        record = existing(session, name)
        found = {one.service: one for one in containers.of_record(session, record)}
        if service not in found:
            raise UsageError(
                f"environment {name} has no service {service!r}",
                hint=f"choose one of: {', '.join(sorted(found)) or 'none'}",
            )
        began = time.monotonic()
        grace = max(session.site.defaults.stop_grace, found[service].stop_grace)
        with session.engine.obeying():
            session.engine.api.restart(found[service].identity, timeout=grace)
        deadline = session.site.defaults.deadline
        until = began + deadline
        is_up = containers.wait_up(session.engine, found[service].identity, deadline)
        if not is_up or not all(_accepts(one, until) for one in _published(record, service)):
            raise DeployError(
                f"{service} is not up again after {deadline} s",
                hint=f"`pydeploy logs {name} {service}` says why",
            )
        seconds = round(time.monotonic() - began, 3)
    audit.record(session.store, "restart", name, "running", service=service, gaps_s=seconds)
    return seconds


def _published(record: Environment, service: str) -> Iterator[tuple[str, int]]:
    """The TCP addresses of a service."""
    if record.current:
        for port in record.current.ports:
            if port.service == service and port.protocol == "tcp":
                yield record.current.address, port.host_port


def _accepts(address: tuple[str, int], until: float) -> bool:
    while not probe.accepts(*address) or not _answers(*address):
        if time.monotonic() > until:
            return False
        time.sleep(_LOOK_AGAIN)
    return True


def _answers(host: str, port: int) -> bool:
    """Docker's proxy accepts before the program does, and closes then."""
    return probe.ask(host, port, host=host, path="/").kind != "closed"
