"""What `check` finds: one value per finding, made from the one catalogue of codes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from pydeploy.repository.catalogue import CATALOGUE

Severity = Literal["error", "warning"]
MAX_FINDINGS = 200  # of each severity


@dataclass(frozen=True, kw_only=True)
class Place:
    """`file` is relative to the root of the repository, `line` counts from 1 (0: all of it)."""

    file: str
    line: int = 0


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing to mend.  `code` is stable: exceptions in site.yml and scripts name it."""

    code: str
    severity: Severity
    file: str
    line: int
    message: str
    why: str
    mend: str

    @property
    def is_error(self) -> bool:
        return self.severity == "error"

    @property
    def title(self) -> str:
        return CATALOGUE[self.code].title


def make(code: str, message: str, place: Place, *, mend: str = "") -> Finding:
    """A finding with the catalogue's severity, why and (unless given) mend."""
    rule = CATALOGUE[code]
    return Finding(
        code=code,
        severity=rule.severity,
        file=_printable(place.file),
        line=place.line,
        message=_printable(message),
        why=rule.why,
        mend=mend or rule.mend,
    )


def _printable(text: str) -> str:
    """File names need not be UTF-8, what is printed does."""
    return text.encode("utf-8", "replace").decode("utf-8")


@dataclass
class Notes:
    """Collects findings while a repository is read; the same one is kept once."""

    findings: list[Finding] = field(default_factory=list)
    _seen: set[Finding] = field(default_factory=set)

    def add(self, code: str, message: str, place: Place, *, mend: str = "") -> None:
        found = make(code, message, place, mend=mend)
        if found not in self._seen:
            self._seen.add(found)
            self.findings.append(found)

    @property
    def has_error(self) -> bool:
        return any(finding.is_error for finding in self.findings)

    def has_error_of(self, *prefixes: str) -> bool:
        return any(one.is_error and one.code.startswith(prefixes) for one in self.findings)


def in_order(findings: Collection[Finding]) -> tuple[Finding, ...]:
    """Errors first, then by place; of each severity so many as somebody would read."""
    errors = [finding for finding in findings if finding.is_error]
    warnings = [finding for finding in findings if not finding.is_error]
    return tuple(
        one for part in (errors, warnings) for one in sorted(part, key=_rank)[:MAX_FINDINGS]
    )


def _rank(finding: Finding) -> tuple[str, int, str, str]:
    return finding.file, finding.line, finding.code, finding.message


def excepted(finding: Finding, allowed: Iterable[str]) -> Finding:
    """An error that site.yml allows for this project and branch becomes a warning.

    Only policy and secrets can be granted; layout and paths are what reading rests on.
    """
    if (
        finding.is_error
        and finding.code.startswith(("policy.", "secret."))
        and finding.code in allowed
    ):
        return replace(
            finding,
            severity="warning",
            message=f"{finding.message} (allowed here by site.yml)",
            mend="nothing; the operator granted it to this project and branch",
        )
    return finding
