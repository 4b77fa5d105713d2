"""Whether a patchset is trusted, of rules and of what Gerrit says."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pydeploy.clients.gerrit.detail import Person
from pydeploy.config.site import Gerrit, TrustRule
from pydeploy.gerrit import trust
from tests.unit.gerrit.changes import ANN, BOB, EVE, change

UPLOADER = {"uploader": "Maintainers"}
VOTE = {"vote": "Deploy+1", "by": "Maintainers"}
Votes = list[tuple[str, int, Person]]


def rules(*given: dict[str, Any]) -> list[TrustRule]:
    return [TrustRule.model_validate(one) for one in given]


@pytest.mark.parametrize(
    ("given", "patchset", "votes", "is_trusted"),
    [
        pytest.param([{"everyone": True}], 2, [], True, id="everyone"),
        pytest.param([{"everyone": True, "projects": ["docs/*"]}], 2, [], True, id="project"),
        pytest.param([{"everyone": True, "projects": ["docs"]}], 2, [], False, id="no project"),
        pytest.param([{"everyone": True, "projects": ["DOCS/*"]}], 2, [], False, id="capitals"),
        pytest.param([UPLOADER], 1, [], True, id="ann uploaded"),
        pytest.param([UPLOADER], 2, [], False, id="bob uploaded a patchset of ann's change"),
        pytest.param([{**UPLOADER, "projects": ["x"]}], 1, [], False, id="ann, elsewhere"),
        pytest.param([VOTE], 2, [("Deploy", 1, ANN)], True, id="ann voted"),
        pytest.param([VOTE], 2, [("Deploy", 2, ANN)], True, id="more than that"),
        pytest.param([VOTE], 2, [("Deploy", -1, ANN)], False, id="against"),
        pytest.param([VOTE], 2, [("Deploy", 1, BOB)], False, id="a stranger voted"),
        pytest.param([VOTE], 2, [("Deploy", 1, EVE)], False, id="who calls herself Ann"),
        pytest.param([VOTE], 2, [("Verified", 1, ANN)], False, id="another label"),
        pytest.param([VOTE], 2, [("deploy", 1, ANN)], False, id="nearly the label"),
        pytest.param([VOTE], 1, [("Deploy", 1, ANN)], False, id="of the current patchset only"),
        pytest.param([VOTE, UPLOADER], 1, [], True, id="one of two"),
        pytest.param(
            [{"vote": "Code-Review+2", "by": "Maintainers"}], 2, [("Code-Review", 1, ANN)], False,
            id="less than that",
        ),
        pytest.param([{"uploader": "Empty"}], 1, [], False, id="a group of nobody"),
    ],
)  # fmt: skip
def test_who_is_trusted(
    given: list[dict[str, Any]], patchset: int, votes: Votes, is_trusted: bool
) -> None:
    found = change(*votes)
    verdict = trust.decide(
        rules(*given), found, found.patchsets[patchset - 1], {"Maintainers": (ANN,), "Empty": ()}
    )
    assert is_trusted == verdict.is_trusted


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (ANN, Person(username="ann"), True),
        (ANN, Person(number=1), True),
        (ANN, Person(number=9, username="ann"), False),
        (Person(username="ann"), Person(username="Ann"), False),
        (Person(name="Ann"), Person(name="Ann"), False),
        (Person(email="a@x"), Person(email="a@x"), False),
    ],
)
def test_who_is_who(one: Person, other: Person, is_same: bool) -> None:
    """By number or login, whichever both doors say; never by what people may choose."""
    assert is_same == one.is_same(other) == other.is_same(one)


def test_it_is_said_who_can_let_it_through() -> None:
    """Each way that is open for the project, once."""
    given = rules(UPLOADER, VOTE, VOTE, {**UPLOADER, "projects": ["x"]})
    found = change()
    verdict = trust.decide(given, found, found.patchsets[1], {})
    assert (
        "a member of Maintainers by uploading a patchset",
        "a member of Maintainers by voting Deploy+1 on patchset 2",
    ) == verdict.by


def test_whose_members_are_asked_for() -> None:
    """Of rules for the project, and of none where everyone is trusted."""
    given = rules(UPLOADER, VOTE, {"uploader": "Core"}, {"uploader": "X", "projects": ["x"]})
    assert ("Maintainers", "Core") == trust.groups(given, "docs/hello")
    assert () == trust.groups(rules(UPLOADER, {"everyone": True}), "docs/hello")


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"projects": ["x"]},
        {"everyone": False},
        {"everyone": True, "uploader": "G"},
        {**UPLOADER, **VOTE},
        {"vote": "Deploy+1"},
        {"by": "G"},
        {"everyone": True, "by": "G"},
        {"vote": "Deploy-1", "by": "G"},
        {"vote": "Deploy+0", "by": "G"},
        {"vote": "Deploy", "by": "G"},
        {"uploader": ""},
        {"uploader": "--help"},
        {"uploader": "a\nb"},
        {"everyone": True, "projects": []},
    ],
)
def test_what_is_no_rule(rule: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TrustRule.model_validate(rule)


def test_rules_need_a_gerrit() -> None:
    with pytest.raises(ValidationError, match="set url or ssh"):
        Gerrit.model_validate({"trust": [UPLOADER]})
