"""A small reader of Dockerfiles: instructions with their line, flags and text.

It knows what decides where an instruction ends: comments, line continuations, the `escape`
directive and here-documents.  It does not expand variables and runs nothing.
Source: https://docs.docker.com/reference/dockerfile/
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*")
_SLASH_SYNTAX = re.compile(r"//\s*syntax\s*=\s*(.+?)\s*", re.IGNORECASE)
_HEREDOC = re.compile(r"<<(-?)\s*([\"']?)([A-Za-z_]\w*)\2")
_FLAG = re.compile(r"--([a-z-]+)(?:=((?:\"[^\"]*\"|'[^']*'|\S)*))?(?:\s+|$)", re.IGNORECASE)
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
    return _staged(list(_instructions(lines, escape)))


def frontend(text: str) -> str:
    """The build frontend that the text names, empty for the builder's own.

    A frontend takes over the whole build, so what follows need not be a Dockerfile.
    """
    return _directives(_lines(text)).get("syntax", "")


def _lines(text: str) -> list[str]:
    return text.removeprefix("\ufeff").splitlines()


def _directives(lines: list[str]) -> dict[str, str]:
    """`# syntax=...` and the like; they count at the very top only."""
    found: dict[str, str] = {}
    for number, line in enumerate(lines):
        match = _DIRECTIVE.fullmatch(line.strip())
        if number == 0 and line.startswith("#!"):
            continue
        if not match:
            return found or _foreign_syntax(lines)
        found[match[1].lower()] = match[2]
    return found


def _foreign_syntax(lines: list[str]) -> dict[str, str]:
    """BuildKit also takes `// syntax=...` and a JSON document's `syntax`."""
    first = next((line.strip() for line in lines if not line.startswith("#!")), "")
    match = _SLASH_SYNTAX.fullmatch(first)
    if match:
        return {"syntax": match[1]}
    if first.startswith("{"):
        return {"syntax": "(JSON)"}
    return {}


def _instructions(lines: list[str], escape: str) -> Iterator[Instruction]:
    number = 0
    while number < len(lines):
        start = number
        logical, number = _logical(lines, number, escape)
        if logical:
            instruction = _instruction(logical, start + 1)
            if instruction.keyword in _TAKES_HEREDOC:
                number, has_heredoc = _skip_heredocs(logical, lines, number)
                instruction = _with_heredoc(instruction, has_heredoc)
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
        body = line.rstrip()
        if body.endswith(escape):
            parts.append(body[: -len(escape)])
            continue
        parts.append(body)
        break
    return " ".join(part.strip() for part in parts).strip(), number


def _skip_heredocs(logical: str, lines: list[str], number: int) -> tuple[int, bool]:
    markers = _HEREDOC.findall(logical)
    for dash, _, word in markers:
        while number < len(lines):
            line = lines[number].lstrip("\t") if dash else lines[number]
            number += 1
            if line == word:
                break
    return number, bool(markers)


def _with_heredoc(instruction: Instruction, has_heredoc: bool) -> Instruction:
    return Instruction(
        keyword=instruction.keyword,
        flags=instruction.flags,
        text=instruction.text,
        line=instruction.line,
        has_heredoc=has_heredoc,
    )


def _instruction(logical: str, line: int) -> Instruction:
    keyword, _, rest = logical.replace("\t", " ").partition(" ")
    keyword, rest = keyword.upper(), rest.strip()
    if keyword == "ONBUILD":  # what it holds is checked as if it stood here
        return _instruction(rest, line)
    if keyword not in KEYWORDS:
        raise Unreadable(f"unknown instruction {keyword[:40]!r}", line)
    flags = []
    match = _FLAG.match(rest)
    while match:
        flags.append((match[1].lower(), (match[2] or "").strip("\"'")))
        rest = rest[match.end() :]
        match = _FLAG.match(rest)
    return Instruction(keyword=keyword, flags=tuple(flags), text=rest, line=line)


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
    words = instruction.words
    if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
        raise Unreadable("FROM takes an image, and AS with a name", instruction.line)
    name = words[2].lower() if len(words) == 3 else ""
    return Stage(start=instruction, base=words[0], name=name)
