"""A deploy asks Gerrit whose the change is, before it reads what is in it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pydeploy.clients.gerrit import door
from pydeploy.config.site import Site
from pydeploy.deploy.deploy import _Deploy
from pydeploy.deploy.request import Request
from pydeploy.errors import ServiceError, TrustError
from pydeploy.repository.git import Revision
from tests.unit.gerrit.changes import TWO, change
from tests.unit.reporters.doors import Fake

CLAIMED = {"gerrit_project": "infra/secret", "branch": "stable", "owner": "root"}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("PYDEPLOY_GERRIT_TOKEN", "hunter22")

    def of(answer: Any, trust: tuple[Any, ...] = (), number: int | None = 10020) -> Request:
        monkeypatch.setattr(door, "opened", lambda _: Fake(changes=[], answers=[answer]))
        site = Site.model_validate({"gerrit": {"url": "https://gerrit.test", "trust": trust}})
        request = Request(root=Path("/"), change=number, patchset=2, name="docs", **CLAIMED)  # type: ignore[arg-type]
        mine = cast("Any", SimpleNamespace(session=SimpleNamespace(site=site), clock=None))
        deploy = _Deploy(mine, request, Revision(name=TWO, is_dirty=False))
        with deploy._of_gerrit():
            pass
        return deploy.request

    return of


def test_its_word_is_what_is_recorded(asked: Any) -> None:
    found = asked(change())
    assert ("docs/hello", "master", "ann") == (found.gerrit_project, found.branch, found.owner)


def test_without_its_word_there_is_no_project(asked: Any) -> None:
    """In the record neither, so that a restart is granted nothing."""
    found = asked(ServiceError("away", service="gerrit"))
    assert ("", "", "") == (found.gerrit_project, found.branch, found.owner)


def test_an_untrusted_change_goes_no_further(asked: Any) -> None:
    with pytest.raises(TrustError):
        asked(change(), ({"everyone": True, "projects": ["other"]},))


def test_what_is_no_change_is_not_asked_about(asked: Any) -> None:
    found = asked(AssertionError("it was asked"), number=None)
    assert "infra/secret" == found.gerrit_project
