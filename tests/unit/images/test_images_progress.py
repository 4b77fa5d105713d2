"""BuildKit's stream: both spellings of buildx, logs in pieces, what failed."""

import base64
import json
from typing import Any

from pydeploy.images.progress import Progress


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


STREAM: list[dict[str, Any]] = [
    {"vertexes": [{"digest": "d1", "name": "[internal] load .dockerignore", "started": "t"}]},
    {"vertexes": [{"digest": "d2", "name": "[2/2] RUN make"}]},
    {"vertexes": [{"digest": "d2", "name": "[2/2] RUN make", "started": "t"}]},
    {"logs": [{"vertex": "d2", "stream": 1, "data": encoded("one\ntw")}]},
    {"logs": [{"vertex": "d2", "stream": 2, "data": encoded("o\n10%\r50%\r99%\nend")}]},
    {"vertexes": [{"digest": "d2", "name": "[2/2] RUN make", "error": "exit code: 1"}]},
]


def read(lines: list[str]) -> tuple[Progress, list[str]]:
    shown: list[str] = []
    progress = Progress(shown.append)
    for line in lines:
        progress.feed(line)
    progress.finish()
    return progress, shown


def test_indented_documents() -> None:
    """buildx 0.13."""
    lines = [line for one in STREAM for line in json.dumps(one, indent=2).splitlines()]
    progress, shown = read([*lines, "Dockerfile:3", "ERROR: failed to solve"])
    assert shown == ["[2/2] RUN make", "  one", "  two", "  99%", "  end"]
    assert [vertex.error for vertex in progress.failed()] == ["exit code: 1"]
    assert list(progress.text) == ["Dockerfile:3", "ERROR: failed to solve"]


def test_a_document_a_line() -> None:
    """Later versions."""
    assert read([json.dumps(one) for one in STREAM])[1][0] == "[2/2] RUN make"


def test_what_was_cancelled_with_the_rest_did_not_fail() -> None:
    seen = [
        {"digest": "a", "name": "[a 1/1] RUN sleep", "error": "process x: context canceled"},
        {"digest": "b", "name": "importing cache manifest from r", "error": "not found"},
        {"digest": "c", "name": "[c 1/1] RUN false", "error": "exit code: 1"},
    ]
    progress, _ = read([json.dumps({"vertexes": seen})])
    assert [vertex.name for vertex in progress.failed()] == ["[c 1/1] RUN false"]


def test_what_is_cached_says_so() -> None:
    vertex = {"digest": "a", "name": "[1/1] RUN x", "cached": True, "started": "t"}
    assert read([json.dumps({"vertexes": [vertex]})])[1] == ["[1/1] RUN x (cached)"]


def test_text_that_looks_like_a_document_is_kept_as_text() -> None:
    progress, _ = read(["{not json}"])
    assert list(progress.text) == ["{not json}"]
