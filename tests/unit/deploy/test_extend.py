"""When an environment ends, and who may put it off."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from pydeploy.clients import etcd as ops
from pydeploy.deploy import extend
from pydeploy.deploy.session import Session
from pydeploy.errors import ServiceError, UsageError
from pydeploy.state import audit, lock
from pydeploy.state import store as state_store
from pydeploy.state.store import Store
from tests.unit.deploy.samples import environment
from tests.unit.deploy.test_session import session_on

HOUR, DAY = 3600, 86400


@pytest.fixture
def session(store: Store) -> Session:
    return session_on(store)


def end_in(seconds: float) -> str:
    return state_store.timestamp(state_store.now() + timedelta(seconds=seconds))


def put(session: Session, name: str = "10020", **keys: Any) -> None:
    session.store.etcd.put(session.store.keys.environment(name), environment(name, **keys).text())


def left(session: Session, name: str = "10020") -> float:
    record = session.store.environment(name)
    assert record is not None
    assert record.expires is not None
    return (datetime.fromisoformat(record.expires) - state_store.now()).total_seconds()


def test_from_now_on(session: Session) -> None:
    """Not from the end that was agreed; what was said about that one is forgotten."""
    put(session, expires=end_in(HOUR), warned="then")
    record = extend.extend(session, "10020", 2 * DAY)
    assert record == session.store.environment("10020")
    assert record.warned is None
    assert 2 * DAY - 5 < left(session) <= 2 * DAY
    (act,) = audit.read(session.store, audit.Filter(action="extend"), limit=9)
    assert ("10020", record.expires) == (act["environment"], act["expires"])


def test_what_has_expired_and_is_still_there(session: Session) -> None:
    """It is asked for before prune came by: it lives on."""
    put(session, expires="2020-01-01T00:00:00Z")
    extend.extend(session, "10020", DAY)
    assert left(session) > DAY - 5


@pytest.mark.parametrize("agreed", [None, 5 * DAY])
def test_never_shorter_by_chance(session: Session, agreed: int | None) -> None:
    """Who says 1d of what has five, or no end, has mistaken it; on request it is done."""
    put(session, "staging", expires=end_in(agreed) if agreed else None)
    with pytest.raises(UsageError, match="later") as refused:
        extend.extend(session, "staging", DAY)
    assert "--exact" in refused.value.hint
    extend.extend(session, "staging", DAY, may_shorten=True)
    assert left(session, "staging") <= DAY


def test_no_longer_than_the_site_allows(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cut, with a warning."""
    put(session, expires=end_in(HOUR))
    extend.extend(session, "10020", 300 * DAY)
    assert left(session) <= session.site.defaults.ttl_max
    assert "is cut to" in capsys.readouterr().err


def test_for_ever(session: Session) -> None:
    """Named environments only: a change's has an end."""
    put(session, "staging", expires=end_in(HOUR))
    assert extend.extend(session, "staging", None, may_shorten=True).expires is None
    put(session, expires=end_in(HOUR))
    with pytest.raises(UsageError, match="change"):
        extend.extend(session, "10020", None, may_shorten=True)


def test_there_must_be_one(session: Session) -> None:
    """Also when it went while the lock was waited for."""
    with pytest.raises(UsageError, match="no environment"):
        extend.extend(session, "10020", DAY)


def test_who_is_being_removed_is_not_extended(session: Session) -> None:
    """A remove that died on its way is finished by prune, whatever the record says."""
    put(session, expires=end_in(HOUR))
    key = session.store.keys.wanted("10020")
    session.store.etcd.put(key, '{"generation": 2, "action": "remove", "by": "ann"}')
    with pytest.raises(UsageError, match="being removed"):
        extend.extend(session, "10020", DAY)
    (act,) = audit.read(session.store, audit.Filter(action="extend"), limit=9)
    assert "failed" == act["result"]


def test_who_lost_the_lock_writes_nothing(session: Session) -> None:
    """Somebody else may have deployed meanwhile."""
    put(session, expires=end_in(HOUR))
    record = session.store.environment("10020")
    assert record is not None
    key = session.store.keys.lock("10020")
    with lock.hold(session.store.etcd, key, session.holder(), wait=0) as held:
        session.store.etcd.txn([], [ops.delete(key)])
        with pytest.raises(ServiceError, match="lock of 10020 was lost"):
            extend.write(session, record.model_copy(update={"expires": None}), held)
    assert record == session.store.environment("10020")


@pytest.mark.parametrize(
    ("seconds", "is_soon"), [(None, False), (-60, False), (60, True), (3 * HOUR, False)]
)
def test_expiring(session: Session, seconds: int | None, is_soon: bool) -> None:
    """Within the site's warning time, and not over yet."""
    expires = None if seconds is None else end_in(seconds)
    assert is_soon == extend.is_expiring(session, environment(expires=expires))


PAST, FUTURE = "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
FRESH = "its ttl from now on"


@pytest.mark.parametrize(
    ("name", "there", "saved", "ends"),
    [
        ("staging", "none", FUTURE, FUTURE),
        ("staging", "none", PAST, None),  # the last backup that its expiry has left
        ("staging", FUTURE, PAST, FUTURE),
        ("staging", None, PAST, None),
        ("staging", PAST, FUTURE, None),  # prune had not come by yet
        ("10020", "none", PAST, FRESH),
        ("10020", "none", None, FRESH),  # a named one's backup
        ("10020", FUTURE, PAST, FUTURE),
    ],
)
def test_the_end_of_what_is_restored(
    session: Session, name: str, there: str | None, saved: str | None, ends: str | None
) -> None:
    """What is agreed now counts, then what was agreed; it never ends at once."""
    now = None if there == "none" else environment(name, expires=there)
    found = extend.end_of_restored(session, name, now, environment(expires=saved))
    ttl = session.site.defaults.ttl
    assert (ends if ends != FRESH else end_in(ttl)) == found
