"""After the switch: what stays is kept running, what is old goes."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from pydeploy import console
from pydeploy.clients.docker import DockerEngine
from pydeploy.deploy import diagnosis, failpoints, gateways, history, plan, sweep
from pydeploy.deploy.health import ContainerState
from pydeploy.deploy.session import Session
from pydeploy.state.records import Environment, Release

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
    return console.hidden(text).encode()[-LOG_LIMIT:].decode("utf-8", "ignore")


def lasting(record: Environment) -> set[str]:
    """The services that are started again after their engine was.

    What is asked at an address, what keeps data, and all of a worker.
    """
    current = record.current
    if current is None:
        return set()
    kept = record.kept.services if record.kept else {}
    keeping = {name for name, one in kept.items() if not one.is_done}
    if plan.is_worker(current.model, current.settings.get("kind")):
        return keeping | set(current.model["services"])
    return keeping | {port.service for port in current.ports}


def is_forgotten(state: ContainerState, services: Collection[str]) -> bool:
    """Whether it runs, is to last, and would not come back with its engine."""
    lasts = state.service in services or bool(state.health)
    return lasts and state.restart_policy == "no" and state.status == "running"


def keep_running(
    engine: DockerEngine, states: Iterable[ContainerState], services: Collection[str]
) -> None:
    """What serves comes back after its engine was restarted, even if its file did not say so.

    `always`: an engine that was killed takes what ran `unless-stopped` for stopped by hand.

    Set only now: during the start a policy would hide that a program exits at once.
    """
    with engine.obeying():
        for state in states:
            if is_forgotten(state, services):
                engine.api.update_container(state.identity, restart_policy={"Name": "always"})


def retire(session: Session, record: Environment, old: Release | None, token: int) -> None:
    """Wait until nobody is connected to the old release any more, then remove it.

    What goes is all of the environment that `record`, which stands, does not name: of the old
    release, of stateful services that were replaced, and of a one-shot that has ended.
    Connections that do not end within the gateway's `drain` are cut by the containers' stop.
    """
    if old is None and record.state == "running":
        return  # the first: there was nothing before it
    addresses = _addresses(old) - _addresses(record.current)
    if addresses:
        gateways.wait_drained(session.store, addresses, session.site.gateway.drain)
    failpoints.reach("after-drain")
    engines = {session.engine.name} | ({old.engine} if old else set())
    for name in sorted(engines):
        sweep.erase(session, record, session.engine_of(name), before=token + 1)
    failpoints.reach("after-erase")
    for name in sorted(engines):
        sweep.let_go(session, record, session.engine_of(name), before=token + 1)
    history.forget(session, record)


def _addresses(release: Release | None) -> set[str]:
    return {f"{release.address}:{port.host_port}" for port in release.ports} if release else set()
