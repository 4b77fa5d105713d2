"""The catalogue: stable codes, each explained, each with a repository that gives it."""

from __future__ import annotations

import re
from pathlib import Path

import pydeploy.repository
from pydeploy.repository.catalogue import CATALOGUE
from tests.unit.repository import fixtures


def test_each_code_has_a_fixture() -> None:
    """No code is there that nothing can give; `expect.yml` is checked by the tests beside."""
    given: set[str] = set()
    for kind in ("hostile", "untidy"):
        for name in fixtures.names(kind):
            expected = fixtures.expectation(kind, name)
            given |= {*expected.get("errors", []), *expected.get("warnings", [])}
    assert given == set(CATALOGUE)


def test_each_code_is_explained() -> None:
    """Title, why and mend are never empty, and a code says which part it belongs to."""
    for code, rule in CATALOGUE.items():
        assert re.fullmatch(r"[a-z]+\.[a-z0-9-]+", code)
        assert rule.title
        assert rule.why
        assert rule.mend


def test_codes_in_the_source_are_in_the_catalogue() -> None:
    """A misspelt code would only show when somebody runs into it."""
    folder = Path(pydeploy.repository.__file__).parent
    prefixes = "|".join(sorted({code.partition(".")[0] for code in CATALOGUE}))
    pattern = re.compile(rf'"((?:{prefixes})\.[a-z][a-z0-9-]+)"')
    for file in folder.rglob("*.py"):
        used = set(pattern.findall(file.read_text(encoding="utf-8")))
        files = {code for code in used if code.endswith((".yml", ".yaml"))}
        assert used - files <= set(CATALOGUE), file
