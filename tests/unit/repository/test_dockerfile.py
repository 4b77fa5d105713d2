"""Where an instruction begins and ends, which flags it has, and to which stage it belongs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pydeploy.repository.dockerfile import Unreadable, frontend, parse


def _keywords(text: str) -> list[tuple[str, int]]:
    return [(one.keyword, one.line) for one in parse(text).instructions]


def test_continuations_and_comments() -> None:
    """Comments and blank lines inside of a continued instruction belong to nothing."""
    text = "FROM x\n\nRUN a \\\n  # comment\n\n  b\nUSER 1\n"
    assert _keywords(text) == [("FROM", 1), ("RUN", 3), ("USER", 7)]
    assert parse(text).stages[0].instructions[0].text == "a b"


@pytest.mark.parametrize(
    "body",
    ["RUN <<EOF\nFROM y\nEOF", "RUN <<-'E' cat\n\tUSER 2\n\tE", "COPY <<A <<B /\nx\nA\ny\nB"],
)
def test_heredocs_are_text(body: str) -> None:
    """Their lines are no instructions; what follows them is."""
    assert [name for name, _ in _keywords(f"FROM x\n{body}\nUSER 1\n")][-1] == "USER"
    assert len(_keywords(f"FROM x\n{body}\nUSER 1\n")) == 3


def test_escape_directive() -> None:
    """It counts at the top only."""
    assert _keywords("# escape=`\nFROM x\nRUN a `\n b\n") == [("FROM", 2), ("RUN", 3)]
    with pytest.raises(Unreadable):
        parse("# escape=x\nFROM x\n")


def test_flags() -> None:
    """In order, with repeated ones, until the first word that is none."""
    run = parse(
        "FROM x\nRUN --network=none --mount=type=cache,target=/a --mount=type=ssh a --b=c\n"
    )
    instruction = run.stages[0].instructions[0]
    assert instruction.flags == (
        ("network", "none"),
        ("mount", "type=cache,target=/a"),
        ("mount", "type=ssh"),
    )
    assert instruction.text == "a --b=c"


def test_stages() -> None:
    """By name in any case, by number, the last of several."""
    file = parse("ARG V=1\nFROM a AS One\nFROM b AS two\nCOPY --from=one /x /\nFROM one\n")
    assert [stage.base for stage in file.stages] == ["a", "b", "one"]
    assert file.stage("ONE") is file.stages[0]
    assert file.stage("1") is file.stages[1]
    assert file.stage("debian") is None
    assert len(file.arguments) == 1


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("# syntax=docker/dockerfile:1\nFROM x", "docker/dockerfile:1"),
        ("#SYNTAX = evil/x\nFROM x", "evil/x"),
        ("#!/bin/x\n# syntax=evil/x\n", "evil/x"),
        ("# comment\n# syntax=evil/x\nFROM x", ""),
        ("//syntax=evil/x\n", "evil/x"),
        ('{"syntax": "evil/x"}', "(JSON)"),
        ("FROM x\n# syntax=evil/x\n", ""),
    ],
)
def test_frontend(text: str, name: str) -> None:
    """As the builder looks for it, and nowhere else."""
    assert frontend(text) == name


@pytest.mark.parametrize("text", ["", "RUN x\n", "FORM x\n", "FROM\n", "FROM a b\n", "FROM a AS\n"])
def test_unreadable(text: str) -> None:
    """Said with a line, not with a traceback."""
    with pytest.raises(Unreadable):
        parse(text)


@given(st.text(alphabet="FROMUN \\\n#<E-=`'\"[]ab\t", max_size=120))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but Unreadable comes out of hostile text, and it comes out at all."""
    try:
        lines = [one.line for one in parse(text).instructions]
    except Unreadable:
        return
    assert lines == sorted(lines)
