"""Where a checkout comes from, as Gerrit says: never as a flag, a Jenkinsfile or the change does.

Exceptions of the policy and grants of secrets hang on project and branch, so those are Gerrit's
where it can be asked, and empty where it cannot be believed that the checkout is that patchset.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydeploy import console
from pydeploy.clients.gerrit import door
from pydeploy.clients.gerrit.detail import Detail, Patchset
from pydeploy.clients.gerrit.model import Gerrit, Refused
from pydeploy.config.site import Site, TrustRule
from pydeploy.errors import PolicyError, PydeployError, ServiceError, TrustError, UsageError
from pydeploy.gerrit import trust, work

_LESS = "it goes on as untrusted: no exceptions of the policy, no secrets of the site"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What the caller says, and which revision is checked out."""

    change: int
    patchset: int | None  # None: the one that has the revision
    wanted: str  # --revision; empty when it was not said
    revision: str  # of the checkout
    is_dirty: bool  # the checkout is no commit, or differs from it
    gerrit_project: str
    branch: str


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What Gerrit says of the patchset; all is empty where nothing can be believed."""

    gerrit_project: str = ""
    branch: str = ""
    topic: str = ""
    owner: str = ""
    doubt: PydeployError | None = None  # why nothing can be believed

    def facts(self) -> dict[str, str]:
        """By the names of flags."""
        return {
            "gerrit_project": self.gerrit_project,
            "branch": self.branch,
            "topic": self.topic,
            "owner": self.owner,
        }


@contextmanager
def excused(said: Origin | None) -> Iterator[None]:
    """What the policy refuses in the block is not the author's where we could not ask."""
    try:
        yield
    except PolicyError as refused:
        blamed = blame(said, refused)
        if blamed is refused:
            raise
        raise blamed from refused


def blame(said: Origin | None, refused: PydeployError) -> PydeployError:
    """With Gerrit's word an exception or a grant might have let it pass."""
    doubt = said.doubt if said else None
    if doubt is None or not isinstance(refused, PolicyError):
        return refused
    message = f"{doubt.message}; without its project no exception or grant counts, and so: "
    if isinstance(doubt, ServiceError):
        return ServiceError(
            message + refused.message,
            service="gerrit",
            hint=doubt.hint,
            is_passing=doubt.is_passing,
        )
    return UsageError(message + refused.message, hint=doubt.hint)


def ask(site: Site, claim: Claim, *, is_built: bool = True) -> Origin | None:
    """None where Gerrit is not asked, so that the caller's word counts.

    It is asked where site.yml names it and there are credentials.  With gerrit/trust it has to
    answer, and TrustError says that the patchset may not be built; without, no answer makes the
    checkout untrusted.  UsageError when the checkout is not that patchset.
    Not `is_built`: it is only looked at, so an untrusted one is said to be that, and no more.
    """
    settings = site.gerrit
    if not settings.is_configured:
        return None
    if not door.has_credentials(settings) and not (settings.trust and is_built):
        return None
    with console.hiding(door.secrets()):
        gerrit = door.opened(settings)
        try:
            return _asked(gerrit, claim, settings.trust, is_built=is_built)
        except ServiceError as silent:
            if settings.trust and is_built:
                raise _unanswered(gerrit, claim, silent) from silent
            return _doubted(_unanswered(gerrit, claim, silent))


def _asked(gerrit: Gerrit, claim: Claim, rules: tuple[TrustRule, ...], *, is_built: bool) -> Origin:
    change = gerrit.show(claim.change)
    patchset = _patchset(change, claim)
    if claim.is_dirty:
        return _dirty(change, patchset, is_refused=bool(rules) and is_built)
    if rules:
        verdict = _verdict(gerrit, change, patchset, rules)
        if not verdict.is_trusted and is_built:
            raise _untrusted(change, patchset, verdict)
        if not verdict.is_trusted:
            console.warn(_untrusted(change, patchset, verdict).message)
    for what, said, found in (
        ("project", claim.gerrit_project, change.gerrit_project),
        ("branch", claim.branch.removeprefix("refs/heads/"), change.branch),
    ):
        if said and said != found:
            console.warn(f"{what}: Gerrit says {found!r}, which counts; the caller said {said!r}")
    return Origin(
        gerrit_project=change.gerrit_project,
        branch=change.branch,
        topic=change.topic,
        owner=change.owner.shown,
    )


def _patchset(change: Detail, claim: Claim) -> Patchset:
    """UsageError unless the checkout, and what the caller says, is that patchset."""
    found = [
        one
        for one in change.patchsets
        if (one.number == claim.patchset if claim.patchset else one.revision == claim.revision)
    ]
    if not found and claim.patchset is None and claim.is_dirty:
        found = [one for one in change.patchsets if one.number == change.patchset]
    if not found:
        what = f"patchset {claim.patchset}" if claim.patchset else claim.revision[:12]
        raise UsageError(
            f"change {change.number} has no {what}: Gerrit knows 1 to {change.patchset}",
            hint="fetch the patchset that is meant, and name it by --change and --patchset",
        )
    (patchset,) = found[-1:]
    wrong = [
        (who, sha)
        for who, sha, is_said in (
            ("--revision says", claim.wanted, bool(claim.wanted)),
            ("the checkout is at", claim.revision, not claim.is_dirty),
        )
        if is_said and not patchset.revision.startswith(sha)
    ]
    for who, sha in wrong:
        raise UsageError(
            f"patchset {patchset.number} of change {change.number} is {patchset.revision[:12]} "
            f"in Gerrit, but {who} {sha[:12]}",
            hint="fetch that patchset, or correct --change, --patchset and --revision",
        )
    return patchset


def _doubted(doubt: PydeployError) -> Origin:
    console.warn(f"{doubt.message}; {_LESS}")
    return Origin(doubt=doubt)


def _dirty(change: Detail, patchset: Patchset, *, is_refused: bool) -> Origin:
    """Files that nobody has seen in Gerrit are nobody's."""
    doubt = UsageError(
        f"the checkout is not exactly patchset {patchset.number} of change {change.number}, and "
        "only what Gerrit has can be trusted",
        hint="check the patchset out anew; write results elsewhere, or let .gitignore name them",
    )
    if is_refused:
        raise doubt
    return _doubted(doubt)


def _verdict(
    gerrit: Gerrit, change: Detail, patchset: Patchset, rules: tuple[TrustRule, ...]
) -> trust.Verdict:
    members = {}
    for group in trust.groups(rules, change.gerrit_project):
        try:
            members[group] = gerrit.members(group)
        except Refused as refused:
            said = f": {refused.message}" if refused.message else ""
            raise ServiceError(
                f"Gerrit at {gerrit.where} does not show us the members of group {group!r}{said}",
                service="gerrit",
                hint="correct gerrit/trust in site.yml, or make the group visible to our account "
                "(docs/gerrit.md#trust)",
            ) from refused
    return trust.decide(rules, change, patchset, members)


def _untrusted(change: Detail, patchset: Patchset, verdict: trust.Verdict) -> TrustError:
    who = "; or ".join(verdict.by)
    return TrustError(
        f"patchset {patchset.number} of change {change.number}, uploaded by "
        f"{patchset.uploader.shown or 'nobody known'}, is not trusted, so it is not built. "
        + (
            f"It can be let through by {who}"
            if who
            else f"No rule of the site lets changes of {change.gerrit_project} be deployed"
        ),
        hint="deploy it again then" if who else "ask the operator: gerrit/trust in site.yml",
    )


def _unanswered(gerrit: Gerrit, claim: Claim, silent: ServiceError) -> PydeployError:
    if isinstance(silent, Refused):
        return work.explained(gerrit, f"change {claim.change}", silent)
    return ServiceError(
        f"{silent.message}; so it is not known whose change {claim.change} is",
        service="gerrit",
        hint=silent.hint,
        is_passing=silent.is_passing,
    )
