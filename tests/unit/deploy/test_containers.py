"""How the containers of a scope are right now."""

from __future__ import annotations

import pytest
import requests.exceptions

from pydeploy.deploy import containers
from pydeploy.deploy.inventory import Scope
from pydeploy.errors import ServiceError
from tests.unit.deploy.engines import Api, container, engine

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
