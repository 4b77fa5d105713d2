"""What the doctor says of Gerrit; the doors themselves are tested on a real one."""

from __future__ import annotations

from typing import Any, cast

import pytest

from pydeploy.clients.gerrit import door
from pydeploy.clients.gerrit.model import Account, Refused
from pydeploy.clients.gerrit.rest import Rest
from pydeploy.config.site import Gerrit, Site
from pydeploy.errors import ServiceError
from pydeploy.platform.checks import gerrit
from pydeploy.platform.checks.verdict import Context, Verdict
from pydeploy.platform.ports import Ports
from pydeploy.state.store import Store

NOW = "Sat, 28 Nov 2020 00:00:00 GMT"  # is long ago


class Fake(Rest):
    def __init__(self, where: str = "https://gerrit.test", **found: Any) -> None:
        self.where = where
        self._found = {"span": (-1, 1), "date": "", "problem": None, **found}

    def ping(self) -> None:
        if self._found["problem"]:
            raise self._found["problem"]

    def account(self) -> Account:
        return Account(username="ci-bot", number=7)

    def may_vote(self, label: str) -> tuple[int, int] | None:
        if isinstance(self._found["span"], Exception):
            raise self._found["span"]
        return cast("tuple[int, int] | None", self._found["span"])

    def date(self) -> str:
        return str(self._found["date"])


def check(monkeypatch: pytest.MonkeyPatch, fake: Rest, **settings: Any) -> list[Verdict]:
    monkeypatch.setattr(door, "opened", lambda _: fake)
    site = Site(gerrit=Gerrit(url="https://gerrit.test", **settings))
    ports = Ports(http=80, https=443, dns=53, etcd_peer=2380)
    return list(gerrit.check(Context(site=site, store=cast(Store, None), engines={}, ports=ports)))


def test_nothing_is_said_where_there_is_none() -> None:
    ports = Ports(http=80, https=443, dns=53, etcd_peer=2380)
    context = Context(site=Site(), store=cast(Store, None), engines={}, ports=ports)
    assert [] == list(gerrit.check(context))


def test_all_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let in, and may vote."""
    found = check(monkeypatch, Fake())
    assert ["ok", "ok"] == [one.level for one in found]
    assert "ci-bot may vote -1 to +1 on Verified" == found[1].message


@pytest.mark.parametrize(
    ("span", "level", "says"),
    [
        ((0, 0), "error", "not at all"),
        ((0, 1), "error", "only +0 to +1"),
        ((-2, 2), "ok", "-2 to +2"),
        (None, "ok", "shows with the first vote"),
        (Refused("may not query", 403), "error", "cannot be seen: may not query"),
        (Refused("", 500), "error", "cannot be seen: HTTP 500"),
    ],
)
def test_who_may_vote(monkeypatch: pytest.MonkeyPatch, span: Any, level: str, says: str) -> None:
    found = check(monkeypatch, Fake(span=span))[1]
    assert level == found.level
    assert says in found.message


@pytest.mark.parametrize(
    ("changes", "span"),
    [
        ([], None),
        ([[]], (0, 0)),
        ([["-1", " 0"], [" 0", "+1"]], (-1, 0)),
        ([[" 0", "+1", "+2"], ["-1", " 0", "+1"], []], (-1, 1)),
    ],
)
def test_a_vote_each_way_has_to_be_on_one_change(
    monkeypatch: pytest.MonkeyPatch, changes: list[list[str]], span: tuple[int, int] | None
) -> None:
    """-1 here and +1 there is no right to vote."""
    door = Rest("https://gerrit.test", token="x")
    found = [{"permitted_labels": {"Verified": one}} for one in changes]
    monkeypatch.setattr(door, "_get", lambda *_: found)
    assert span == door.may_vote("Verified")


def test_a_doctor_goes_on_where_gerrit_says_no() -> None:
    """A refusal is a failure that we expect, not a bug."""
    assert issubclass(Refused, ServiceError)


def test_one_voter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where somebody else votes, our rights do not matter."""
    assert ["ok"] == [one.level for one in check(monkeypatch, Fake(span=(0, 0)), vote=False)]


@pytest.mark.parametrize(
    ("problem", "says", "mend"),
    [
        (Refused("Unauthorized", 401), "does not let us in: Unauthorized", "password or key"),
        (ServiceError("away", service="gerrit", hint="start it"), "away", "start it"),
    ],
)
def test_who_is_not_let_in(
    monkeypatch: pytest.MonkeyPatch, problem: Exception, says: str, mend: str
) -> None:
    (found,) = check(monkeypatch, Fake(problem=problem))
    assert "error" == found.level
    assert says in found.message
    assert mend in found.mend


def test_what_is_missing_here_is_of_the_configuration() -> None:
    """No credentials: site.yml or the process environment, so exit 2."""
    ports = Ports(http=80, https=443, dns=53, etcd_peer=2380)
    site = Site(gerrit=Gerrit(url="https://gerrit.test"))
    context = Context(site=site, store=cast(Store, None), engines={}, ports=ports)
    (found,) = gerrit.check(context)
    assert ("error", "config") == (found.level, found.fault)


def test_a_clock_and_a_way_that_are_no_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are warnings: it works today."""
    found = check(monkeypatch, Fake("http://gerrit.test", date=NOW))
    assert ["ok", "ok", "warning", "warning"] == [one.level for one in found]
    assert "clear text" in found[2].message
    assert "clock" in found[3].message
