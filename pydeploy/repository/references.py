"""Where a compose file names other files: pure, on the parsed data."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pydeploy.repository.documents import KeyPath

# compose: parsed by Compose; env: read by Compose; later: read by the builder or the engine.
Kind = Literal["compose", "env", "folder", "later"]


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One path, as written; `folder` is what an included file's own paths are relative to."""

    path: str
    key: KeyPath
    kind: Kind
    is_required: bool = True
    folder: str | None = None

    @property
    def is_read_by_compose(self) -> bool:
        return self.kind != "later"


def references(data: dict[str, Any]) -> Iterator[Reference]:
    """Every path in a compose file of today's format."""
    for number, entry in enumerate(_list(data.get("include"))):
        yield from _include(entry, ("include", number))
    for name, service in _mapping(data.get("services")).items():
        if isinstance(service, dict):
            yield from _service(service, ("services", name))
    for section in ("configs", "secrets"):
        for name, entry in _mapping(data.get(section)).items():
            if isinstance(entry, dict):
                yield from _paths(entry.get("file"), (section, name, "file"), "later")


def _include(entry: Any, key: KeyPath) -> Iterator[Reference]:
    parts = entry if isinstance(entry, dict) else {"path": entry}
    files = [path for path in _list(parts.get("path")) if isinstance(path, str)]
    if not files:
        return
    folder = parts.get("project_directory")
    base = folder if isinstance(folder, str) else os.path.dirname(files[0])
    yield Reference(path=base or ".", key=(*key, "project_directory"), kind="folder")
    for path in files:
        yield Reference(path=path, key=(*key, "path"), kind="compose", folder=base)
    yield from _paths(parts.get("env_file"), (*key, "env_file"), "env")
    if not parts.get("env_file"):  # Compose looks for one itself
        env_file = os.path.join(base, ".env")
        yield Reference(path=env_file, key=key, kind="env", is_required=False)


def _service(service: dict[str, Any], key: KeyPath) -> Iterator[Reference]:
    extends = service.get("extends")
    if isinstance(extends, dict):
        yield from _paths(extends.get("file"), (*key, "extends", "file"), "compose")
    yield from _env_files(service.get("env_file"), (*key, "env_file"))
    yield from _env_files(service.get("label_file"), (*key, "label_file"))
    yield from _build(service.get("build"), (*key, "build"))
    develop = service.get("develop")
    watch = _list(develop.get("watch")) if isinstance(develop, dict) else []
    for number, rule in enumerate(watch):
        if isinstance(rule, dict):
            path = (*key, "develop", "watch", number)
            yield from _paths(rule.get("path"), path, "later")


def _env_files(value: Any, key: KeyPath) -> Iterator[Reference]:
    for number, entry in enumerate(_list(value)):
        here = (*key, number) if isinstance(value, list) else key
        if isinstance(entry, str):
            yield Reference(path=entry, key=here, kind="env")
        elif isinstance(entry, dict) and isinstance(entry.get("path"), str):
            required = entry.get("required") not in (False, "false")
            yield Reference(path=entry["path"], key=here, kind="env", is_required=required)


def _build(build: Any, key: KeyPath) -> Iterator[Reference]:
    if isinstance(build, str):
        yield Reference(path=build, key=key, kind="later")
    if not isinstance(build, dict):
        return
    context = build.get("context", ".")
    yield from _paths(context, (*key, "context"), "later")
    dockerfile = build.get("dockerfile")
    if isinstance(dockerfile, str) and isinstance(context, str):
        path = os.path.join(context, dockerfile)
        yield Reference(path=path, key=(*key, "dockerfile"), kind="later")
    contexts = build.get("additional_contexts")
    if isinstance(contexts, list):
        contexts = dict(text.partition("=")[::2] for text in contexts if isinstance(text, str))
    for name, path in _mapping(contexts).items():
        if isinstance(path, str) and not path.startswith("service:"):
            yield from _paths(path, (*key, "additional_contexts", name), "later")


def _paths(value: Any, key: KeyPath, kind: Kind) -> Iterator[Reference]:
    for path in _list(value):
        if isinstance(path, str):
            yield Reference(path=path, key=key, kind=kind)


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
