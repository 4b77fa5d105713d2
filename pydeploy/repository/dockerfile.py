"""A small reader of Dockerfiles: instructions with their line, flags and text.

It knows what decides where an instruction ends: comments, line continuations, the `escape`
directive and here-documents.  It does not expand variables and runs nothing.

Whoever reads a file in another way than the builder can be shown another file.  So this follows
BuildKit's own parser to the letter (lines end at \\n alone, continued lines are joined without a
blank), and where versions of BuildKit differ, or only a copy of its lexer could tell, the text is
Unreadable: an honest Dockerfile has no need of such places.
Source: https://docs.docker.com/reference/dockerfile/, frontend/dockerfile/parser of BuildKit
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*")
_KNOWN_DIRECTIVES = ("syntax", "escape", "check")
_SLASH_SYNTAX = re.compile(r"//[ \t]*syntax[ \t]*=[ \t]*(.+?)[ \t]*", re.IGNORECASE)
# What some reader takes for the end of a line, or for a blank, and another does not.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_BLANKS = re.compile(r"[ \t]+")
_HEREDOC = re.compile(r"\d*<<(-?)([\"']?)([A-Za-z0-9_][A-Za-z0-9_.-]*)\2")
_TAKES_HEREDOC = ("RUN", "COPY", "ADD")
KEYWORDS = frozenset(
    (
        "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL",
        "MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
    )
)  # fmt: skip


class Unreadable(Exception):
    """Not a Dockerfile; `line` says where."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """`RUN --mount=type=cache,target=/x make`: keyword, flags in order, and the text after them."""

    keyword: str
    flags: tuple[tuple[str, str], ...]
    text: str
    line: int
    has_heredoc: bool = False

    def flag(self, name: str) -> str | None:
        return next((value for key, value in self.flags if key == name), None)

    @property
    def words(self) -> list[str]:
        """The text as a list: of the JSON form, else split at blanks."""
        if self.text.startswith("["):
            try:
                parts = json.loads(self.text)
            except ValueError:
                return self.text.split()
            if isinstance(parts, list):
                return [str(part) for part in parts]
        return self.text.split()


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One `FROM` and what follows it."""

    start: Instruction
    base: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Dockerfile:
    """`arguments` are those before any FROM."""

    arguments: list[Instruction]
    stages: list[Stage]

    @property
    def instructions(self) -> Iterator[Instruction]:
        yield from self.arguments
        for stage in self.stages:
            yield stage.start
            yield from stage.instructions

    def stage(self, name: str) -> Stage | None:
        """A stage by its name or number; the last of several, as the builder takes it."""
        lowered = name.lower()
        found = [stage for stage in self.stages if stage.name == lowered]
        if found:
            return found[-1]
        return self.stages[int(name)] if name.isdigit() and int(name) < len(self.stages) else None


def parse(text: str) -> Dockerfile:
    """Raises Unreadable when the text is not a Dockerfile."""
    lines = _lines(text)
    directives = _directives(lines)
    escape = directives.get("escape", "\\")
    if escape not in ("\\", "`"):
        raise Unreadable(f"escape={escape} is neither \\ nor `", 1)
    if "escape" in directives and lines[0].startswith("#!"):
        raise Unreadable("an escape directive below #! does not count", 1)
    return _staged(list(_instructions(lines, escape)))


def frontend(text: str) -> str:
    """The build frontend that the text names, empty for the builder's own.

    A frontend takes over the whole build, so what follows need not be a Dockerfile.
    Raises Unreadable when not every reader would find the same one.
    """
    lines = _lines(text)
    return _directives(lines).get("syntax") or _foreign_syntax(lines)


def _lines(text: str) -> list[str]:
    """Split at \\n, one \\r before it left out.  No other control characters."""
    lines = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
    for number, line in enumerate(lines, 1):
        found = _CONTROL.search(line)
        if found:
            what = f"the control character U+{ord(found[0]):04X}"
            raise Unreadable(f"{what} is not for Dockerfiles", number)
    return lines


def _directives(lines: list[str]) -> dict[str, str]:
    """`# syntax=...` and the like; they count at the very top only, and each once."""
    found: dict[str, str] = {}
    unknown = ""
    for number, line in enumerate(lines, 1):
        match = _DIRECTIVE.fullmatch(line.strip())
        if number == 1 and line.startswith("#!"):
            continue
        if not match:
            break
        name = match[1].lower()
        if any(letter.isspace() and letter not in " \t" for letter in line):
            raise Unreadable("a strange blank in a directive", number)
        if name not in _KNOWN_DIRECTIVES:
            unknown = name
        elif name in found:
            raise Unreadable(f"only one {name} directive can be used", number)
        elif unknown:  # a comment for some versions, which end the directives there
            raise Unreadable(f"the {name} directive must stand before {unknown}=", number)
        else:
            found[name] = match[2]
    return found


def _foreign_syntax(lines: list[str]) -> str:
    """BuildKit also takes `// syntax=...` and a JSON document's `syntax`."""
    first = next((line.strip() for line in lines if not line.startswith("#!")), "")
    match = _SLASH_SYNTAX.fullmatch(first)
    if match:
        return match[1]
    return "(JSON)" if first.startswith("{") else ""


def _instructions(lines: list[str], escape: str) -> Iterator[Instruction]:
    number = 0
    while number < len(lines):
        start = number
        logical, number = _logical(lines, number, escape)
        if logical:
            instruction = _instruction(logical, start + 1)
            if instruction.keyword in _TAKES_HEREDOC and "<<" in logical:
                number, has_heredoc = _skip_heredocs(logical, lines, number, start + 1)
                instruction = replace(instruction, has_heredoc=has_heredoc)
            yield instruction


def _logical(lines: list[str], number: int, escape: str) -> tuple[str, int]:
    """One instruction's text, its continuations joined; comments and blank lines are left out."""
    parts: list[str] = []
    while number < len(lines):
        line = lines[number]
        number += 1
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            if parts:
                continue
            return "", number
        body = line.rstrip(" \t")
        if body.endswith(2 * escape):
            raise Unreadable(f"{2 * escape} at the end of a line continues it or not", number)
        if body.endswith(escape):
            parts.append(body[: -len(escape)])
            continue
        parts.append(line)
        break
    return "".join(parts).strip(), number


def _skip_heredocs(logical: str, lines: list[str], number: int, at: int) -> tuple[int, bool]:
    """The line behind the here-documents that the instruction begins."""
    markers = list(_heredocs(logical, at))
    for dash, word in markers:
        while number < len(lines):
            line = lines[number].lstrip("\t") if dash else lines[number]
            number += 1
            if line == word:
                break
        else:
            raise Unreadable(f"the here-document {word} has no end", at)
    if markers and logical.split()[0].upper() == "ONBUILD":
        raise Unreadable("a here-document in ONBUILD is not read by every version", at)
    return number, bool(markers)


def _heredocs(logical: str, at: int) -> Iterator[tuple[bool, str]]:
    """(whether tabs are left out, the word) of each `<<WORD`; other uses of `<<` must be plain."""
    for word in _shell_words(logical, at):
        if "<<" not in word or "<<<" in word:
            continue
        match = _HEREDOC.fullmatch(word)
        if match:
            yield bool(match[1]), match[3]
        elif "${" in word or word.lstrip("0123456789").startswith("<<"):
            raise Unreadable(f"{word[:40]!r} is not a plain here-document: write <<WORD", at)


def _shell_words(text: str, at: int) -> Iterator[str]:
    """Split at blanks outside of quotes; quotes and backslashes stay."""
    word, quote, position = "", "", 0
    while position < len(text):
        letter = text[position]
        if letter == "\\" and quote != "'":
            letter = text[position : position + 2]
        elif quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        if letter.isspace() and not quote:
            yield word
            word = ""
        else:
            word += letter
        position += len(letter)
    if quote:
        raise Unreadable(f"<< in a line with a lonely {quote}: nobody knows what it is", at)
    yield word


def _instruction(logical: str, line: int) -> Instruction:
    keyword, _, rest = _BLANKS.sub(" ", logical, count=1).partition(" ")
    keyword, rest = keyword.upper(), rest.strip()
    if keyword == "ONBUILD":  # what it holds is checked as if it stood here
        return _instruction(rest, line)
    if keyword not in KEYWORDS:
        raise Unreadable(f"unknown instruction {keyword[:40]!r}", line)
    flags, text = _split_flags(rest, line)
    return Instruction(keyword=keyword, flags=flags, text=text, line=line)


def _split_flags(rest: str, line: int) -> tuple[tuple[tuple[str, str], ...], str]:
    """`--name=value` words at the beginning, without their quotes, and what follows them."""
    flags: list[tuple[str, str]] = []
    while rest.startswith("--"):
        word, rest = _flag_word(rest, line)
        rest = rest.lstrip()
        if word == "--":
            break
        name, _, value = word.removeprefix("--").partition("=")
        flags.append((name.lower(), value))
    return tuple(flags), rest


def _flag_word(text: str, line: int) -> tuple[str, str]:
    """The first word, and the rest.  BuildKit reads bytes here, and escapes by its directive."""
    word, quote = "", ""
    for position, letter in enumerate(text):
        if letter in "\\`" or not letter.isascii():
            raise Unreadable(f"{letter!r} in an option", line)
        if quote:
            quote = "" if letter == quote else quote
            word += letter if quote else ""
        elif letter in "\"'":
            quote = letter
        elif letter.isspace():
            return word, text[position:]
        else:
            word += letter
    return word, ""


def _staged(instructions: list[Instruction]) -> Dockerfile:
    arguments: list[Instruction] = []
    stages: list[Stage] = []
    for instruction in instructions:
        if instruction.keyword == "FROM":
            stages.append(_stage(instruction))
        elif stages:
            stages[-1].instructions.append(instruction)
        elif instruction.keyword == "ARG":
            arguments.append(instruction)
        else:
            raise Unreadable(f"{instruction.keyword} before FROM", instruction.line)
    if not stages:
        raise Unreadable("there is no FROM", 1)
    return Dockerfile(arguments=arguments, stages=stages)


def _stage(instruction: Instruction) -> Stage:
    words = _BLANKS.split(instruction.text)
    if not words[0] or len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
        raise Unreadable("FROM takes an image, and AS with a name", instruction.line)
    name = words[2].lower() if len(words) == 3 else ""
    return Stage(start=instruction, base=words[0], name=name)
