"""After the switch: what stays is kept running, what is old goes."""

from __future__ import annotations

from collections.abc import Iterable

from pydeploy.deploy import diagnosis, failpoints, gateways, inventory
from pydeploy.deploy.health import ContainerState
from pydeploy.deploy.session import Session
from pydeploy.state import claims
from pydeploy.state.records import Release

LOG_LIMIT = 128 << 10  # bytes of a one-shot's log that are kept with its record
_LOG_LINES = 5000


def log_of_job(session: Session, states: Iterable[ContainerState]) -> str:
    """The log that a one-shot leaves: each service's last lines, its name in front where needed."""
    parts = {
        state.service: diagnosis.log_of(session.engine, state.identity, lines=_LOG_LINES)
        for state in states
    }
    if len(parts) == 1:
        (text,) = parts.values()
    else:
        text = "".join(
            f"{service} | {line}\n" for service, log in parts.items() for line in log.splitlines()
        )
    return text.encode()[-LOG_LIMIT:].decode("utf-8", "ignore")


def keep_running(session: Session, states: Iterable[ContainerState], served: set[str]) -> None:
    """What serves comes back after its engine was restarted, even if its file did not say so.

    `always`: an engine that was killed takes what ran `unless-stopped` for stopped by hand.

    Set only now: during the start a policy would hide that a program exits at once.
    """
    with session.engine.obeying():
        for state in states:
            serves = state.service in served or state.health
            if serves and state.restart_policy == "no" and state.status == "running":
                session.engine.api.update_container(
                    state.identity, restart_policy={"Name": "always"}
                )


def retire(session: Session, environment: str, old: Release) -> None:
    """Wait until nobody is connected to the old release any more, then remove it.

    Connections that do not end within the gateway's `drain` are cut by the containers' stop.
    """
    engine = session.engine_of(old.engine)
    addresses = {f"{old.address}:{port.host_port}" for port in old.ports}
    if addresses:
        gateways.wait_drained(session.store, addresses, session.site.gateway.drain)
    failpoints.reach("after-drain")
    erase_attempt(session, environment, old)
    failpoints.reach("after-erase")
    claims.let_go(session.store, engine.name, lambda one: one.token == old.attempt)


def erase_attempt(session: Session, environment: str, release: Release) -> None:
    """The containers, networks and volumes of one release."""
    engine = session.engine_of(release.engine)
    found = inventory.take(engine, session.scope(environment, release.attempt))
    inventory.erase(engine, found, grace=session.site.defaults.stop_grace)
