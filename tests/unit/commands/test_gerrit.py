"""`pydeploy gerrit`: what is asked, what is printed, and how a refusal reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pydeploy.__main__ import run
from pydeploy.clients.gerrit import door
from pydeploy.clients.gerrit.detail import Approval, Detail, Found, Patchset, Person
from pydeploy.clients.gerrit.model import NotFound, Refused, Unsupported
from pydeploy.errors import ServiceError
from tests.unit.reporters.doors import Fake

ANN, BOB = Person(number=8, username="ann"), Person(number=9, name="Bob")
CHANGE = Detail(
    number=10020,
    gerrit_project="docs/hello",
    branch="master",
    topic="",
    subject="Say \x1b[31mhello",
    status="NEW",
    owner=ANN,
    patchset=1,
    revision="a1",
    patchsets=(Patchset(number=1, revision="a1", uploader=BOB),),
    approvals=(Approval(label="Code-Review", value=1, by=ANN),),
    url="https://gerrit.test/c/docs/hello/+/10020",
)
AWAY = ServiceError("Gerrit does not answer", service="gerrit", is_passing=True)


@pytest.fixture
def gerrit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Fake]:
    (tmp_path / "site.yml").write_text("gerrit: {url: 'https://gerrit.test'}\n")
    monkeypatch.setenv("PYDEPLOY_SITE", str(tmp_path / "site.yml"))

    def answers(*given: Any) -> Fake:
        fake = Fake(changes=[], answers=list(given))
        monkeypatch.setattr(door, "opened", lambda _: fake)
        return fake

    return answers


Gerrit = Callable[..., Fake]
Capture = pytest.CaptureFixture[str]


def test_query(gerrit: Gerrit, capsys: Capture) -> None:
    """The words are one text; what was written into a change drives no terminal."""
    fake = gerrit(*[Found(changes=(CHANGE,), is_more=True)] * 2)
    assert 0 == run(["gerrit", "query", "status:open", "--limit", "1", "--", "-is:wip"])
    assert [("query", "status:open -is:wip", 1)] == fake.asked
    printed = capsys.readouterr()
    assert "10020\t1\tNEW\tdocs/hello\tmaster\tann\tSay \ufffd[31mhello" in printed.out
    assert "more than these 1" in printed.err
    assert 0 == run(["gerrit", "query", "x", "--json"])
    value = json.loads(capsys.readouterr().out)
    assert value["is_more"]
    assert 10020 == value["changes"][0]["number"]


@pytest.mark.parametrize("text", [" ", "a\nb", "a\x00b"])
def test_no_query(gerrit: Gerrit, text: str) -> None:
    fake = gerrit()
    assert 64 == run(["gerrit", "query", text])
    assert [] == fake.asked


def test_show(gerrit: Gerrit, capsys: Capture) -> None:
    gerrit(CHANGE, CHANGE)
    assert 0 == run(["gerrit", "show", "10020"])
    text = capsys.readouterr().out
    assert "patchset 1 (current): a1, uploaded by Bob\nCode-Review +1 by ann\n" in text
    assert "\x1b" not in text
    assert 0 == run(["gerrit", "show", "10020", "--json"])
    value = json.loads(capsys.readouterr().out)
    assert {"number": 9, "username": "", "name": "Bob", "email": ""} == value["patchsets"][0][
        "uploader"
    ]


@pytest.mark.parametrize("number", ["0", "-1", "x", "10020,2 --submit"])
def test_what_is_no_change(gerrit: Gerrit, number: str) -> None:
    fake = gerrit()
    assert 64 == run(["gerrit", "submit", "--", number])
    assert [] == fake.asked


def test_review(gerrit: Gerrit, capsys: Capture) -> None:
    """On the current patchset, unless another is named."""
    fake = gerrit(CHANGE, {"Code-Review": 1})
    assert 0 == run(["gerrit", "review", "10020", "--label", "Code-Review=+1", "--json"])
    assert {"change": 10020, "patchset": 1, "labels": {"Code-Review": 1}} == json.loads(
        capsys.readouterr().out
    )
    assert {"Code-Review": 1} == fake.reviews[0].labels


def test_a_vote_that_was_not_taken(gerrit: Gerrit, capsys: Capture) -> None:
    gerrit({})
    assert 6 == run(["gerrit", "review", "10020", "--patchset", "1", "--label", "Typo=1"])
    assert "not the vote Typo +1 of ci-bot" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [(), ("--label", "x"), ("--label", "=1"), ("--label", "a=b")])
def test_no_review(gerrit: Gerrit, flags: tuple[str, ...]) -> None:
    fake = gerrit()
    assert 64 == run(["gerrit", "review", "1", *flags])
    assert [] == fake.asked


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (("abandon", "10020", "--message", "--submit"), ("abandon", 10020, "--submit")),
        (("rebase", "10020"), ("rebase", 10020, None)),
        (("rebase", "10020", "--onto", "9"), ("rebase", 10020, 9)),
        (("submit", "10020"), ("submit", 10020)),
    ],
)
def test_what_changes_something(
    gerrit: Gerrit, capsys: Capture, words: tuple[str, ...], asked: tuple[Any, ...]
) -> None:
    """Then the change is shown as it is."""
    fake = gerrit(None, CHANGE)
    assert 0 == run(["gerrit", *words, "--json"])
    assert [asked, ("show", 10020)] == fake.asked
    assert "NEW" == json.loads(capsys.readouterr().out)["status"]


@pytest.mark.parametrize(
    ("refused", "code", "says"),
    [
        (Refused("not Signed-off", 409), 6, "as the change is now: not Signed-off"),
        (Refused("submit not permitted", 403), 6, "not let our account do that: submit not perm"),
        (NotFound("", 404), 6, "knows no such change"),
        (Refused("", 401), 6, "credentials"),
        (Refused("bad", 400), 64, "does not understand the submit of change 7: bad"),
        (Refused("one or more reviews failed"), 6, "refused that: one or more"),
        (Unsupported("by SSH, no"), 64, "by SSH, no"),
        (AWAY, 6, "may have been done all the same"),
    ],
)
def test_a_refusal(
    gerrit: Gerrit, capsys: Capture, refused: Exception, code: int, says: str
) -> None:
    """In Gerrit's words; whether a lost answer did something is not guessed, nor tried again."""
    fake = gerrit(refused)
    assert code == run(["gerrit", "submit", "7"])
    assert says in capsys.readouterr().err
    assert [("submit", 7)] == fake.asked


def test_done_and_not_seen(gerrit: Gerrit, capsys: Capture) -> None:
    """It is no failure."""
    gerrit(None, AWAY)
    assert 0 == run(["gerrit", "submit", "7", "--json"])
    printed = capsys.readouterr()
    assert {"number": 7} == json.loads(printed.out)
    assert "it is done, but" in printed.err
