"""Every path that a compose file can name."""

from __future__ import annotations

from typing import Any

import pytest

from pydeploy.repository.references import references


def _paths(data: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one.kind, one.path) for one in references(data)]


def _web(**keys: Any) -> dict[str, Any]:
    return {"services": {"web": keys}}


@pytest.mark.parametrize(
    ("data", "paths"),
    [
        (_web(env_file="a"), [("env", "a")]),
        (_web(env_file=["a", {"path": "b", "required": False}]), [("env", "a"), ("env", "b")]),
        (_web(extends="base"), []),
        (_web(extends={"service": "base"}), []),
        (_web(extends={"service": "base", "file": "f"}), [("compose", "f")]),
        (_web(build="c"), [("later", "c")]),
        (_web(build={"context": "c", "dockerfile": "D"}), [("later", "c"), ("later", "c/D")]),
        (_web(build={"dockerfile": "/D"}), [("later", "."), ("later", "/D")]),
        (
            _web(build={"additional_contexts": {"a": "x", "b": "service:y"}}),
            [("later", "."), ("later", "x")],
        ),
        (_web(build={"additional_contexts": ["a=x"]}), [("later", "."), ("later", "x")]),
        (_web(label_file=["l"]), [("env", "l")]),
        (_web(develop={"watch": [{"path": "w"}]}), [("later", "w")]),
        ({"include": ["d/f"]}, [("folder", "d"), ("compose", "d/f"), ("env", "d/.env")]),
        (
            {"include": [{"path": ["f", "g"], "project_directory": "p", "env_file": "e"}]},
            [("folder", "p"), ("compose", "f"), ("compose", "g"), ("env", "e")],
        ),
        ({"configs": {"c": {"file": "f"}}, "secrets": {"s": {"file": "g"}}}, [
            ("later", "f"), ("later", "g")]),
    ],
)  # fmt: skip
def test_references(data: dict[str, Any], paths: list[tuple[str, str]]) -> None:
    assert _paths(data) == paths


@pytest.mark.parametrize(
    "data",
    [
        {"services": ["web"]},
        {"services": {"web": None}},
        {"services": {"web": {"build": 1, "env_file": 1, "extends": 1, "develop": 1}}},
        {"services": {"web": {"build": {"additional_contexts": 1, "context": 1}}}},
        {"include": 1, "configs": 1, "secrets": {"s": 1}},
        {"include": [{"path": 1}, None]},
    ],
)
def test_wrong_shapes(data: dict[str, Any]) -> None:
    """Those are for Compose to refuse; here they name nothing."""
    assert [path for kind, path in _paths(data) if path != "."] == []
