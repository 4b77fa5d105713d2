"""How the containers of a scope are right now."""

from __future__ import annotations

import pytest
import requests.exceptions

from pydeploy.deploy import containers
from pydeploy.deploy.inventory import Scope
from pydeploy.deploy.session import Session
from pydeploy.errors import ServiceError, UsageError
from pydeploy.state.store import Store
from tests.unit.deploy.engines import Api, container, engine
from tests.unit.deploy.samples import environment
from tests.unit.deploy.test_session import session_on

SCOPE = Scope(site="s", environment="10020", attempt=7)


def test_by_service() -> None:
    """In the order of their names, as the engine inspects them."""
    api = Api(container("web"), container("db", Status="exited", ExitCode=1))
    found = containers.states(engine(api), SCOPE)
    assert [("db", "exited", 1), ("web", "running", 0)] == [
        (one.service, one.status, one.exit_code) for one in found
    ]


def test_what_goes_meanwhile_is_not_told() -> None:
    """Listed, and gone before it was looked at."""
    found = containers.states(engine(Api(container("web"), gone=("db",))), SCOPE)
    assert ["web"] == [one.service for one in found]


def test_only_the_scope_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what does not run any more."""
    asked = []

    def listed(**keys: object) -> list[object]:
        asked.append(keys)
        return []

    api = Api()
    monkeypatch.setattr(api, "containers", listed)
    assert () == containers.states(engine(api), SCOPE)
    assert [{"all": True, "filters": SCOPE.filters()}] == asked


def test_an_engine_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is the operator's."""

    def away(**_: object) -> list[object]:
        raise requests.exceptions.ConnectionError("refused")

    api = Api()
    monkeypatch.setattr(api, "containers", away)
    with pytest.raises(ServiceError, match="does not answer"):
        containers.states(engine(api), SCOPE)


@pytest.fixture
def session(store: Store) -> Session:
    """On an engine with a service that runs and one that has ended."""
    opened = session_on(store)
    api = Api(container("web"), container("db", Status="exited", ExitCode=1))
    opened.engine.__dict__["sdk"] = engine(api).sdk
    store.etcd.put(store.keys.environment("10020"), environment().text())
    return opened


def test_the_container_of_a_service(session: Session) -> None:
    """Also of one that does not run: its log is what is wanted of it."""
    assert "db" == containers.of_service(session, environment(), "db")
    assert "web" == containers.running(session, "10020", "web")


@pytest.mark.parametrize(
    ("name", "service", "message", "hint"),
    [
        ("10020", "nobody", "no service 'nobody'", "choose one of: db, web"),
        ("10020", "db", "it is exited", "pydeploy logs 10020 db"),
        ("10021", "web", "no environment '10021'", "pydeploy status"),
    ],
)
def test_what_does_not_run(
    session: Session, name: str, service: str, message: str, hint: str
) -> None:
    """The caller's turn; what there is, or where to look, is said."""
    with pytest.raises(UsageError, match=message) as refused:
        containers.running(session, name, service)
    assert hint in refused.value.hint
