"""A door to Gerrit that answers from lists; the real ones have a contract test on a real server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydeploy.clients.gerrit.detail import Detail, Found, Person
from pydeploy.clients.gerrit.model import Account, Change, Review


@dataclass
class Fake:
    """The last change is given again and again; of an exception, it is raised."""

    changes: list[Any]
    answers: list[Any]
    where: str = "http://gerrit.test"
    reviews: list[Review] = field(default_factory=list)
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    groups: dict[str, Any] = field(default_factory=dict)

    def ping(self) -> None: ...

    def account(self) -> Account:
        return Account(username="ci-bot")

    def change(self, number: int) -> Change:
        return _given(self.changes.pop(0) if len(self.changes) > 1 else self.changes[0])  # type: ignore[no-any-return]

    def review(self, number: int, patchset: int, review: Review) -> dict[str, int]:
        self.reviews.append(review)
        return _given(self.answers.pop(0))  # type: ignore[no-any-return]

    def may_vote(self, label: str) -> tuple[int, int] | None: ...

    def query(self, text: str, limit: int) -> Found:
        self.asked.append(("query", text, limit))
        return _given(self.answers.pop(0))  # type: ignore[no-any-return]

    def show(self, number: int) -> Detail:
        self.asked.append(("show", number))
        return _given(self.answers.pop(0))  # type: ignore[no-any-return]

    def members(self, group: str) -> tuple[Person, ...]:
        return _given(self.groups[group])  # type: ignore[no-any-return]

    def abandon(self, number: int, message: str) -> None:
        self._do("abandon", number, message)

    def rebase(self, number: int, onto: int | None) -> None:
        self._do("rebase", number, onto)

    def submit(self, number: int) -> None:
        self._do("submit", number)

    def _do(self, *asked: Any) -> None:
        self.asked.append(asked)
        _given(self.answers.pop(0))


def _given(value: Any) -> Any:
    if isinstance(value, BaseException):
        raise value
    return value
