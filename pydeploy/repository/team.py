"""`pydeploy.yml` of a checkout, read as everything else of it: by the tree, within limits."""

from __future__ import annotations

import re
from typing import Any

from pydeploy.config import files
from pydeploy.config.service import FILE_NAMES, Service
from pydeploy.errors import ConfigError
from pydeploy.repository import documents
from pydeploy.repository.documents import Document, Malformed
from pydeploy.repository.findings import Notes, Place
from pydeploy.repository.tree import Refused, Tree

_MAX = 64 << 10
_SENTENCE = re.compile(r"\s+(?P<path>[^:\s]+): (?P<message>.*)")


def load(tree: Tree, notes: Notes) -> Service:
    """The team's file; the defaults where there is none or (with findings) where it is wrong."""
    found = [name for name in FILE_NAMES if tree.kind(name) != "missing"]
    if len(found) > 1:
        notes.add("config.invalid", f"{' and '.join(found)} are there", Place(file=found[1]))
    return _read(tree, found[0], notes) if found else Service()


def _read(tree: Tree, name: str, notes: Notes) -> Service:
    try:
        content = tree.read(tree.locate(name), _MAX)
        if not content.strip():
            return Service()
        document = documents.load(name, content)
        return files.parse(documents.dumped(document.data), Service, ConfigError, where=name)
    except Refused as problem:
        notes.add(problem.code, problem.message, Place(file=name))
    except Malformed as problem:
        if problem.code != "yaml.empty":
            notes.add(problem.code, problem.message, Place(file=name, line=problem.line))
    except ConfigError as problem:
        _note_each(problem, document, notes)
    return Service()


def _note_each(problem: ConfigError, document: Document, notes: Notes) -> None:
    """One finding per sentence of the error, at the line of the key that it names."""
    sentences = list(filter(None, map(_SENTENCE.fullmatch, problem.message.splitlines()[1:])))
    for sentence in sentences:
        place = document.place(tuple(sentence["path"].split("/")))
        notes.add("config.invalid", f"{sentence['path']}: {sentence['message']}", place)
    if not sentences:
        notes.add("config.invalid", problem.message, Place(file=document.file))


def check_front(service: Service, model: dict[str, Any], tree: Tree, notes: Notes) -> None:
    """`front.service` has to be a service that runs."""
    wanted = service.front.service
    services = model.get("services", {})
    if wanted is None or wanted in services:
        return
    name = next(name for name in FILE_NAMES if tree.kind(name) == "file")
    place = documents.load(name, tree.read(name, _MAX)).place(("front", "service"))
    known = ", ".join(sorted(services)) or "none"
    message = f"front.service {wanted!r} is not a service; there are: {known}"
    notes.add("config.front", message, place)
