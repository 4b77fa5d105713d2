"""Whose a checkout is: what Gerrit says, and what counts where it says nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pydeploy.clients.gerrit import door
from pydeploy.clients.gerrit.model import NotFound, Refused
from pydeploy.config.site import Site
from pydeploy.errors import (
    PolicyError,
    PydeployError,
    ServiceError,
    SiteConfigError,
    TrustError,
    UsageError,
)
from pydeploy.gerrit import origin
from pydeploy.gerrit.origin import Claim, Origin
from tests.unit.gerrit.changes import ANN, ONE, TWO, change
from tests.unit.reporters.doors import Fake

URL = "https://gerrit.test"
TRUST = [{"uploader": "Maintainers"}, {"vote": "Deploy+1", "by": "Maintainers"}]
FOUND = Origin(gerrit_project="docs/hello", branch="master", topic="t", owner="ann")
AWAY = ServiceError("Gerrit does not answer", service="gerrit", is_passing=True)


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYDEPLOY_GERRIT_USERNAME", "ci-bot")
    monkeypatch.setenv("PYDEPLOY_GERRIT_PASSWORD", "hunter22")
    monkeypatch.delenv("PYDEPLOY_GERRIT_TOKEN", raising=False)


Says = Callable[..., Fake]


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Says:
    def answer(value: Any, members: Any = (ANN,)) -> Fake:
        fake = Fake(changes=[], answers=[value], groups={"Maintainers": members})
        monkeypatch.setattr(door, "opened", lambda _: fake)
        return fake

    return answer


def site(**gerrit: Any) -> Site:
    return Site.model_validate({"gerrit": gerrit})


def claim(patchset: int | None = 2, revision: str = TWO, **more: Any) -> Claim:
    facts = {"wanted": "", "is_dirty": False, "gerrit_project": "", "branch": "", **more}
    return Claim(change=10020, patchset=patchset, revision=revision, **facts)


# -- who is asked -----------------------------------------------------------------------


def test_without_gerrit_the_flags_count() -> None:
    assert None is origin.ask(site(), claim())


def test_without_credentials_the_flags_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """As before there was anybody to ask; but not where trust has to be known."""
    monkeypatch.delenv("PYDEPLOY_GERRIT_PASSWORD")
    assert None is origin.ask(site(url=URL), claim())
    with pytest.raises(SiteConfigError, match="no credentials"):
        origin.ask(site(url=URL, trust=TRUST), claim())
    assert None is origin.ask(site(url=URL, trust=TRUST), claim(), is_built=False)


# -- what it says -----------------------------------------------------------------------


def test_what_gerrit_says_wins(says: Says, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the caller claims of project and branch."""
    says(change())
    claimed = claim(gerrit_project="infra/secret", branch="refs/heads/stable")
    assert FOUND == origin.ask(site(url=URL), claimed)
    said = capsys.readouterr().err
    assert "Gerrit says 'docs/hello', which counts; the caller said 'infra/secret'" in said
    assert "Gerrit says 'master', which counts; the caller said 'stable'" in said


@pytest.mark.parametrize("branch", ["master", "refs/heads/master", ""])
def test_who_says_the_same_hears_nothing(
    says: Says, capsys: pytest.CaptureFixture[str], branch: str
) -> None:
    says(change())
    assert FOUND == origin.ask(site(url=URL), claim(branch=branch, wanted=TWO[:7]))
    assert "" == capsys.readouterr().err


def test_an_older_patchset(says: Says) -> None:
    says(change())
    assert FOUND == origin.ask(site(url=URL), claim(1, ONE))


def test_without_a_patchset_the_revision_says_which(says: Says) -> None:
    says(change())
    assert FOUND == origin.ask(site(url=URL), claim(None, ONE))


@pytest.mark.parametrize(
    ("claimed", "why"),
    [
        (claim(2, ONE), "patchset 2 of change 10020 is 222222222222 in Gerrit, but the checkout"),
        (claim(2, TWO, wanted="abc1234"), "but --revision says abc1234"),
        (claim(2, "c" * 40, wanted="abc1234", is_dirty=True), "but --revision says abc1234"),
        (claim(3, TWO), "has no patchset 3: Gerrit knows 1 to 2"),
        (claim(None, "c" * 40), "has no cccccccccccc"),
    ],
)
@pytest.mark.parametrize("trust", [[], [{"everyone": True}]])
@pytest.mark.parametrize("is_built", [True, False])
def test_a_contradiction(
    says: Says, claimed: Claim, why: str, trust: list[Any], is_built: bool
) -> None:
    """The caller has to decide; no exception and no grant is at stake then."""
    says(change())
    with pytest.raises(UsageError, match=why):
        origin.ask(site(url=URL, trust=trust), claimed, is_built=is_built)


# -- trust ------------------------------------------------------------------------------


def test_a_trusted_change(says: Says) -> None:
    says(change(("Deploy", 1, ANN)))
    assert FOUND == origin.ask(site(url=URL, trust=TRUST), claim())


def test_an_untrusted_change(says: Says) -> None:
    """Bob uploaded patchset 2, and the message names who can let it through."""
    says(change())
    with pytest.raises(TrustError) as caught:
        origin.ask(site(url=URL, trust=TRUST), claim())
    assert (
        "patchset 2 of change 10020, uploaded by bob, is not trusted, so it is not built. It can "
        "be let through by a member of Maintainers by uploading a patchset; or a member of "
        "Maintainers by voting Deploy+1 on patchset 2"
    ) == caught.value.message
    assert (2, "none") == (caught.value.exit_code, caught.value.fault)


def test_a_project_without_a_rule(says: Says) -> None:
    says(change())
    trust = [{"everyone": True, "projects": ["other"]}]
    with pytest.raises(TrustError, match="No rule of the site lets changes of docs/hello"):
        origin.ask(site(url=URL, trust=trust), claim())


def test_who_only_looks_is_told(says: Says, capsys: pytest.CaptureFixture[str]) -> None:
    says(change())
    assert FOUND == origin.ask(site(url=URL, trust=TRUST), claim(), is_built=False)
    assert "is not trusted" in capsys.readouterr().err


@pytest.mark.parametrize("patchset", [2, None])
def test_what_gerrit_does_not_have_is_nobody_s(says: Says, patchset: int | None) -> None:
    """Files differ from the commit: it goes on with no project; with trust it does not."""
    says(change(("Deploy", 1, ANN)))
    dirty = claim(patchset, "c" * 40, is_dirty=True, gerrit_project="docs/hello", branch="master")
    found = origin.ask(site(url=URL), dirty)
    assert found is not None
    assert ("", "") == (found.gerrit_project, found.branch)
    says(change(("Deploy", 1, ANN)))
    with pytest.raises(UsageError, match="not exactly patchset 2"):
        origin.ask(site(url=URL, trust=TRUST), dirty)


def test_a_group_that_is_not_seen(says: Says) -> None:
    """The operator's, and never "no members"."""
    says(change(), Refused("Not Found", 404))
    with pytest.raises(ServiceError, match="members of group 'Maintainers': Not Found"):
        origin.ask(site(url=URL, trust=TRUST), claim())


# -- silence ----------------------------------------------------------------------------


@pytest.mark.parametrize("silent", [AWAY, NotFound("", 404), Refused("", 403), Refused("x")])
def test_where_gerrit_does_not_answer(says: Says, silent: Exception) -> None:
    """No project without trust; with trust nothing is built."""
    says(silent)
    found = origin.ask(site(url=URL), claim(gerrit_project="docs/hello", branch="master"))
    assert found is not None
    assert {"gerrit_project": "", "branch": "", "topic": "", "owner": ""} == found.facts()
    says(silent)
    with pytest.raises(ServiceError):
        origin.ask(site(url=URL, trust=TRUST), claim())


def test_what_is_refused_then_is_not_the_author_s(says: Says) -> None:
    """An exception might have let it pass, so there is no vote on it."""
    says(AWAY)
    found = origin.ask(site(url=URL), claim())
    with pytest.raises(ServiceError, match="and so: privileged") as caught, origin.excused(found):
        raise PolicyError("privileged")
    assert caught.value.is_passing
    other = PydeployError("x")
    assert other is origin.blame(found, other)


@pytest.mark.parametrize("said", [None, FOUND])
def test_what_is_refused_else_is(said: Origin | None) -> None:
    with pytest.raises(PolicyError, match=r"^privileged$"), origin.excused(said):
        raise PolicyError("privileged")


def test_what_is_refused_in_another_checkout_is_the_caller_s(says: Says) -> None:
    says(change())
    found = origin.ask(site(url=URL), claim(2, "c" * 40, is_dirty=True))
    assert isinstance(origin.blame(found, PolicyError("privileged")), UsageError)
