"""Which release a rollback goes to."""

from __future__ import annotations

import pytest

from pydeploy.deploy import promote
from pydeploy.errors import UsageError
from pydeploy.state.records import Origin, Release
from pydeploy.state.store import Store
from tests.unit.deploy.samples import environment, release
from tests.unit.deploy.test_session import session_on

NAME = "staging"


def one(number: int, action: str = "deploy", of: str = "", source: str = NAME) -> Release:
    origin = Origin.model_validate({"action": action, "environment": source, "release": of})
    return release(f"r{number}", attempt=number, origin=origin)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ([one(1), one(2)], "r1"),
        ([one(1), one(2), one(3, "rollback", "r1")], None),
        ([one(1), one(2), one(3), one(4, "rollback", "r2")], "r1"),
        ([one(1), one(2), one(3), one(4, "rollback", "r2"), one(5)], "r4"),
        ([one(1), one(2), one(4, "rollback", "r1"), one(5), one(6, "rollback", "r4")], None),
        ([one(1), one(2), one(3, "restart", "r2")], "r1"),
        ([one(1), one(2), one(3, "restart", "r2"), one(4, "rollback", "r3")], "r1"),
        ([one(1), one(2, "promote", "r9", "10020")], "r1"),
        ([one(1), one(2, "promote", "r1", "10020")], "r1"),
        ([one(3), one(4, "rollback", "r2")], None),
        ([one(1)], None),
    ],
)
def test_the_one_before(store: Store, known: list[Release], expected: str | None) -> None:
    """Older than what runs; a release that runs again counts as what it is; never forward."""
    session = session_on(store)
    for number in known:
        store.etcd.put(store.keys.release(NAME, number.name), number.text())
    record = environment(NAME, current=known[-1])
    if expected is None:
        with pytest.raises(UsageError, match="no earlier release"):
            promote._before(session, record)
        return
    assert expected == promote._before(session, record).name
