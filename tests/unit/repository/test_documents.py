"""YAML within limits, by YAML 1.2, and written out again without a second reading."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pydeploy.repository.documents import MAX_NODES, Malformed, dumped, load

SCALARS = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(max_size=20)
KEYS = st.text(min_size=1, max_size=12).filter(lambda key: key != "<<")
TREES = st.dictionaries(
    KEYS,
    st.recursive(
        SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=8
    ),
    min_size=1,
)


def _load(text: str) -> dict[str, Any]:
    return load("f.yml", text.encode()).data


@given(TREES)
@settings(max_examples=150, deadline=None)
def test_dumped_is_read_as_the_same(data: dict[str, Any]) -> None:
    """What Compose gets is what was looked at, for us and for another reader of YAML."""
    text = dumped(data)
    assert _load(text) == data
    assert text.isascii()


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    """Nothing but Malformed comes out of hostile bytes."""
    with contextlib.suppress(Malformed):
        assert isinstance(load("f.yml", content).data, dict)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("True", True),
        ("22:22", "22:22"),
        ("0755", 0o755),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", 1000),
        ("1.50", 1.5),
        ("2015-01-01", "2015-01-01"),
        ("=", "="),
        ("~", None),
        ("'1'", "1"),
        ("9" * 60, "9" * 60),
    ],
)
def test_scalars(text: str, value: object) -> None:
    """As Compose's reader takes them, not as PyYAML's YAML 1.1 does."""
    assert _load(f"a: {text}") == {"a": value}


def test_lines_of_key_paths() -> None:
    """A finding can name the line of a key, of a list's item, and of what a merge brings."""
    document = load("f.yml", b"a: &x\n  b: 1\nc:\n  - d\n  - e\ng:\n  <<: *x\n")
    assert document.lines[("a", "b")] == 2
    assert document.lines[("c", 1)] == 5
    assert document.place(("c", 1, "unknown")).line == 5
    assert document.place(("nowhere",)).line == 0


def test_merge_keys() -> None:
    """A key of its own wins, then the first mapping that has it."""
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc:\n  <<: [*a, *b]\n  x: 0\n"
    assert _load(text)["c"] == {"x": 0, "y": 1, "z": 2}


@pytest.mark.parametrize("levels", [6, 9, 60])
def test_alias_bombs_are_refused_quickly(levels: int) -> None:
    """Expansion is counted on the graph, so the bomb does not go off while it is measured."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    started = time.monotonic()
    with pytest.raises(Malformed) as refused:
        _load("\n".join(lines))
    assert refused.value.code in ("yaml.too-many-nodes", "yaml.too-deep")
    assert time.monotonic() - started < 1


def test_a_large_honest_file_is_read() -> None:
    """The limits are far from what people write."""
    data = {"services": {f"s{n}": {"image": "x", "environment": {"A": "1"}} for n in range(5000)}}
    assert len(data["services"]) * 5 < MAX_NODES
    assert _load(json.dumps(data)) == data
    assert yaml.safe_load(dumped(data)) == data
