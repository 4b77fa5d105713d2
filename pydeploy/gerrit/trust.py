"""Whether a patchset is trusted: a pure function of site.yml's rules and of what Gerrit says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pydeploy.clients.gerrit.detail import Detail, Patchset, Person
from pydeploy.config.site import TrustRule

Members = Mapping[str, Sequence[Person]]  # of each group that `groups` names


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`by` says who can let it through, where it is not trusted."""

    is_trusted: bool
    by: tuple[str, ...] = ()


def groups(rules: Sequence[TrustRule], gerrit_project: str) -> tuple[str, ...]:
    """Whose members have to be known; none where a rule holds without."""
    mine = _of_project(rules, gerrit_project)
    if any(one.everyone for one in mine):
        return ()
    return tuple(dict.fromkeys(group for one in mine if (group := one.uploader or one.by)))


def decide(
    rules: Sequence[TrustRule], change: Detail, patchset: Patchset, members: Members
) -> Verdict:
    """One rule is enough.  The patchset's uploader counts, never the change's owner.

    Votes count on the current patchset only, because Gerrit's are about that one.
    """
    mine = _of_project(rules, change.gerrit_project)
    if any(_holds(one, change, patchset, members) for one in mine):
        return Verdict(is_trusted=True)
    return Verdict(is_trusted=False, by=tuple(dict.fromkeys(_by(one, change) for one in mine)))


def _of_project(rules: Sequence[TrustRule], gerrit_project: str) -> list[TrustRule]:
    return [
        one
        for one in rules
        if any(fnmatchcase(gerrit_project, pattern) for pattern in one.projects)
    ]


def _holds(rule: TrustRule, change: Detail, patchset: Patchset, members: Members) -> bool:
    if rule.everyone:
        return True
    if rule.uploader is not None:
        return _is_in(patchset.uploader, members.get(rule.uploader, ()))
    if rule.vote is None or rule.by is None or patchset.revision != change.revision:
        return False
    label, value = _vote(rule.vote)
    return any(
        one.label == label and one.value >= value and _is_in(one.by, members.get(rule.by, ()))
        for one in change.approvals
    )


def _is_in(person: Person, members: Sequence[Person]) -> bool:
    return any(person.is_same(one) for one in members)


def _vote(text: str) -> tuple[str, int]:
    label, _, value = text.rpartition("+")
    return label, int(value)


def _by(rule: TrustRule, change: Detail) -> str:
    if rule.uploader is not None:
        return f"a member of {rule.uploader} by uploading a patchset"
    return f"a member of {rule.by} by voting {rule.vote} on patchset {change.patchset}"
