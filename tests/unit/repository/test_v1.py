"""Compose v1 files say the same after conversion."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pydeploy.repository import documents, v1

NAMES = st.from_regex(r"[a-wyz][a-z0-9_-]{0,10}", fullmatch=True).filter(lambda n: n != "version")
KEPT = st.fixed_dictionaries(
    {"image": st.just("debian:bookworm-slim")},
    optional={
        "command": st.text(max_size=10),
        "mem_limit": st.sampled_from(["64m", "1g"]),
        "cpuset": st.just("0"),
        "links": st.lists(NAMES, max_size=3),
        "env_file": st.just("a.env"),
        "container_name": NAMES,
        "privileged": st.booleans(),
        "volumes_from": st.lists(NAMES, max_size=2),
    },
)


def _convert(data: dict[str, Any]) -> documents.Document:
    return v1.convert(documents.load("f.yml", documents.dumped(data).encode()))


@given(st.dictionaries(NAMES, KEPT, min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_what_both_formats_know_is_kept(data: dict[str, Any]) -> None:
    """Every service and every such key, unchanged; a converted file is not v1 any more."""
    converted = _convert(data)
    assert converted.data["services"] == data
    assert not v1.is_v1(converted.data)


@given(st.dictionaries(NAMES, KEPT, min_size=1, max_size=3))
@settings(max_examples=50, deadline=None)
def test_shown_text_is_the_converted_file(data: dict[str, Any]) -> None:
    """The warning shows what a person can put into the file as it is."""
    converted = _convert(data)
    assert yaml.safe_load(v1.shown(converted)) == converted.data


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"build": "."}, {"build": "."}),
        ({"build": ".", "dockerfile": "D"}, {"build": {"context": ".", "dockerfile": "D"}}),
        ({"image": "x", "net": "host"}, {"image": "x", "network_mode": "host"}),
        ({"image": "x", "net": "container:w"}, {"image": "x", "network_mode": "service:w"}),
        ({"image": "x", "net": "container:y"}, {"image": "x", "network_mode": "container:y"}),
        (
            {"image": "x", "log_driver": "syslog", "log_opt": {"tag": "t"}},
            {"image": "x", "logging": {"driver": "syslog", "options": {"tag": "t"}}},
        ),
    ],
)
def test_what_was_renamed(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Keys that are written in another way today."""
    assert _convert({"w": old}).data["services"]["w"] == new


def test_named_volumes_are_declared() -> None:
    """v1 made them by itself; with the driver that the service named."""
    volumes = ["data:/data", "./here:/x", "/abs:/y", "~/home:/z", "/anonymous"]
    converted = _convert({"w": {"image": "x", "volumes": volumes, "volume_driver": "nfs"}})
    assert converted.data["volumes"] == {"data": {"driver": "nfs"}}


@pytest.mark.parametrize(
    "data",
    [
        {"services": {"w": {"image": "x"}}},
        {"version": "2", "w": {"image": "x"}},
        {"volumes": {"data": {}}},
        {"include": ["x.yml"]},
        {"name": "x"},
    ],
)
def test_what_is_not_v1(data: dict[str, Any]) -> None:
    """A file of today without services is not taken for one of 2015."""
    assert not v1.is_v1(data)


def test_lines_follow() -> None:
    """Findings name the line of the file as it is."""
    converted = v1.convert(documents.load("f.yml", b"w:\n  image: x\n  net: host\n"))
    assert converted.place(("services", "w", "network_mode")).line == 3
