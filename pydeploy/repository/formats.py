"""Findings as text for people, as JSON for programs and as JUnit XML for Jenkins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from pydeploy import console
from pydeploy.repository.findings import Finding


def line(finding: Finding) -> str:
    """`docker-compose.yml:4: error policy.privileged: service web is privileged`."""
    place = f"{finding.file}:{finding.line}" if finding.line else finding.file
    return f"{place}: {finding.severity} {finding.code}: {finding.message}"


def text(findings: Sequence[Finding]) -> str:
    """Each finding with its why and its mend, and a closing count."""
    return "\n".join([*map(_paragraph, findings), summary(findings)])


def _paragraph(finding: Finding) -> str:
    body = line(finding).replace("\n", "\n    ")
    return console.safe(f"{body}\n    why:  {finding.why}\n    mend: {finding.mend}")


def summary(findings: Sequence[Finding]) -> str:
    errors = sum(finding.is_error for finding in findings)
    return f"{_count(errors, 'error')}, {_count(len(findings) - errors, 'warning')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def as_data(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    return [asdict(finding) for finding in findings]


def junit(findings: Sequence[Finding]) -> str:
    """One test case per finding: errors fail, warnings are skipped; none found is one success."""
    errors = [finding for finding in findings if finding.is_error]
    cases = [_case(finding) for finding in findings] or [
        '<testcase classname="pydeploy.check" name="no findings"/>'
    ]
    head = (
        f'<testsuite name="pydeploy check" tests="{len(cases)}" failures="{len(errors)}" '
        f'errors="0" skipped="{len(findings) - len(errors)}">'
    )
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *cases, "</testsuite>", ""])


def _case(finding: Finding) -> str:
    where = f"{finding.file}:{finding.line}" if finding.line else finding.file
    name = _attribute(f"{finding.code} {where}")
    element = "failure" if finding.is_error else "skipped"
    body = escape(_paragraph(finding))
    return (
        f'<testcase classname="pydeploy.check" name={name} file={_attribute(finding.file)}>'
        f"<{element} message={_attribute(finding.message)}>{body}</{element}></testcase>"
    )


def _attribute(value: str) -> str:
    return quoteattr(console.safe(value))
