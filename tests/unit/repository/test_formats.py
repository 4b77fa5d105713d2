"""Findings as text, JSON and JUnit XML."""

from __future__ import annotations

from xml.etree import ElementTree

from pydeploy.repository import findings, formats
from pydeploy.repository.findings import MAX_FINDINGS, Finding, Notes, Place, excepted, make

PLACE = Place(file="a&b.yml", line=3)


def _two() -> tuple[Finding, ...]:
    return findings.in_order(
        [
            make("compose.version", "`version:` is <obsolete>", PLACE),
            make("policy.privileged", "web \x1b[31m]]>\n is", Place(file="x.yml", line=7)),
        ]
    )


def test_text() -> None:
    """Errors first; place, severity and code on one line; no control characters."""
    lines = formats.text(_two()).splitlines()
    assert lines[0].startswith("x.yml:7: error policy.privileged: web ")
    assert "    mend: remove the line" in lines
    assert lines[-1] == "1 error, 1 warning"
    assert "\x1b" not in formats.text(_two())


def test_junit() -> None:
    """An error is a failure, a warning is skipped, nothing found is one success."""
    suite = ElementTree.fromstring(formats.junit(_two()))  # noqa: S314 (our own text)
    assert suite.attrib["failures"] == "1"
    assert suite.attrib["skipped"] == "1"
    assert suite[1].attrib["file"] == "a&b.yml"
    empty = ElementTree.fromstring(formats.junit(()))  # noqa: S314
    assert empty.attrib["tests"] == "1"
    assert empty.attrib["failures"] == "0"


def test_data() -> None:
    """Every field, by its name."""
    first = formats.as_data(_two())[0]
    assert list(first) == ["code", "severity", "file", "line", "message", "why", "mend"]


def test_notes_are_bounded() -> None:
    """The same finding once, and never more than somebody would read."""
    notes = Notes()
    for number in range(MAX_FINDINGS + 50):
        for _ in range(2):
            notes.add("compose.ignored", str(number), PLACE)
    notes.add("policy.privileged", "seen all the same", PLACE)
    kept = findings.in_order(notes.findings)
    assert len(kept) == MAX_FINDINGS + 1
    assert kept[0].code == "policy.privileged"


def test_a_flood_hides_nothing() -> None:
    """An error that is not shown still keeps Compose from running."""
    notes = Notes()
    for number in range(MAX_FINDINGS):
        notes.add("config.invalid", str(number), PLACE)
    notes.add("path.outside", "the one that matters", PLACE)
    assert notes.has_error_of("yaml.", "path.")
    assert not notes.has_error_of("policy.")


def test_names_that_are_not_utf8() -> None:
    """A file name of a hostile checkout can be printed."""
    formats.text([make("compose.ignored", "\udce4", Place(file="\udce4"))]).encode()


def test_excepted() -> None:
    """Granted codes become warnings; layout and paths cannot be granted."""
    privileged = make("policy.privileged", "x", PLACE)
    outside = make("path.outside", "x", PLACE)
    allowed = {"policy.privileged", "path.outside"}
    assert not excepted(privileged, allowed).is_error
    assert excepted(outside, allowed).is_error
    assert excepted(privileged, ()).is_error
