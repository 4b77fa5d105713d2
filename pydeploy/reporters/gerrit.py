"""Reports to Gerrit: a message and a vote, on the patchset that they are about, once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pydeploy.clients.gerrit.model import Change, Gerrit, NotFound, Notify, Refused, Review
from pydeploy.errors import ServiceError
from pydeploy.reporters.report import Phase

_SAID_BEFORE = "it has been said already"


@dataclass(frozen=True, kw_only=True)
class Word:
    """What is to be said; `vote` is what its phase, or the caller, wants."""

    phase: Phase
    change: int
    message: str
    patchset: int | None = None  # None: the current one, without a vote
    revision: str = ""
    label: str = "Verified"
    vote: int | None = None
    notify: Notify = "OWNER"
    environment: str = ""  # empty: it was not said which


class Untaken(ServiceError):
    """The message is out, and the vote was not taken."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What was done; `why` it was less than what was wanted, if so."""

    is_posted: bool
    is_kept: bool = False  # in the outbox, to be said later
    patchset: int | None = None
    vote: int | None = None
    why: str = ""

    @property
    def is_out(self) -> bool:
        """Gerrit has it, now or from before."""
        return self.is_posted or self.why == _SAID_BEFORE

    def as_dict(self) -> dict[str, Any]:
        return {
            "patchset": self.patchset,
            "is_posted": self.is_posted,
            "is_kept": self.is_kept,
            "vote": self.vote,
            "why": self.why,
        }


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What to post, if anything, on which patchset."""

    review: Review | None
    patchset: int
    why: str = ""


def decide(word: Word, change: Change) -> Decision:
    """A pure function of what is to be said and of how the change is now."""
    patchset = word.patchset or change.patchset
    is_current = patchset == change.patchset and change.revision.startswith(word.revision)
    why = ""
    if not is_current:
        if word.phase == "superseded":
            return Decision(
                review=None, patchset=patchset, why="a newer patchset speaks for itself"
            )
        why = f"patchset {patchset} is not the current one any more ({change.patchset} is)"
        if patchset == change.patchset:
            why = f"patchset {patchset} is another commit than {word.revision[:12]}"
    elif not change.is_open:
        why = f"the change is {change.status.lower()}"
    elif word.patchset is None and word.vote is not None:
        why = "it was not said which patchset was meant"
    vote = word.vote if not why else None
    is_voted = vote is None or change.votes.get(word.label, 0) == vote
    text = "" if _is_there(word, patchset, change) else word.message
    if is_voted and not text:
        return Decision(review=None, patchset=patchset, why=_SAID_BEFORE)
    if word.vote is None:
        why = ""  # nothing less than what was wanted
    review = Review(
        message=text, labels={} if vote is None else {word.label: vote}, notify=word.notify
    )
    return Decision(review=review, patchset=patchset, why=why)


def _is_there(word: Word, patchset: int, change: Change) -> bool:
    """Whether it is the last that we said of that patchset; a bare vote says nothing.

    That a patchset is not trusted is said once, whatever was said since.
    """
    ours = [one.text for one in change.messages if one.patchset == patchset and one.text]
    said = ours if word.phase == "untrusted" else ours[-1:]
    return any(one.split() == word.message.split() for one in said)


def say(gerrit: Gerrit, word: Word) -> Said:
    """ServiceError when it could not be said, or Gerrit did not take the vote."""
    try:
        return _post(gerrit, word, decide(word, gerrit.change(word.change)))
    except NotFound as gone:
        if word.phase == "removed":
            return Said(is_posted=False, why="the change is gone, too")
        raise _failure(gerrit, word, gone) from gone
    except Refused as refused:
        raise _failure(gerrit, word, refused) from refused


def _post(gerrit: Gerrit, word: Word, decision: Decision) -> Said:
    review, patchset = decision.review, decision.patchset
    if review is None:
        return Said(is_posted=False, patchset=patchset, why=decision.why)
    try:
        taken = gerrit.review(word.change, patchset, review)
    except Refused as refused:
        if not review.labels:
            raise
        return _without_vote(gerrit, word, decision, refused)
    for label, vote in review.labels.items():
        if taken.get(label, 0) != vote:
            raise _untaken(gerrit, label, vote)
    newer = _newer(gerrit, word, patchset) if review.labels else None
    if newer:
        why = f"patchset {newer} came meanwhile: the vote is on patchset {patchset}"
        return Said(is_posted=True, patchset=patchset, why=why)
    return Said(
        is_posted=True,
        patchset=patchset,
        vote=review.labels.get(word.label),
        why=decision.why,
    )


def _newer(gerrit: Gerrit, word: Word, patchset: int) -> int | None:
    """The patchset that came between looking and voting, if one did and Gerrit can say so."""
    try:
        now = gerrit.change(word.change).patchset
    except ServiceError:
        return None
    return now if now > patchset else None


def _without_vote(gerrit: Gerrit, word: Word, decision: Decision, refused: Refused) -> Said:
    """Gerrit refuses all of a review for its vote: say the rest.

    It is no failure where the change was closed between our two requests.
    """
    change = gerrit.change(word.change)
    if not change.is_open:
        return _post(gerrit, word, decide(word, change))
    review = decision.review
    if review and review.message:
        gerrit.review(word.change, decision.patchset, replace(review, labels={}))
    raise _untaken(gerrit, word.label, word.vote or 0, refused.message) from refused


def _untaken(gerrit: Gerrit, label: str, vote: int, said: str = "") -> Untaken:
    """Gerrit drops labels that it does not know or a value that there is not, and says nothing."""
    who = gerrit.account().username
    return Untaken(
        f"Gerrit took the message, but not the vote {label} {vote:+d} of {who}"
        + (f": {said}" if said else ""),
        service="gerrit",
        hint=f"in the project's access rights, give a group of {who} the permission "
        f"`Label {label}` with a range that holds {vote:+d}; or correct gerrit/label in site.yml "
        "(docs/gerrit.md#rights)",
    )


def _failure(gerrit: Gerrit, word: Word, refused: Refused) -> ServiceError:
    where, said = gerrit.where, f": {refused.message}" if refused.message else ""
    if isinstance(refused, NotFound) or refused.status == 404:
        return ServiceError(
            f"Gerrit at {where} knows no change {word.change}"
            + (f", patchset {word.patchset}" if word.patchset else "")
            + said,
            service="gerrit",
            hint="is it the right Gerrit and number? may our account read the project's branch?",
        )
    if refused.status == 401:
        return ServiceError(
            f"Gerrit at {where} does not accept our credentials",
            service="gerrit",
            hint="make a new HTTP password in the account's settings: $PYDEPLOY_GERRIT_USERNAME, "
            "$PYDEPLOY_GERRIT_PASSWORD (or _TOKEN)",
        )
    if refused.status == 403:
        return ServiceError(
            f"Gerrit at {where} does not let our account comment{said}",
            service="gerrit",
            hint="is the account active? it needs `Read`, and the label's permission "
            "(docs/gerrit.md#rights)",
        )
    return ServiceError(
        f"Gerrit at {where} refused the report on change {word.change}{said}"
        + (f" (HTTP {refused.status})" if refused.status else ""),
        service="gerrit",
        hint="`pydeploy doctor` looks at account and rights",
    )
