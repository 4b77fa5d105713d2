"""`pydeploy doctor` says what is wrong with Jenkins, where site.yml names one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pydeploy.clients import jenkins_http
from pydeploy.config.site import Site
from pydeploy.platform import checks
from pydeploy.platform.checks import jenkins
from pydeploy.platform.checks.verdict import Verdict
from tests.unit.jenkins import fake as kinds
from tests.unit.jenkins.fake import FakeJenkins


@pytest.fixture
def check(fake: FakeJenkins, monkeypatch: pytest.MonkeyPatch) -> Any:
    def checked(secret: str = "", token: str = "") -> list[Verdict]:
        monkeypatch.setenv("PYDEPLOY_JENKINS_TOKEN", secret)
        monkeypatch.setenv("PYDEPLOY_JENKINS_TRIGGER_TOKEN", token)
        site = Site.model_validate({"jenkins": {"url": fake.url, "username": "ci"}})
        context: Any = SimpleNamespace(site=site)
        return list(checks.run(context, {"jenkins": jenkins.check}))

    return checked


def told(verdicts: list[Verdict]) -> list[str]:
    return [f"{one.level}: {one.message}" for one in verdicts]


def test_an_api_token_is_well(fake: FakeJenkins, check: Any) -> None:
    """Version, name, and that no crumb is needed; nothing is changed."""
    assert [
        f"ok: {kinds.VERSION} at {fake.url}",
        "ok: it takes us for ci",
        "ok: an API token: no crumb is needed",
    ] == told(check("11" + "ab" * 16))
    assert [] == fake.posts()


def test_a_password_gets_a_crumb(check: Any) -> None:
    """Which is asked for."""
    assert "hands out crumbs" in told(check("correct horse"))[-1]


def test_a_jenkins_without_crumbs_is_warned_of(fake: FakeJenkins, check: Any) -> None:
    """It works, and is not safe."""
    fake.has_crumbs = False
    assert told(check("correct horse"))[-1].startswith("warning: it hands out no crumbs")


def test_wrong_credentials_are_an_error_with_a_mend(check: Any) -> None:
    """Exit 6; the secret is not in it."""
    (wrong,) = check("11" + "00" * 16)
    assert ("error", "service") == (wrong.level, wrong.fault)
    assert "does not accept the credentials of ci" in wrong.message
    assert "API token" in wrong.mend


def test_nobody_is_a_warning(check: Any) -> None:
    """Unless there is a trigger token."""
    assert "warning: there are no credentials: builds cannot be started" == told(check())[-1]
    assert "ok: there is a trigger token and no account" == told(check(token="t"))[-1]


def test_a_jenkins_that_is_away_is_an_error(
    fake: FakeJenkins, check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what it says."""
    monkeypatch.setattr(jenkins_http, "_FIRST_PAUSE", 99.0)  # longer than it is patient
    fake.fail("proxy 502", times=99)
    (wrong,) = check("x")
    assert wrong.level == "error"
    assert "does not reach it" in wrong.message


def test_a_site_without_jenkins_is_not_asked(check: Any) -> None:
    """No line at all."""
    context: Any = SimpleNamespace(site=Site())
    assert [] == list(checks.run(context, {"jenkins": jenkins.check}))
