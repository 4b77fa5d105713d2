"""The Dockerfiles of a model: what a build may do, what makes it fail, what makes it drift."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydeploy.repository.dockerfile import (
    Dockerfile,
    Instruction,
    Stage,
    Unreadable,
    frontend,
    parse,
)
from pydeploy.repository.findings import Notes, Place
from pydeploy.repository.image_names import Allowed
from pydeploy.repository.sources import Sources
from pydeploy.repository.tree import Refused, Tree

_FRONTEND = re.compile(
    r"(docker\.io/)?docker/dockerfile(-upstream)?(:[\w.-]+)?(@sha256:[0-9a-f]+)?", re.ASCII
)
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?:(:?[-+])([^${}]*))?\}|(\w+))", re.ASCII)
_PLATFORM = re.compile(r"(TARGET|BUILD)(PLATFORM|OS|OSVERSION|ARCH|VARIANT)")
_RUN_FLAGS = {
    "network": ("default", "none"),
    "security": ("sandbox",),
}
_MOUNTS = ("bind", "cache", "tmpfs", "secret")
_MOUNT_OPTIONS = frozenset(
    ("type", "from", "source", "src", "target", "dst", "destination", "readonly", "ro",
     "readwrite", "rw", "required", "size", "id", "sharing", "mode", "uid", "gid", "env")
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Built:
    """One Dockerfile as one service builds it; `context` is below the root."""

    file: str
    context: str
    dockerfile: Dockerfile
    build: Mapping[str, Any]

    @property
    def target(self) -> Stage | None:
        wanted = self.build.get("target")
        if wanted:
            return self.dockerfile.stage(str(wanted))
        return self.dockerfile.stages[-1] if self.dockerfile.stages else None

    def place(self, instruction: Instruction) -> Place:
        return Place(file=self.file, line=instruction.line)


def look(
    model: dict[str, Any], tree: Tree, sources: Sources, notes: Notes, allowed: Allowed
) -> list[Built]:
    """Notes findings for every service that builds; returns the Dockerfiles read."""
    found = []
    for name, service in model.get("services", {}).items():
        if isinstance(service.get("build"), dict):
            place = sources.place(("services", name, "build"))
            built = _read(service["build"], place, tree, notes)
            if built is not None:
                _check(built, tree, notes, allowed)
                _check_health(name, service, built, notes)
                found.append(built)
    return found


def _read(build: dict[str, Any], place: Place, tree: Tree, notes: Notes) -> Built | None:
    try:
        context = tree.inside(str(build.get("context", "")))
    except Refused:
        return None  # the policy has said so
    try:
        _refuse_ignore_file_outside(context, build, tree)
        file, text = _text(context, build, place, tree)
    except Refused as problem:
        missing = problem.code == "path.missing"
        code = "layout.no-dockerfile" if missing else problem.code
        notes.add(code, problem.message, place)
        return None
    try:
        named = frontend(text)
        if named and not _FRONTEND.fullmatch(named):
            notes.add("image.frontend", "a foreign frontend is named", Place(file=file, line=1))
            return None
        dockerfile = parse(text)
    except Unreadable as problem:
        notes.add("image.syntax", problem.message, Place(file=file, line=problem.line))
        return None
    return Built(file=file, context=context, dockerfile=dockerfile, build=build)


def _text(context: str, build: dict[str, Any], place: Place, tree: Tree) -> tuple[str, str]:
    """The Dockerfile's name below the root and its text."""
    inline = build.get("dockerfile_inline")
    if inline:
        return place.file, str(inline).replace("$$", "$")
    name = str(build.get("dockerfile", "Dockerfile"))
    if "$" in name:
        raise Refused("path.variable", f"{name!r} contains a dollar sign")
    file = tree.inside(name) if os.path.isabs(name) else tree.locate(name, context)
    return file, tree.read(file).decode("utf-8", "replace")


def _refuse_ignore_file_outside(context: str, build: dict[str, Any], tree: Tree) -> None:
    """The builder's client reads these on the agent."""
    dockerfile = str(build.get("dockerfile", "Dockerfile"))
    for name in (".dockerignore", f"{dockerfile}.dockerignore"):
        file = tree.locate(os.path.normpath(os.path.join(context, name)))
        if tree.kind(file) not in ("missing", "file"):
            raise Refused("path.special", f"{file!r} is not a regular file")


def _check(built: Built, tree: Tree, notes: Notes, allowed: Allowed) -> None:
    for instruction in built.dockerfile.instructions:
        if instruction.keyword == "RUN":
            for problem in _run_problems(instruction):
                notes.add("image.run-option", problem, built.place(instruction))
    for instruction, image in _images(built):
        _check_image(image, instruction, built, notes, allowed)
    for stage in _needed(built):
        for instruction in stage.instructions:
            for source in _certain_sources(instruction):
                if not tree.has(os.path.join(built.context, source)):
                    message = f"{instruction.keyword} {source}: there is no such file"
                    notes.add("image.missing-source", message, built.place(instruction))


def _run_problems(instruction: Instruction) -> Iterator[str]:
    """An allow-list of flags and mounts; a variable in one of them is not seen through."""
    for flag, value in instruction.flags:
        if flag == "mount":
            options = _mount(value)
            kind = options.get("type", "bind")
            if kind not in _MOUNTS:
                yield f"RUN --mount=type={kind} is not allowed"
            for unknown in sorted(options.keys() - _MOUNT_OPTIONS):
                yield f"RUN --mount has no option {unknown[:40]!r}"
            if '"' in value:
                yield "RUN --mount with a quote in its value"
        elif value not in _RUN_FLAGS.get(flag, ()):
            yield f"RUN --{flag}={value} is not allowed"


def _mount(value: str) -> dict[str, str]:
    """The options of `--mount=`; their names count in any case."""
    pairs = (part.partition("=")[::2] for part in value.split(","))
    return {name.lower(): content for name, content in pairs}


def _images(built: Built) -> Iterator[tuple[Instruction, str]]:
    """Every image that the file names and the builder would fetch, with its variables.

    FROM takes stages above it only, COPY any stage by name or number, a mount any by name.
    """
    above: set[str] = set()
    every = {stage.name for stage in built.dockerfile.stages}
    for stage in built.dockerfile.stages:
        if _resolved(stage.base, built) not in above | {"scratch"}:
            yield stage.start, stage.base
        above |= {stage.name} - {""}
        for instruction in stage.instructions:
            for flag, value in instruction.flags:
                image = _mount(value).get("from", "") if flag == "mount" else value
                is_number = flag == "from" and built.dockerfile.stage(image) is not None
                if flag in ("from", "mount") and not (is_number or image.lower() in every | {""}):
                    yield instruction, image


def _copied_from(instruction: Instruction) -> Iterator[str]:
    for flag, value in instruction.flags:
        if flag == "from":
            yield value
        elif flag == "mount" and _mount(value).get("from"):
            yield _mount(value)["from"]


def _check_image(
    image: str, instruction: Instruction, built: Built, notes: Notes, allowed: Allowed
) -> None:
    name = _resolved(image, built)
    place = built.place(instruction)
    if name == "scratch":
        return
    if not name:
        message = f"which image {image[:80]!r} is cannot be told: write it out"
        notes.add("policy.image", message, place)
        return
    if "$" in name and not allowed.is_everything:
        notes.add("policy.image", f"{image!r} depends on the platform: write it out", place)
        return
    problem = allowed.problem(_VARIABLE.sub("0", name))
    if problem:
        notes.add(*problem, place)
    if "@" not in name and (":" not in name.rsplit("/", 1)[-1] or name.endswith(":latest")):
        notes.add("image.unpinned", f"base image {name!r} may change from day to day", place)


def _resolved(image: str, built: Built) -> str:
    """The name as the builder fills it in; empty where that cannot be told.

    Of variables the ones declared above any FROM count, a build argument before the default.
    What is set nowhere is empty; a platform's own variables stay as they are.
    """
    known: dict[str, str | None] = {}
    given = {str(k): str(v).replace("$$", "$") for k, v in _arguments(built).items()}
    for argument in built.dockerfile.arguments:
        for word in argument.text.split():
            key, has_default, default = word.partition("=")
            if key in given:
                known[key] = given[key] if "$" not in given[key] else None
            else:
                known[key] = _filled(_unquoted(default), known) if has_default else ""
    return _filled(image, known) or ""


def _arguments(built: Built) -> Mapping[str, Any]:
    arguments = built.build.get("args") or {}
    return {name: value for name, value in arguments.items() if value is not None}


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _filled(text: str, known: Mapping[str, str | None]) -> str | None:
    """None for what is not plain: quotes, escapes, other expansions, unknown parts."""
    is_plain = True

    def fill(match: re.Match[str]) -> str:
        nonlocal is_plain
        name, how, other = match[1] or match[4], match[2] or "", match[3] or ""
        if _PLATFORM.fullmatch(name):
            is_plain = is_plain and name not in known and not how
            return f"${{{name}}}"
        value = known.get(name, "")
        is_set = name in known if len(how) == 1 else bool(value)
        # A variable that is declared and has no value is set to some versions only.
        is_plain = is_plain and value is not None and not (len(how) == 1 and not value)
        if how.endswith("+"):
            return other if is_set else ""
        if how.endswith("-") and not is_set:
            return other
        return value or ""

    if re.search(r"""["'\\`]""", text) or "$" in _VARIABLE.sub("", text):
        return None
    filled = _VARIABLE.sub(fill, text)
    return filled if is_plain else None


def _needed(built: Built) -> list[Stage]:
    """The stages that the target is made of; the builder leaves the others out."""
    found: list[Stage] = []
    waiting = [built.target]
    while waiting:
        stage = waiting.pop()
        if stage is None or stage in found:
            continue
        found.append(stage)
        waiting.append(built.dockerfile.stage(stage.base))
        for instruction in stage.instructions:
            waiting += [built.dockerfile.stage(name) for name in _copied_from(instruction)]
    return found


def _certain_sources(instruction: Instruction) -> Iterator[str]:
    """Sources of COPY and ADD that are plain paths of the context."""
    if instruction.keyword not in ("COPY", "ADD") or instruction.has_heredoc:
        return
    if instruction.flag("from") is not None or instruction.flag("exclude") is not None:
        return
    for source in instruction.words[:-1]:
        if not re.search(r"[$*?\[\\\"']|\.\.|^<<|://|^git@", source):
            yield source.lstrip("/")


def _check_health(name: str, service: Mapping[str, Any], built: Built, notes: Notes) -> None:
    """A published port without any health check; jobs and workers need none."""
    if not service.get("ports") or service.get("healthcheck"):
        return
    stage = built.target
    seen: list[Stage] = []
    while stage is not None and stage not in seen:
        seen.append(stage)
        checks = [i for i in stage.instructions if i.keyword == "HEALTHCHECK"]
        if checks and checks[-1].text.strip().upper() != "NONE":
            return
        stage = None if checks else built.dockerfile.stage(stage.base)
    message = f"service {name} publishes a port and has no health check"
    notes.add("health.missing", message, Place(file=built.file))
