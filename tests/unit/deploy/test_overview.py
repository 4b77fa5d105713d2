"""What runs, from the records and the engine's list."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from pydeploy.deploy import overview
from pydeploy.errors import ServiceError
from pydeploy.state import store as state_store
from pydeploy.state.store import Store
from tests.unit.deploy.samples import environment, release
from tests.unit.deploy.test_session import session_on


def container(attempt: int, status: str, service: str = "web") -> dict[str, Any]:
    labels = {"io.pydeploy.attempt": str(attempt), "io.pydeploy.service": service}
    return {"Labels": labels, "Status": status}


def described(store: Store, records: list[Any], containers: list[Any] | None) -> list[Any]:
    """`containers` is what the engine lists; None where it is away."""
    session = session_on(store)

    def listed(**_: Any) -> list[Any]:
        if containers is None:
            raise ServiceError("away", service="docker")
        return containers

    engine = session.engine
    engine.__dict__["sdk"] = SimpleNamespace(api=SimpleNamespace(containers=listed))
    return overview.describe(session, records)


@pytest.mark.parametrize(
    ("containers", "health"),
    [
        ([container(7, "Up 3 minutes"), container(7, "Up 9 days (healthy)", "db")], "2/2 up"),
        ([container(7, "Up 3 minutes (unhealthy)"), container(7, "Up 1 second", "db")], "1/2 up"),
        ([container(7, "Exited (0) 2 hours ago", "init")], "1/1 up"),
        ([container(7, "Exited (0) 2 hours ago", "web")], "0/1 up"),
        ([container(7, "Exited (1) 2 hours ago", "init")], "0/1 up"),
        ([container(7, "Restarting (1) 2 seconds ago")], "0/1 up"),
        ([container(7, "Created")], "0/1 up"),
        ([container(6, "Up 3 minutes")], "gone"),
        ([], "gone"),
        (None, "engine away"),
    ],
)
def test_health(store: Store, containers: list[Any] | None, health: str) -> None:
    """How many of the release's containers are up; a one-shot that has exited 0 is.  Or that none
    is there, or that nobody knows."""
    (found,) = described(store, [environment(current=release(attempt=7))], containers)
    assert health == found["health"]


@pytest.mark.parametrize("keys", [{"state": "completed"}, {"current": None}])
def test_without_containers_there_is_no_health(store: Store, keys: Any) -> None:
    """A completed one-shot keeps nothing running."""
    (found,) = described(store, [environment(**keys)], [])
    assert "" == found["health"]


def test_an_engine_that_is_no_longer_in_the_site(store: Store) -> None:
    """Does not hide the record."""
    record = environment(current=release(engine="sold"))
    (found,) = described(store, [record], [])
    assert ("sold", "engine away") == (found["engine"], found["health"])


def test_names_first_then_changes_by_number(store: Store) -> None:
    """9999 stands before 10020."""
    records = [environment(name) for name in ("10020", "staging", "9999", "docs")]
    found = described(store, records, [])
    assert ["docs", "staging", "9999", "10020"] == [one["name"] for one in found]


def test_what_is_told(store: Store) -> None:
    """Plain data: release, previous release, ports and images instead of whole models."""
    record = environment(current=release(), previous_release="10020-2")
    (found,) = described(store, [record], [])
    assert ("10020-3", "10020-2", "local") == (
        found["release"],
        found["previous_release"],
        found["engine"],
    )
    assert (20000, "sha256:a") == (found["ports"][0]["host_port"], found["images"][0]["digest"])
    assert not {"current", "previous", "model"} & set(found)


@pytest.mark.parametrize(
    ("ahead", "text"),
    [(7300, "2h 1m"), (86400 * 2 + 7201, "2d 2h"), (-1, "expired"), (0, "expired")],
)
def test_time_that_is_left(ahead: int, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two largest units, or that it is over."""
    now = state_store.now()
    monkeypatch.setattr(state_store, "now", lambda: now.replace(microsecond=0))
    assert text == overview.left(state_store.timestamp(now + timedelta(seconds=ahead)))


def test_what_never_expires() -> None:
    """Is said so."""
    assert "never" == overview.left(None)


def test_age(monkeypatch: pytest.MonkeyPatch) -> None:
    """Since then."""
    now = state_store.now().replace(microsecond=0)
    monkeypatch.setattr(state_store, "now", lambda: now)
    assert "1m 30s" == overview.age(state_store.timestamp(now - timedelta(seconds=90)))
