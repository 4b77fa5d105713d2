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
from pydeploy.repository.sources import Sources
from pydeploy.repository.tree import Refused, Tree

_FRONTEND = re.compile(
    r"(docker\.io/)?docker/dockerfile(-upstream)?(:[\w.-]+)?(@sha256:[0-9a-f]+)?"
)
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::?-([^}]*))?\}|(\w+))")
_RUN_FLAGS = {
    "network": ("default", "none"),
    "security": ("sandbox",),
}
_MOUNTS = ("bind", "cache", "tmpfs", "secret")


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


def look(model: dict[str, Any], tree: Tree, sources: Sources, notes: Notes) -> list[Built]:
    """Notes findings for every service that builds; returns the Dockerfiles read."""
    found = []
    for name, service in model.get("services", {}).items():
        if isinstance(service.get("build"), dict):
            place = sources.place(("services", name, "build"))
            built = _read(service["build"], place, tree, notes)
            if built is not None:
                _check(built, tree, notes)
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
    named = frontend(text)
    if named and not _FRONTEND.fullmatch(named):
        notes.add("image.frontend", "a foreign frontend is named", Place(file=file, line=1))
        return None
    try:
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


def _check(built: Built, tree: Tree, notes: Notes) -> None:
    for instruction in built.dockerfile.instructions:
        if instruction.keyword == "RUN":
            for problem in _run_problems(instruction):
                notes.add("image.run-option", problem, built.place(instruction))
    for stage in built.dockerfile.stages:
        _check_bases(stage, built, notes)
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
            options = dict(part.partition("=")[::2] for part in value.split(","))
            kind = options.get("type", "bind")
            if kind not in _MOUNTS:
                yield f"RUN --mount=type={kind} is not allowed"
        elif value not in _RUN_FLAGS.get(flag, ()):
            yield f"RUN --{flag}={value} is not allowed"


def _check_bases(stage: Stage, built: Built, notes: Notes) -> None:
    """Every image that a stage is made from or copies from."""
    _check_image(stage.base, stage.start, built, notes)
    for instruction in stage.instructions:
        for image in _copied_from(instruction):
            _check_image(image, instruction, built, notes)


def _copied_from(instruction: Instruction) -> Iterator[str]:
    for flag, value in instruction.flags:
        if flag == "from":
            yield value
        elif flag == "mount":
            options = dict(part.partition("=")[::2] for part in value.split(","))
            if options.get("from"):
                yield options["from"]


def _check_image(image: str, instruction: Instruction, built: Built, notes: Notes) -> None:
    name = _resolved(image, built)
    contexts = built.build.get("additional_contexts") or {}
    if name is None or name == "scratch" or name in contexts or built.dockerfile.stage(name):
        return
    if "@" not in name and (":" not in name.rsplit("/", 1)[-1] or name.endswith(":latest")):
        message = f"base image {name!r} may change from day to day"
        notes.add("image.unpinned", message, built.place(instruction))


def _resolved(image: str, built: Built) -> str | None:
    """The name with its variables filled from build arguments and defaults; None if unknown."""
    known: dict[str, str] = {}
    for argument in built.dockerfile.arguments:
        key, has_default, default = argument.text.partition("=")
        if has_default:
            known[key] = default.strip("\"'")
    known |= {str(k): str(v) for k, v in (built.build.get("args") or {}).items()}
    unknown = False

    def fill(match: re.Match[str]) -> str:
        nonlocal unknown
        value = known.get(match[1] or match[3], match[2])
        unknown = unknown or value is None
        return value or ""

    name = _VARIABLE.sub(fill, image)
    return None if unknown or not name else name


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
