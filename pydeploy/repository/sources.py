"""Paths first: every file that Compose would read, found and read before Compose runs.

The compose file and whatever it includes or extends is parsed here, and each path in it is
located inside the repository.  Compose then works on our copies (see canonical.py) and never
on the checkout: it cannot be led to another file than the one that was looked at.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydeploy.repository import documents, v1
from pydeploy.repository.documents import Document, KeyPath, Malformed
from pydeploy.repository.findings import Notes, Place
from pydeploy.repository.references import Reference, references
from pydeploy.repository.tree import Refused, Tree

MAX_FILES = 40
MAX_ENV = 128 << 10


@dataclass
class Sources:
    """What Compose gets to read; names are relative to the root, the first document is the main."""

    documents: dict[str, Document] = field(default_factory=dict)
    env_files: dict[str, bytes] = field(default_factory=dict)

    def place(self, path: KeyPath) -> Place:
        """Where `path` was written: in the file that knows most of it."""
        best = max(self.documents.values(), key=lambda document: document.known(path))
        return best.place(path)

    def place_of_text(self, part: str) -> Place:
        """The first value that contains `part`."""
        for document in self.documents.values():
            for path, text in texts(document.data):
                if part in text:
                    return document.place(path)
        return Place(file=next(iter(self.documents)))


def texts(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Every text below `value` with its key path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, child in value.items():
            yield from texts(child, (*path, key))
    elif isinstance(value, list):
        for number, child in enumerate(value):
            yield from texts(child, (*path, number))


def gather(tree: Tree, main: str, notes: Notes) -> Sources:
    """Reads `main` and all that it refers to; what is refused becomes a finding."""
    return _Gatherer(tree, notes).gather(main)


class _Gatherer:
    def __init__(self, tree: Tree, notes: Notes) -> None:
        self._tree = tree
        self._notes = notes
        self._sources = Sources()
        self._seen: set[tuple[str, str]] = set()

    def gather(self, main: str) -> Sources:
        waiting = [(main, "")]
        self._env_file(".env", Place(file=".env"), is_required=False)
        while waiting:
            file, base = waiting.pop()
            if (file, base) in self._seen:
                continue
            self._seen.add((file, base))
            if len(self._seen) > MAX_FILES:
                message = f"more than {MAX_FILES} compose files"
                self._notes.add("path.too-many", message, Place(file=main))
                break
            waiting.extend(self._read(file, base))
        return self._sources

    def _read(self, file: str, base: str) -> list[tuple[str, str]]:
        """Takes one compose file in; returns those that it refers to, with their base folders."""
        if file not in self._sources.documents:
            document = self._document(file)
            if document is None:
                return []
            self._sources.documents[file] = document
        document = self._sources.documents[file]
        found = []
        for reference in references(document.data):
            located = self._locate(document, reference, base)
            if located is not None and reference.kind == "compose":
                folder = reference.folder
                found.append((located, _folder(located) if folder is None else os.path.normpath(
                    os.path.join(base, folder))))  # fmt: skip
        return found

    def _document(self, file: str) -> Document | None:
        try:
            document = documents.load(file, self._tree.read(self._tree.locate(file)))
        except (Malformed, Refused) as problem:
            place = Place(file=file, line=getattr(problem, "line", 0))
            self._notes.add(problem.code, problem.message, place)
            return None
        return self._modern(document)

    def _modern(self, document: Document) -> Document:
        """Without `version:` and v1, each with a warning."""
        if v1.is_v1(document.data):
            document = v1.convert(document)
            message = f"this is a Compose v1 file; written for today it reads\n{v1.shown(document)}"
            self._notes.add("compose.v1", message, Place(file=document.file, line=1))
        if "version" in document.data:
            place = document.place(("version",))
            self._notes.add("compose.version", "`version:` is obsolete", place)
            del document.data["version"]
        return document

    def _locate(self, document: Document, reference: Reference, base: str) -> str | None:
        """The path below the root; None (with a finding) when it is refused or not there."""
        place = document.place(reference.key)
        if "$" in reference.path:
            if reference.is_read_by_compose:
                message = f"{reference.path!r} contains a variable"
                self._notes.add("path.variable", message, place)
            return None  # what only the engine reads is checked when the variable is filled
        try:
            located = self._tree.locate(reference.path, base)
        except Refused as problem:
            self._notes.add(problem.code, problem.message, place)
            return None
        if reference.kind == "env":
            self._env_file(located, place, is_required=reference.is_required)
        elif reference.kind == "compose" and self._tree.kind(located) == "missing":
            self._notes.add("path.missing", f"{reference.path!r} is not there", place)
            return None
        return located

    def _env_file(self, file: str, place: Place, *, is_required: bool) -> None:
        try:
            content = self._tree.read(self._tree.locate(file), MAX_ENV)
        except Refused as problem:
            if problem.code != "path.missing" or is_required:
                self._notes.add(problem.code, problem.message, place)
            return
        self._sources.env_files[file] = content


def _folder(file: str) -> str:
    return os.path.dirname(file)
