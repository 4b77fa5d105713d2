"""When an environment ends: putting it off, and saying so in time."""

from __future__ import annotations

from datetime import datetime, timedelta

from pydeploy import console, durations
from pydeploy.clients import etcd as ops
from pydeploy.deploy import turn
from pydeploy.deploy.logs import existing
from pydeploy.deploy.session import Session
from pydeploy.errors import Fenced, ServiceError, UsageError
from pydeploy.state import audit, store
from pydeploy.state.lock import Held
from pydeploy.state.records import Environment, Wanted


def extend(
    session: Session, name: str, ttl: int | None, *, may_shorten: bool = False
) -> Environment:
    """The record, which ends `ttl` seconds from now, or never (None, named environments only).

    UsageError where that is sooner than now agreed, unless it `may_shorten`; and for what is being
    removed, because prune finishes a remove that died, whatever the record says.
    """
    if ttl is None and name.isdigit():
        raise UsageError(
            "the environment of a change ends some day", hint=f"pydeploy extend {name} 7d"
        )
    existing(session, name)
    with turn.audited(session, "extend", name), turn.lock_of(session, name) as held:
        record = existing(session, name)
        _expect_wanted(session, name)
        expires = _expires(session, ttl)
        if not may_shorten and _is_sooner(expires, record.expires):
            raise UsageError(
                f"{name} stays until {record.expires or 'it is removed'}, which is later",
                hint="say --exact to make it shorter",
            )
        changed = record.model_copy(update={"expires": expires, "warned": None})
        write(session, changed, held)
    audit.record(session.store, "extend", name, "extended", expires=expires)
    return changed


def end_of_restored(
    session: Session, name: str, there: Environment | None, saved: Environment
) -> str | None:
    """When a restored environment ends: as agreed for what is there, else as agreed when it was
    saved; where that is over, the time of a change begins anew, and others never end.
    """
    agreed = (there or saved).expires
    is_open = agreed is None and (there is not None or not name.isdigit())
    if is_open or (agreed is not None and agreed > store.timestamp()):
        return agreed
    if not name.isdigit():
        return None
    return _expires(session, session.site.defaults.ttl)


def write(session: Session, record: Environment, held: Held) -> None:
    """Replace the record of an environment whose lock we hold."""
    key = session.store.keys.environment(record.name)
    answer = session.store.etcd.txn([held.still()], [ops.put(key, record.text())])
    if not answer.succeeded:
        raise ServiceError(
            f"the lock of {record.name} was lost, so nothing was written",
            service="etcd",
            hint="run it again; `pydeploy doctor` if it happens often",
        ) from Fenced(record.name)


def is_expiring(session: Session, record: Environment) -> bool:
    """Whether it ends within the site's warning time, and has not yet."""
    if record.expires is None:
        return False
    left = (datetime.fromisoformat(record.expires) - store.now()).total_seconds()
    return 0 < left <= session.site.defaults.expiry_warning


def _expect_wanted(session: Session, name: str) -> None:
    found = session.store.read(session.store.keys.wanted(name), Wanted)
    if found and found[1].action == "remove":
        raise UsageError(
            f"{name} is being removed, as {found[1].by} wished",
            hint="deploy it again if it shall stay",
        )


def _expires(session: Session, ttl: int | None) -> str | None:
    if ttl is None:
        return None
    longest = session.site.defaults.ttl_max
    if ttl > longest:
        console.warn(f"{durations.show(ttl)} is cut to the site's {durations.show(longest)}")
    return store.timestamp(store.now() + timedelta(seconds=min(ttl, longest)))


def _is_sooner(wanted: str | None, agreed: str | None) -> bool:
    return wanted is not None and (agreed is None or wanted < agreed)
