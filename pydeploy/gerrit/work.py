"""What may be asked of Gerrit about a change: thin, over either door, each thing once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydeploy import console
from pydeploy.clients.gerrit.detail import Detail, Found
from pydeploy.clients.gerrit.model import Gerrit, NotFound, Refused, Review, Unsupported
from pydeploy.errors import PydeployError, ServiceError, UsageError

_STATUS = {
    401: (
        "does not accept our credentials",
        "make a new HTTP password in the account's settings: $PYDEPLOY_GERRIT_USERNAME, "
        "$PYDEPLOY_GERRIT_PASSWORD (or _TOKEN)",
    ),
    403: (
        "does not let our account do that",
        "give a group of the account the right in the project's access "
        "(docs/gerrit.md#its-own-work)",
    ),
    404: (
        "knows no such change",
        "is it the right Gerrit and number? may our account read the project's branch?",
    ),
    409: (
        "will not do that as the change is now",
        "`pydeploy gerrit show` says how it is",
    ),
}


def query(gerrit: Gerrit, text: str, limit: int) -> Found:
    """UsageError when `text` is no query of Gerrit's."""
    if not text.strip() or not text.isprintable():
        raise UsageError(
            "the query is empty or has control characters", hint="write one, such as status:open"
        )
    with _explained(gerrit, "query"):
        return gerrit.query(text, limit)


def show(gerrit: Gerrit, number: int) -> Detail:
    with _explained(gerrit, f"change {number}"):
        return gerrit.show(number)


def review(
    gerrit: Gerrit, number: int, patchset: int | None, said: Review
) -> tuple[int, dict[str, int]]:
    """The patchset (the current one unless said) and the votes as Gerrit took them.

    ServiceError where it took fewer: it drops what it does not know, and says nothing.
    """
    on = patchset or show(gerrit, number).patchset
    with _explained(gerrit, f"review of change {number}"), _once(number):
        taken = gerrit.review(number, on, said)
    for label, vote in said.labels.items():
        if taken.get(label, 0) != vote:
            who = gerrit.account().username
            raise ServiceError(
                f"Gerrit took the review, but not the vote {label} {vote:+d} of {who}",
                service="gerrit",
                hint=f"is there such a label and value? may {who} vote it? (docs/gerrit.md#rights)",
            )
    return on, taken


def abandon(gerrit: Gerrit, number: int, message: str) -> Detail | None:
    if "\0" in message:
        raise UsageError("the message has a NUL", hint="leave it away")
    return _done(gerrit, number, "abandon", lambda: gerrit.abandon(number, message))


def rebase(gerrit: Gerrit, number: int, onto: int | None) -> Detail | None:
    return _done(gerrit, number, "rebase", lambda: gerrit.rebase(number, onto))


def submit(gerrit: Gerrit, number: int) -> Detail | None:
    return _done(gerrit, number, "submit", lambda: gerrit.submit(number))


def _done(gerrit: Gerrit, number: int, what: str, act: Callable[[], None]) -> Detail | None:
    """The change as it is then; None where it is done but cannot be seen any more."""
    with _explained(gerrit, f"{what} of change {number}"), _once(number):
        act()
    try:
        return gerrit.show(number)
    except ServiceError as unseen:
        console.warn(f"it is done, but how the change is now cannot be seen: {unseen.message}")
        return None


@contextmanager
def _once(number: int) -> Iterator[None]:
    """What was sent may have been done, whatever came back; we do not ask again."""
    try:
        yield
    except Refused:  # an answer: it was not done
        raise
    except ServiceError as away:
        raise ServiceError(
            f"{away.message}; it may have been done all the same",
            service="gerrit",
            hint=f"look first, by `pydeploy gerrit show {number}`; nothing is sent twice by itself",
        ) from away


@contextmanager
def _explained(gerrit: Gerrit, what: str) -> Iterator[None]:
    try:
        yield
    except Refused as refused:
        raise explained(gerrit, what, refused) from refused


def explained(gerrit: Gerrit, what: str, refused: Refused) -> PydeployError:
    """A refusal in Gerrit's words, and what to do about it."""
    said = f": {refused.message}" if refused.message else ""
    if isinstance(refused, Unsupported):
        return UsageError(
            f"{what}{said}",
            hint="set gerrit/url in site.yml and $PYDEPLOY_GERRIT_PASSWORD (or _TOKEN): REST "
            "is taken then (docs/gerrit.md#two-doors)",
        )
    if refused.status == 400:
        return UsageError(
            f"Gerrit at {gerrit.where} does not understand the {what}{said}",
            hint="Gerrit's own documentation has the words of a search, labels and values",
        )
    status = 404 if isinstance(refused, NotFound) else refused.status
    why, hint = _STATUS.get(
        status,
        ("refused that", "`pydeploy doctor` looks at account and rights (docs/gerrit.md#rights)"),
    )
    return ServiceError(
        f"{what}: Gerrit at {gerrit.where} {why}{said}", service="gerrit", hint=hint
    )
