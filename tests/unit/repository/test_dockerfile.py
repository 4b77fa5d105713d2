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
    assert parse(text).stages[0].instructions[0].text == "a   b"


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


@pytest.mark.parametrize("blank", ["\f", "\v", "\x1c", "\x85", "\u2028", "\u2029", "\0", "\r "])
def test_lines_end_at_line_feeds_alone(blank: str) -> None:
    """BuildKit splits at \\n; what others take for a line's end could show us another file."""
    text = f"# syntax=evil.example/x:1 {blank}# syntax=docker/dockerfile:1\nFROM x\n"
    for read in (frontend, parse):
        with pytest.raises(Unreadable, match="control character"):
            read(text)


def test_carriage_returns_at_the_end_of_lines() -> None:
    """A file from Windows is read like any other."""
    text = "# syntax=docker/dockerfile:1\r\nFROM x\r\nRUN a \\\r\n b\r\n"
    assert "docker/dockerfile:1" == frontend(text)
    assert [("FROM", 2), ("RUN", 3)] == _keywords(text)


@pytest.mark.parametrize(
    "top",
    [
        "# syntax=docker/dockerfile:1\n# syntax=evil/x",
        "# syntax=evil/x\n#SYNTAX=docker/dockerfile:1",
        "# escape=`\n# escape=\\",
        "# more=1\n# syntax=evil/x",
        "#\u00a0syntax=evil/x",
        "#!/bin/x\n# escape=`",
    ],
)
def test_directives_that_not_everybody_reads_alike(top: str) -> None:
    """A second one, one below an unknown one, one with blanks that are none elsewhere."""
    with pytest.raises(Unreadable):
        parse(f"{top}\nFROM x\n")


@pytest.mark.parametrize(
    ("body", "flags"),
    [
        ("RUN -\\\n-network=host x", [("network", "host")]),
        ("COPY --fr\\\nom=evil /a /b", [("from", "evil")]),
        ('RUN --"network=host" x', [("network", "host")]),
        ("RUN --mount='type=bind',from=evil x", [("mount", "type=bind,from=evil")]),
        ("RUN --network=none -- --network=host", [("network", "none")]),
    ],
)
def test_flags_as_the_builder_puts_them_together(body: str, flags: list[tuple[str, str]]) -> None:
    """Continued lines are joined without a blank; quotes may stand anywhere in a word."""
    assert tuple(flags) == parse(f"FROM x\n{body}\n").stages[0].instructions[0].flags


@pytest.mark.parametrize(
    "body",
    [
        "RUN --netw\\ork=host x",
        "RUN --mount=type=cache,target=/\u0420--network=host x",  # its second byte is a blank
        "CMD x \\\\\nRUN --network=host x",
        "RUN <<EOF\nx",
        "RUN << EOF\nEOF",
        "RUN <<E\\F\nEF",
        "RUN <<EOF; true\nEOF;",
        "RUN echo it's <<EOF\nEOF",
        "RUN ${X:-<<EOF}\nEOF",
        "ONBUILD RUN <<EOF\nEOF",
    ],
)
def test_what_only_the_builder_could_tell(body: str) -> None:
    """Escapes in options, odd here-documents: refused instead of guessed."""
    with pytest.raises(Unreadable):
        parse(f"FROM x\n{body}\n")


@pytest.mark.parametrize(
    "line",
    [
        "CMD x \\\u00a0",
        'RUN echo "a <<EOF b"',
        "RUN cat <<< EOF",
        "RUN echo $((1<<EOF))",
        'RUN ["x", "<<EOF"]',
        "RUN <<E-F\nE\nE-F",
        "LABEL a=<<EOF",
    ],
)
def test_what_follows_is_an_instruction(line: str) -> None:
    """No continuation, no here-document: nothing is swallowed up to a later EOF."""
    text = f"FROM x\n{line}\nRUN --network=host x\nRUN <<EOF\nEOF\n"
    assert ("network", "host") in [flag for one in parse(text).instructions for flag in one.flags]
