"""YAML of untrusted origin, read within limits, with the line of every key.

Scalars follow YAML 1.2 as Compose reads it (`yes` is text, `22:22` is text), not PyYAML's 1.1.
Compose never sees the file itself but this result written out again (`dumped`), so that there
is no second reading of the text that could differ from ours.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from pydeploy.repository.findings import Place
from pydeploy.repository.tree import MAX_TEXT

MAX_DEPTH = 64
MAX_NODES = 100_000
KeyPath = tuple[str | int, ...]

_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULL = {"", "~", "null", "Null", "NULL"}
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
_OCTAL = re.compile(r"([-+]?)0o?([0-7_]+)")
_HEX = re.compile(r"([-+]?)0x([0-9a-fA-F_]+)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CORE = "tag:yaml.org,2002:"
# What PyYAML's wider rules (1.1) call plain scalars; `_plain` decides by the narrower ones.
_PLAIN_TAGS = ("str", "null", "bool", "int", "float", "timestamp", "value", "merge")
MAX_NUMBER = 40  # characters; longer ones are text


class Malformed(Exception):
    """Text that is not read as YAML; `code` is the finding it becomes."""

    def __init__(self, code: str, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.line = line


@dataclass(frozen=True, kw_only=True)
class Document:
    """One YAML file: its name below the root, its data, and the line of each key path."""

    file: str
    data: dict[str, Any]
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def place(self, path: KeyPath) -> Place:
        """The line of the longest known part of `path`."""
        return Place(file=self.file, line=self.lines.get(path[: self.known(path)], 0))

    def known(self, path: KeyPath) -> int:
        """How many leading parts of `path` occur in this file."""
        return next((n for n in range(len(path), 0, -1) if path[:n] in self.lines), 0)


def load(file: str, content: bytes) -> Document:
    """Parse `content`; raises Malformed at the first thing that is not allowed."""
    import yaml

    text = _decoded(content)
    try:
        _check_events(text)
        node = yaml.compose(text, Loader=_loader())
    except yaml.YAMLError as problem:
        mark: Any = getattr(problem, "problem_mark", None)
        what = getattr(problem, "problem", None) or str(problem)
        raise Malformed("yaml.syntax", str(what), mark.line + 1 if mark else 0) from problem
    except RecursionError as problem:  # pragma: no cover (the depth check comes first)
        raise Malformed("yaml.too-deep", "nested too deeply") from problem
    if node is None:
        raise Malformed("yaml.empty", "the file is empty")
    if not isinstance(node, yaml.MappingNode):
        raise Malformed("yaml.not-a-mapping", "the file is not a mapping of keys", 1)
    _Size().check(node)
    lines: dict[KeyPath, int] = {}
    return Document(file=file, data=_Converter(lines).mapping(node, ()), lines=lines)


def dumped(data: dict[str, Any]) -> str:
    """`data` as JSON that every YAML reader takes for the same.

    YAML knows no surrogate pairs, and takes some characters beyond ASCII for line breaks.
    """
    text = json.dumps(data, ensure_ascii=False)
    return re.sub(r"[^\x20-\x7e]", _escaped, text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _decoded(content: bytes) -> str:
    if len(content) > MAX_TEXT:
        raise Malformed("path.too-large", f"the file is longer than {MAX_TEXT >> 10} KiB")
    if b"\0" in content:
        raise Malformed("yaml.encoding", "the file contains NUL bytes")
    try:
        return content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise Malformed("yaml.encoding", "the file is not UTF-8 text", line) from problem


def _loader() -> Any:
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _check_events(text: str) -> None:
    """Depth, number of nodes and of documents, before anything recursive touches the text."""
    import yaml

    depth = nodes = documents = 0
    for event in yaml.parse(text, Loader=_loader()):
        mark: Any = event.start_mark
        line = mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
        if isinstance(event, yaml.NodeEvent):
            nodes += 1
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if documents > 1:
            raise Malformed("yaml.several-documents", "there is more than one document", line)
        if depth > MAX_DEPTH:
            raise Malformed("yaml.too-deep", f"nested more than {MAX_DEPTH} levels deep", line)
        if nodes > MAX_NODES:
            raise Malformed("yaml.too-many-nodes", f"more than {MAX_NODES} values", line)


class _Size:
    """Counts what the aliases expand to, each node of the graph visited once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, int]] = {}
        self._open: set[int] = set()

    def check(self, node: Any) -> None:
        self._measure(node)

    def _measure(self, node: Any) -> tuple[int, int]:
        """(nodes, depth) of the expanded `node`."""
        if id(node) in self._known:
            return self._known[id(node)]
        line = node.start_mark.line + 1
        if id(node) in self._open:
            raise Malformed("yaml.recursive", "an alias contains itself", line)
        self._open.add(id(node))
        nodes, depth = 1, 1
        for child in _children(node):
            child_nodes, child_depth = self._measure(child)
            nodes, depth = nodes + child_nodes, max(depth, child_depth + 1)
            if nodes > MAX_NODES:
                raise Malformed(
                    "yaml.too-many-nodes", f"aliases expand to more than {MAX_NODES} values", line
                )
            if depth > MAX_DEPTH + 2:
                raise Malformed("yaml.too-deep", "aliases nest too deeply", line)
        self._open.discard(id(node))
        self._known[id(node)] = nodes, depth
        return nodes, depth


def _children(node: Any) -> list[Any]:
    import yaml

    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


class _Converter:
    """Nodes to plain data; remembers the line of every key path in `lines`."""

    def __init__(self, lines: dict[KeyPath, int]) -> None:
        self._lines = lines

    def value(self, node: Any, path: KeyPath) -> Any:
        import yaml

        if isinstance(node, yaml.MappingNode):
            _require_tag(node, "map")
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            _require_tag(node, "seq")
            return [self._item(child, (*path, n)) for n, child in enumerate(node.value)]
        return _scalar(node)

    def _item(self, node: Any, path: KeyPath) -> Any:
        self._lines[path] = node.start_mark.line + 1
        return self.value(node, path)

    def mapping(self, node: Any, path: KeyPath) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if _is_merge(key_node):
                self._merge(value_node, path, merged)
                continue
            key = _key(key_node)
            line = key_node.start_mark.line + 1
            if key in own:
                raise Malformed("yaml.duplicate-key", f"key {key!r} is given twice", line)
            self._lines[(*path, key)] = line
            own[key] = self.value(value_node, (*path, key))
        return merged | own

    def _merge(self, node: Any, path: KeyPath, into: dict[str, Any]) -> None:
        """`<<`: of several mappings the first one that has a key wins."""
        import yaml

        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for source in sources:
            if not isinstance(source, yaml.MappingNode):
                line = node.start_mark.line + 1
                raise Malformed("yaml.key", "`<<` takes a mapping or a list of mappings", line)
            for key, value in self.mapping(source, path).items():
                into.setdefault(key, value)


def _is_merge(node: Any) -> bool:
    return bool(node.value == "<<" and not node.style and node.tag == f"{_CORE}merge")


def _key(node: Any) -> str:
    import yaml

    line = node.start_mark.line + 1
    if not isinstance(node, yaml.ScalarNode):
        raise Malformed("yaml.key", "a key is a list or a mapping", line)
    value = _scalar(node)
    if value == "<<":
        raise Malformed("yaml.key", "a quoted '<<' is a merge key to some readers only", line)
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        raise Malformed("yaml.key", f"key {node.value!r} is not text", line)
    return str(node.value)


def _require_tag(node: Any, kind: str) -> None:
    if node.tag != _CORE + kind:
        line = node.start_mark.line + 1
        raise Malformed("yaml.tag", f"tag {node.tag.removeprefix(_CORE)!r} is not supported", line)


def _scalar(node: Any) -> Any:
    """The value of a scalar by YAML 1.2's core schema, with 0777 octal as Compose takes it."""
    if node.style:  # quoted or a block: text, and tagged so unless another tag was written out
        _require_tag(node, "str")
        return node.value
    if node.tag.removeprefix(_CORE) not in _PLAIN_TAGS:
        _require_tag(node, "str")
    return _plain(node.value)


def _plain(text: str) -> Any:
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if len(text) > MAX_NUMBER:
        return text
    if _DECIMAL.fullmatch(text):
        return int(text.replace("_", ""))
    for pattern, radix in ((_OCTAL, 8), (_HEX, 16)):
        match = pattern.fullmatch(text)
        if match and match[2].replace("_", ""):
            return int(match[1] + match[2].replace("_", ""), radix)
    return float(text) if _FLOAT.fullmatch(text) else text
