"""Secrets that were committed.  A value is never printed, only where it is.

Looked at: the compose files, env files, Dockerfiles, pydeploy.yml and, within bounds, source/.
Test keys elsewhere are nobody's business; where a finding is wrong, site.yml can allow its code.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

from pydeploy.config.service import FILE_NAMES
from pydeploy.repository.dockerfile import Unreadable, parse
from pydeploy.repository.findings import Notes, Place
from pydeploy.repository.sources import Sources
from pydeploy.repository.tree import Refused, Tree

MAX_FILES = 400
MAX_FILE = 256 << 10
MAX_TOTAL = 4 << 20

_PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")
_TOKENS = {
    "an AWS access key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22,})",
    "a GitLab token": r"\bglpat-[\w-]{20}",
    "a Slack token": r"\bxox[abeoprs]-[\w-]{10,}|hooks\.slack\.com/services/T\w+/B\w+/\w{16,}",
    "a Google API key": r"\bAIza[\w-]{35}",
    "an npm token": r"\bnpm_[A-Za-z0-9]{36}\b",
    "a PyPI token": r"\bpypi-[\w-]{50,}",
}
_TOKEN = {what: re.compile(pattern) for what, pattern in _TOKENS.items()}
_URL = re.compile(
    # Bounded, because a long line could make an unbounded pattern take its square in time.
    r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"'$<>{}]{0,200}:([^\s/@\"'<>]{1,200})@([\w.-]{1,255})",
    re.IGNORECASE,
)
_SECRET_NAME = re.compile(
    r"passw(or)?d|passphrase|token|secret|api_?key|private_?key|credential", re.IGNORECASE
)
_HARMLESS_NAME = re.compile(r"_(FILE|PATH|DIR|URL|HOST|TTL|EXPIRY|LENGTH|NAME)$", re.IGNORECASE)
_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*=\s*(.*)")
_ENV_PAIR = re.compile(r"([A-Za-z_]\w*)=(\"[^\"]*\"|'[^']*'|\S*)")


def scan(tree: Tree, sources: Sources, dockerfiles: Iterable[str], notes: Notes) -> None:
    """Notes every secret found; `dockerfiles` are the ones that the services build."""
    docker = dict.fromkeys(["Dockerfile", *dockerfiles])
    named = [*sources.documents, *sources.env_files, *docker, *FILE_NAMES]
    for name, text in _texts(tree, [*dict.fromkeys(named), *_source_files(tree)]):
        for number, line in enumerate(text.split("\n"), 1):
            _check_line(line, Place(file=name, line=number), notes)
        if name in docker:
            _check_dockerfile(name, text, notes)
        elif name in sources.env_files:
            _check_env_file(name, text, notes)
    _check_compose(sources, notes)


def _texts(tree: Tree, files: list[str]) -> Iterator[tuple[str, str]]:
    """Each file's text, until the bounds are reached; what cannot be read is left out."""
    total = 0
    for name in files:
        try:
            content = tree.read(tree.locate(name), MAX_FILE)
        except Refused:
            continue
        total += len(content)
        if total > MAX_TOTAL:
            return
        if b"\0" not in content[:1024]:
            yield name, content.decode("utf-8", "replace")


def _source_files(tree: Tree) -> list[str]:
    """The files below source/, links left out, the first MAX_FILES of them."""
    found: list[str] = []
    top = os.path.join(tree.real_root, "source")
    for folder, folders, files in os.walk(top):
        folders.sort()
        for name in sorted(files):
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                found.append(os.path.relpath(path, tree.real_root))
        if len(found) > MAX_FILES:
            break
    return found[:MAX_FILES]


def _check_line(line: str, place: Place, notes: Notes) -> None:
    if "PRIVATE KEY" in line and _PRIVATE_KEY.search(line):
        notes.add("secret.private-key", "a private key", place)
    for what, pattern in _TOKEN.items():
        if pattern.search(line):
            notes.add("secret.token", what, place)
    if "://" in line:
        for password, host in _URL.findall(line):
            _check_url(password, host, place, notes)


def _check_url(password: str, host: str, place: Place, notes: Notes) -> None:
    """A password for a service of the same environment (`db`, no dot) opens nothing else."""
    if "$" in password or not password.strip("*.x<>"):
        return
    if "." in host:
        notes.add("secret.url-password", f"a password for {host} in a URL", place)
    else:
        notes.add("secret.literal", f"a password for {host} in a URL", place)


def _is_literal(name: str, value: str) -> bool:
    """Whether `name` is called like a secret and `value` is one, not a reference to one."""
    value = value.strip().strip("\"'")
    if not _SECRET_NAME.search(name) or _HARMLESS_NAME.search(name):
        return False
    return bool(value) and "$" not in value and not value.startswith(("/", "<", "{{"))


def _note_literal(name: str, place: Place, notes: Notes) -> None:
    notes.add("secret.literal", f"{name} has a literal value", place)


def _check_dockerfile(file: str, text: str, notes: Notes) -> None:
    try:
        instructions = list(parse(text).instructions)
    except Unreadable:
        return  # a finding of its own
    for instruction in instructions:
        if instruction.keyword in ("ENV", "ARG"):
            pairs = _ENV_PAIR.findall(instruction.text)
            if not pairs and instruction.keyword == "ENV":  # ENV NAME value
                pairs = [instruction.text.partition(" ")[::2]]
            for name, value in pairs:
                if _is_literal(name, value):
                    _note_literal(name, Place(file=file, line=instruction.line), notes)


def _check_env_file(file: str, text: str, notes: Notes) -> None:
    for number, line in enumerate(text.split("\n"), 1):
        match = _ASSIGNMENT.match(line)
        if match and _is_literal(match[1], match[2]):
            _note_literal(match[1], Place(file=file, line=number), notes)


def _check_compose(sources: Sources, notes: Notes) -> None:
    for document in sources.documents.values():
        services = document.data.get("services")
        for name, service in services.items() if isinstance(services, dict) else ():
            if not isinstance(service, dict):
                continue
            build = service.get("build")
            args = build.get("args") if isinstance(build, dict) else None
            places = (("environment",), service.get("environment")), (("build", "args"), args)
            for keys, values in places:
                for key, variable, value in _pairs(values):
                    if _is_literal(variable, value):
                        place = document.place(("services", name, *keys, key))
                        _note_literal(variable, place, notes)


def _pairs(values: object) -> Iterator[tuple[str | int, str, str]]:
    """(key in the file, variable, value) of a mapping or of a list of `NAME=value`."""
    if isinstance(values, dict):
        for name, value in values.items():
            if isinstance(value, (str, int)) and not isinstance(value, bool):
                yield name, name, str(value)
    elif isinstance(values, list):
        for number, text in enumerate(values):
            if isinstance(text, str) and "=" in text:
                name, _, value = text.partition("=")
                yield number, name, value
