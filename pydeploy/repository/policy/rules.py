"""What a rule is: it sees one key's value and returns what is kept of it.

A table maps keys to rules; a key that no table names is a finding.  A rule that refuses adds a
finding and keeps the value (site.yml may have granted it); one that neutralises returns
something else, or DROP.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydeploy.config.site import Site
from pydeploy.repository.documents import KeyPath
from pydeploy.repository.findings import Notes
from pydeploy.repository.sources import Sources
from pydeploy.repository.tree import Tree


class _Drop:
    """Marks a key that does not stay in the model."""


DROP: Final = _Drop()
_SHOWN = 60


@dataclass(kw_only=True)
class Scope:
    """What rules look at besides the value, and what they leave for the steps after them."""

    site: Site
    tree: Tree
    sources: Sources
    notes: Notes
    model: dict[str, Any]
    granted: frozenset[str] = frozenset()  # secrets of the site that this branch may ask for
    container_names: dict[str, str] = field(default_factory=dict)
    is_strange: bool = False

    def note(self, code: str, path: KeyPath, message: str, *, mend: str = "") -> None:
        """A finding at `path`; the message begins with it."""
        text = f"{dotted(path)}: {message}"
        self.notes.add(code, text, self.sources.place(path), mend=mend)


Rule = Callable[[Scope, KeyPath, Any], Any]
Table = Mapping[str, Rule]


def dotted(path: KeyPath) -> str:
    return ".".join(map(str, path))


def shown(value: Any) -> str:
    """A value as it is put into a message: one line, cut."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def is_off(value: Any) -> bool:
    """Whether a key with this value asks for nothing."""
    return (
        value in (None, False, "", 0)
        or value in ([], {})
        or (isinstance(value, str) and value.lower() in ("false", "no", "off"))
    )


def keep(_scope: Scope, _path: KeyPath, value: Any) -> Any:
    return value


def drop(_scope: Scope, _path: KeyPath, _value: Any) -> Any:
    return DROP


def has_shape(scope: Scope, path: KeyPath, value: Any, shape: type) -> bool:
    """Whether `value` is what the canonical model has here; a finding when another Compose
    writes it in another way, because no rule has looked at that."""
    if isinstance(value, shape):
        return True
    scope.is_strange = True
    what = "mapping" if shape is dict else "list" if shape is list else "text"
    scope.note("policy.value-not-allowed", path, f"{shown(value)} is not a {what}")
    return False


@dataclass(frozen=True)
class Denied:
    """Refuses every value that asks for something; found in the raw files already (`prescan`)."""

    code: str
    what: str

    def __call__(self, scope: Scope, path: KeyPath, value: Any) -> Any:
        if is_off(value):
            return DROP
        scope.note(self.code, path, self.what)
        return value


@dataclass(frozen=True)
class Nested:
    """A mapping whose keys have a table of their own."""

    table: Table

    def __call__(self, scope: Scope, path: KeyPath, value: Any) -> Any:
        return apply(scope, self.table, value, path)


def ignored(code: str, what: str) -> Rule:
    """Drops the key, and says so when it asked for something."""

    def rule(scope: Scope, path: KeyPath, value: Any) -> Any:
        if not is_off(value):
            scope.note(code, path, what)
        return DROP

    return rule


def one_of(*allowed: Any, code: str = "policy.value-not-allowed") -> Rule:
    """Keeps one of the named values (or the empty one), refuses any other."""
    choice = ", ".join(map(str, allowed))

    def rule(scope: Scope, path: KeyPath, value: Any) -> Any:
        if is_off(value) and value not in allowed:
            return DROP
        if value not in allowed:
            scope.note(code, path, f"{shown(value)} is not one of: {choice}")
        return value

    return rule


def matching(pattern: str, what: str, code: str = "policy.value-not-allowed") -> Rule:
    """Keeps text that matches as a whole."""
    compiled = re.compile(pattern)

    def rule(scope: Scope, path: KeyPath, value: Any) -> Any:
        if has_shape(scope, path, value, str) and not compiled.fullmatch(value):
            scope.note(code, path, f"{shown(value)} is not {what}")
        return value

    return rule


@dataclass(frozen=True)
class Each:
    """Applies `rule` to every item of a list; what it drops is left out."""

    rule: Rule

    def __call__(self, scope: Scope, path: KeyPath, value: Any) -> Any:
        if not has_shape(scope, path, value, list):
            return value
        items = [self.rule(scope, (*path, n), item) for n, item in enumerate(value)]
        return [item for item in items if item is not DROP]


def named(rule: Rule) -> Rule:
    """Applies `rule` to every value of a mapping whose keys are names."""

    def every(scope: Scope, path: KeyPath, value: Any) -> Any:
        if not has_shape(scope, path, value, dict):
            return value
        results = {name: rule(scope, (*path, name), item) for name, item in value.items()}
        return {name: item for name, item in results.items() if item is not DROP}

    return every


def apply(scope: Scope, table: Table, value: Any, path: KeyPath) -> Any:
    """`value` with each key's rule applied; unknown keys are findings, `x-` keys and nulls go."""
    if not has_shape(scope, path, value, dict):
        return value
    kept = {}
    for key, item in value.items():
        if item is None or key.startswith("x-"):
            continue
        result = table.get(key, _unknown)(scope, (*path, key), item)
        if result is not DROP:
            kept[key] = result
    return kept


def _unknown(scope: Scope, path: KeyPath, value: Any) -> Any:
    scope.note("policy.key-not-allowed", path, "this key is not allowed")
    return value
