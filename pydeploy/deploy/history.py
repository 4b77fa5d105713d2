"""The releases that an environment can go back to."""

from __future__ import annotations

from pydeploy.deploy.session import Session
from pydeploy.errors import UsageError
from pydeploy.state.records import Environment, Release

OF_A_CHANGE = 2  # releases that a change can go back to; named environments as the site says


def of(session: Session, environment: str) -> list[Release]:
    """Those that are remembered, the newest first."""
    prefix = session.store.keys.release(environment)
    found = [Release.read(kv.value) for kv in session.store.etcd.range(prefix).kvs]
    return sorted(found, key=lambda release: release.attempt, reverse=True)


def one(session: Session, environment: str, name: str) -> Release:
    """UsageError when it is not remembered."""
    kv = session.store.etcd.get(session.store.keys.release(environment, name))
    if kv is None:
        known = ", ".join(release.name for release in of(session, environment)) or "none"
        raise UsageError(
            f"{environment} has no release {name!r}",
            hint=f"choose one of: {known} (`pydeploy releases {environment}`)",
        )
    return Release.read(kv.value)


def everywhere(session: Session) -> list[tuple[str, Release]]:
    """(environment, release) of all that are remembered."""
    prefix = session.store.keys.release()
    return [
        (kv.key.removeprefix(prefix).split("/")[0], Release.read(kv.value))
        for kv in session.store.etcd.range(prefix).kvs
    ]


def forget(session: Session, record: Environment) -> None:
    """Delete the oldest beyond what is to be remembered; never what runs."""
    is_change = record.name.isdigit()
    keep = OF_A_CHANGE if is_change else session.site.defaults.releases
    for release in of(session, record.name)[keep:]:
        if record.current is None or release.name != record.current.name:
            session.store.etcd.delete(session.store.keys.release(record.name, release.name))
