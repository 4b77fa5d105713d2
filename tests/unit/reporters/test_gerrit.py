"""What is said of a change, and voted: decided from how the change is now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pydeploy.clients.gerrit.model import Change, Message, NotFound, Refused
from pydeploy.errors import ServiceError
from pydeploy.reporters import gerrit
from pydeploy.reporters.gerrit import Word, decide, say
from pydeploy.reporters.report import PHASES, VOTES
from tests.unit.reporters.doors import Fake

OPEN = Change(
    number=10020,
    gerrit_project="docs/hello",
    branch="master",
    status="NEW",
    patchset=3,
    revision="abc123",
)
WORD = Word(phase="deployed", change=10020, patchset=3, message="it runs\n\n* here", vote=1)


def posted(word: Word, change: Change) -> tuple[str, dict[str, int]] | None:
    review = decide(word, change).review
    return (review.message, review.labels) if review else None


@pytest.mark.parametrize("phase", PHASES)
def test_fault_decides_the_vote(phase: Any) -> None:
    """DESIGN: deployed is +1, what its author has to mend is -1, nothing else votes."""
    wanted = {"deployed": 1, "failed-author": -1}.get(phase)
    assert wanted == VOTES.get(phase)


@pytest.mark.parametrize(
    ("word", "change", "message", "labels", "why"),
    [
        (WORD, OPEN, True, {"Verified": 1}, ""),
        (replace(WORD, vote=-1, label="CI"), OPEN, True, {"CI": -1}, ""),
        (replace(WORD, vote=None), OPEN, True, {}, ""),
        (WORD, replace(OPEN, patchset=4), True, {}, "patchset 3 is not the current one"),
        (replace(WORD, revision="abc"), OPEN, True, {"Verified": 1}, ""),
        (replace(WORD, revision="fff"), OPEN, True, {}, "is another commit than fff"),
        (replace(WORD, patchset=None), OPEN, True, {}, "it was not said which patchset"),
        (WORD, replace(OPEN, status="MERGED"), True, {}, "the change is merged"),
        (WORD, replace(OPEN, status="ABANDONED"), True, {}, "the change is abandoned"),
        (replace(WORD, vote=None), replace(OPEN, status="MERGED"), True, {}, ""),
    ],
)
def test_only_the_current_patchset_of_an_open_change_is_voted_on(
    word: Word, change: Change, message: bool, labels: dict[str, int], why: str
) -> None:
    """Else the message goes without the vote, and it is said why."""
    found = decide(word, change)
    assert found.review is not None
    assert (word.message, labels) == (found.review.message, found.review.labels)
    assert found.why.startswith(why) or why in found.why
    assert bool(why) == bool(found.why)


def test_a_superseded_patchset_is_not_talked_of() -> None:
    word = replace(WORD, phase="superseded", vote=None)
    assert None is posted(word, replace(OPEN, patchset=4))
    assert ("it runs\n\n* here", {}) == posted(word, OPEN)


def test_what_was_said_last_is_not_said_again() -> None:
    """With its vote; line ends and spaces are Gerrit's to change. Other patchsets do not count."""
    said = Message(patchset=3, text="it runs\n\n * here\n")
    before = Message(patchset=2, text=WORD.message)
    there = replace(OPEN, messages=(said,), votes={"Verified": 1})
    assert None is posted(WORD, there)
    assert (WORD.message, {"Verified": 1}) == posted(WORD, replace(there, messages=(before,)))
    assert ("", {"Verified": 1}) == posted(WORD, replace(there, votes={}))
    assert ("", {"Verified": 1}) == posted(WORD, replace(there, votes={"Verified": -1}))
    other = Message(patchset=3, text="it failed")
    assert (WORD.message, {"Verified": 1}) == posted(WORD, replace(there, messages=(said, other)))


def test_a_bare_vote_says_nothing() -> None:
    """Gerrit notes it as a message without text."""
    messages = (Message(patchset=3, text=WORD.message), Message(patchset=3, text=""))
    assert None is posted(WORD, replace(OPEN, messages=messages, votes={"Verified": 1}))


# -- sending ----------------------------------------------------------------------------


def test_a_change_that_closes_in_between_is_told_without_a_vote() -> None:
    """Gerrit refuses the vote on it, and takes the message."""
    fake = Fake([OPEN, replace(OPEN, status="ABANDONED")], [Refused("closed", 409), {}])
    said = say(fake, WORD)
    assert (True, None, "the change is abandoned") == (said.is_posted, said.vote, said.why)
    assert [{"Verified": 1}, {}] == [one.labels for one in fake.reviews]


def test_a_vote_that_is_refused_takes_no_message_with_it() -> None:
    """The operator has to mend the rights; the author reads the message all the same."""
    fake = Fake([OPEN], [Refused("is restricted", 403), {}])
    with pytest.raises(ServiceError, match="not the vote Verified \\+1 of ci-bot: is restricted"):
        say(fake, WORD)
    assert [WORD.message, WORD.message] == [one.message for one in fake.reviews]


@pytest.mark.parametrize("taken", [{}, {"Verified": -1}, {"Other": 1}])
def test_a_vote_that_was_dropped_in_silence_is_an_error(taken: dict[str, int]) -> None:
    with pytest.raises(ServiceError, match="but not the vote") as caught:
        say(Fake([OPEN], [taken]), WORD)
    assert "`Label Verified`" in caught.value.hint


@pytest.mark.parametrize(
    ("refused", "says"),
    [
        (Refused("", 401), "does not accept our credentials"),
        (Refused("nope", 403), "does not let our account comment: nope"),
        (NotFound("Not found", 404), "knows no change 10020"),
        (Refused("boom", 500), r"refused the report on change 10020: boom \(HTTP 500\)"),
        (Refused("boom"), "refused the report on change 10020: boom$"),
    ],
)
def test_each_refusal_says_what_to_do(refused: Refused, says: str) -> None:
    with pytest.raises(ServiceError, match=says) as caught:
        say(Fake([refused], []), WORD)
    assert caught.value.hint
    assert "gerrit" == caught.value.service


def test_a_patchset_that_comes_while_it_is_voted() -> None:
    """The vote is on one that does not count any more: it is said."""
    found = say(Fake([OPEN, replace(OPEN, patchset=4)], [{"Verified": 1}]), WORD)
    assert (True, None) == (found.is_posted, found.vote)
    assert "patchset 4 came meanwhile: the vote is on patchset 3" == found.why


@pytest.mark.parametrize("then", [OPEN, Refused("boom", 500), NotFound("")])
def test_a_vote_that_was_taken_stays_taken(then: Any) -> None:
    """Also where Gerrit goes away after it."""
    assert 1 == say(Fake([OPEN, then], [{"Verified": 1}]), WORD).vote


def test_a_change_that_is_gone_needs_no_goodbye() -> None:
    found = say(Fake([NotFound("")], []), replace(WORD, phase="removed", vote=None))
    assert gerrit.Said(is_posted=False, why="the change is gone, too") == found


def test_that_it_is_untrusted_is_said_once() -> None:
    """Whatever was said in between, such as that another build began."""
    word = Word(phase="untrusted", change=10020, patchset=3, message="not yet")
    said = (Message(patchset=3, text="not yet"), Message(patchset=3, text="it begins"))
    assert None is posted(word, replace(OPEN, messages=said))
    assert ("not yet", {}) == posted(word, replace(OPEN, messages=said[1:]))
    older = (Message(patchset=2, text="not yet"),)
    assert ("not yet", {}) == posted(word, replace(OPEN, messages=older))
