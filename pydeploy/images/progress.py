"""BuildKit's progress, read from `--progress=rawjson`: which instruction said and suffered what.

buildx 0.13 prints indented documents, later ones a document a line; both are a stream of
objects with `vertexes` (instructions: name, started, completed, cached, error), `logs` (base64)
and `statuses`.  After them, as plain text, the place in the Dockerfile and the final error.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from pydeploy.clients.shell import LineSink

LOG_LINES = 200  # kept per instruction


@dataclass
class Vertex:
    """One instruction (or internal step) of a build."""

    name: str = ""
    error: str = ""
    is_announced: bool = False
    log: deque[str] = field(default_factory=lambda: deque(maxlen=LOG_LINES))
    rest: str = ""  # a line that has not ended yet


class Progress:
    """Feed it the lines of stderr; it tells `on_line` what people want to see."""

    def __init__(self, on_line: LineSink = lambda _: None) -> None:
        self.vertices: dict[str, Vertex] = {}
        self.text: deque[str] = deque(maxlen=LOG_LINES)
        self._on_line = on_line
        self._document: list[str] = []

    def feed(self, line: str) -> None:
        if not self._document and not line.startswith("{"):
            self.text.append(line)
            return
        self._document.append(line)
        # An indented document ends with a brace in the first column, another one on its line.
        if line.endswith("}") and (line.startswith("}") or len(self._document) == 1):
            text, self._document = "\n".join(self._document), []
            self._read(text)

    def failed(self) -> list[Vertex]:
        """What failed by itself: neither cancelled with the rest, nor a cache that is not there."""
        return [
            vertex
            for vertex in self.vertices.values()
            if vertex.error
            and "context canceled" not in vertex.error
            and not vertex.name.startswith(("importing cache", "exporting cache"))
        ]

    def finish(self) -> None:
        """Count what is left of unfinished lines."""
        for vertex in self.vertices.values():
            if vertex.rest:
                self._said(vertex, vertex.rest)
                vertex.rest = ""

    def _read(self, text: str) -> None:
        try:
            document: dict[str, Any] = json.loads(text)
        except ValueError:
            self.text.extend(text.splitlines())
            return
        for vertex in document.get("vertexes") or ():
            self._see(vertex)
        for log in document.get("logs") or ():
            self._log(log)

    def _see(self, seen: dict[str, Any]) -> None:
        vertex = self.vertices.setdefault(str(seen.get("digest")), Vertex())
        vertex.name = str(seen.get("name") or vertex.name)
        vertex.error = str(seen.get("error") or vertex.error)
        if not vertex.is_announced and (seen.get("started") or seen.get("cached")):
            vertex.is_announced = True
            if not vertex.name.startswith("[internal]"):
                self._on_line(vertex.name + (" (cached)" if seen.get("cached") else ""))

    def _log(self, log: dict[str, Any]) -> None:
        vertex = self.vertices.setdefault(str(log.get("vertex")), Vertex())
        try:
            data = base64.b64decode(log.get("data") or "").decode("utf-8", "replace")
        except binascii.Error:
            return
        *lines, vertex.rest = (vertex.rest + data).split("\n")
        for line in lines:
            self._said(vertex, line)

    def _said(self, vertex: Vertex, line: str) -> None:
        shown = line.rstrip("\r").rsplit("\r", 1)[-1]  # of a progress bar, the last state
        vertex.log.append(shown)
        self._on_line(f"  {shown}")
