"""A change in full, as either door says it: who uploaded which patchset, and who voted what."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Person:
    """An account; SSH has no numbers, and not every account has all the rest."""

    number: int | None = None
    username: str = ""
    name: str = ""
    email: str = ""

    def is_same(self, other: Person) -> bool:
        """By number, or by the name to log in; what people call themselves says nothing."""
        if self.number is not None and other.number is not None:
            return self.number == other.number
        return bool(self.username) and self.username == other.username

    @property
    def shown(self) -> str:
        return self.username or self.name or self.email or str(self.number or "")


@dataclass(frozen=True, kw_only=True)
class Approval:
    """One vote on the current patchset."""

    label: str
    value: int
    by: Person


@dataclass(frozen=True, kw_only=True)
class Patchset:
    """One version of a change."""

    number: int
    revision: str
    uploader: Person


@dataclass(frozen=True, kw_only=True)
class Detail:
    """A change; `patchset`, `revision` and `approvals` are the current ones.

    `patchsets` holds all of them, or the current one where a list was asked for.
    """

    number: int
    gerrit_project: str
    branch: str
    topic: str
    subject: str
    status: str  # NEW, MERGED, ABANDONED
    owner: Person
    patchset: int
    revision: str
    patchsets: tuple[Patchset, ...] = ()
    approvals: tuple[Approval, ...] = ()
    url: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a query gave; `is_more` when its limit ended it."""

    changes: tuple[Detail, ...]
    is_more: bool


def of_rest(found: dict[str, Any], where: str) -> Detail:
    """Of ChangeInfo, with detailed accounts and labels, and the current or all revisions."""
    revision = str(found.get("current_revision", ""))
    patchsets = sorted(
        (_patchset(int(one["_number"]), sha, one) for sha, one in _revisions(found)),
        key=lambda one: one.number,
    )
    return Detail(
        number=int(found["_number"]),
        gerrit_project=str(found["project"]),
        branch=str(found["branch"]),
        topic=str(found.get("topic", "")),
        subject=str(found.get("subject", "")),
        status=str(found["status"]),
        owner=person(found.get("owner", {})),
        patchset=next((one.number for one in patchsets if one.revision == revision), 0),
        revision=revision,
        patchsets=tuple(patchsets),
        approvals=tuple(
            Approval(label=label, value=int(one["value"]), by=person(one))
            for label, details in found.get("labels", {}).items()
            for one in details.get("all", ())
            if one.get("value")
        ),
        url=f"{where}/c/{found['project']}/+/{found['_number']}",
    )


def of_ssh(found: dict[str, Any]) -> Detail:
    """Of a line of `gerrit query`, with the current or all patchsets."""
    current = found.get("currentPatchSet", {})
    return Detail(
        number=int(found["number"]),
        gerrit_project=str(found["project"]),
        branch=str(found["branch"]),
        topic=str(found.get("topic", "")),
        subject=str(found.get("subject", "")),
        status=str(found["status"]),
        owner=person(found.get("owner", {})),
        patchset=int(current.get("number", 0)),
        revision=str(current.get("revision", "")),
        patchsets=tuple(
            _patchset(int(one["number"]), str(one["revision"]), one)
            for one in found.get("patchSets") or ([current] if current else [])
        ),
        approvals=tuple(
            Approval(label=str(one["type"]), value=int(one["value"]), by=person(one.get("by", {})))
            for one in current.get("approvals", ())
            if int(one["value"])
        ),
        url=str(found.get("url", "")),
    )


def _revisions(found: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """What is no published patchset (`edit`) has no number."""
    every = found.get("revisions", {}).items()
    return [(sha, one) for sha, one in every if isinstance(one.get("_number"), int)]


def _patchset(number: int, revision: str, found: dict[str, Any]) -> Patchset:
    return Patchset(number=number, revision=revision, uploader=person(found.get("uploader", {})))


def person(found: dict[str, Any]) -> Person:
    number = found.get("_account_id")
    return Person(
        number=int(number) if number is not None else None,
        username=str(found.get("username", "")),
        name=str(found.get("name", "")),
        email=str(found.get("email", "")),
    )
