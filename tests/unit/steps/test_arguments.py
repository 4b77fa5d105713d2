"""From a step's JSON to argv: what is not in the table is refused, every value stays one word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pydeploy.errors import UsageError
from pydeploy.steps import arguments

EVIL = [
    "$(touch /tmp/x)",
    "'; rm -rf ~; '",
    "${HOME} $HOME",
    'two\nlines and "quotes"',
    "--force",
    "-x",
    "\N{ROCKET} = é",
    "a=b",
]


def asked(step: str, **given: Any) -> arguments.Asked:
    return arguments.read(json.dumps({"step": step, "arguments": given}))


def argv(step: str, **given: Any) -> list[str]:
    return arguments.argv(asked(step, **given))


def refusal(step: str, **given: Any) -> str:
    with pytest.raises(UsageError) as refused:
        argv(step, **given)
    return refused.value.message


@pytest.mark.parametrize("value", EVIL)
def test_a_value_is_one_word_with_its_flag(value: str) -> None:
    """Whatever it holds: it is neither split, nor a flag of its own, nor changed."""
    assert ["deploy", "--json", f"--topic={value}", "--"] == argv("deploy", topic=value)


@pytest.mark.parametrize("value", EVIL)
def test_what_goes_by_position_comes_after_the_flags(value: str) -> None:
    """Behind `--` nothing is a flag."""
    assert ["status", "--json", "--", value] == argv("status", environment=value)


def test_each_type_has_its_form() -> None:
    """Numbers as text too (a build's parameters are texts), switches, lists and maps."""
    assert ["deploy", "--json", "--change=10020", "--patchset=3", "--force", "--"] == argv(
        "deploy", change="10020", patchset=3, force=True
    )
    assert ["build", "--json", "--no-push", "--"] == argv("build", push=False)
    assert ["build", "--json", "--push", "--"] == argv("build", push=True)
    assert ["deploy", "--json", "--"] == argv("deploy", force=False)
    assert ["notify", "--json", "--to=a", "--to=b", "--", "hi"] == argv(
        "notify", text="hi", to=["a", "b"]
    )
    words = argv("trigger", job="x", parameters={"A": "1=2", "B": "$C"})
    assert ["--parameter=A=1=2", "--parameter=B=$C"] == words[2:4]


def test_the_site_comes_before_the_command() -> None:
    """It is a flag of pydeploy itself."""
    assert ["--site=/x.yml", "status", "--json", "--"] == argv("status", site="/x.yml")


@pytest.mark.parametrize("nothing", [None, "", [], {}, 0])
def test_nothing_was_not_given(nothing: Any) -> None:
    """Groovy's empty defaults are no arguments."""
    assert ["deploy", "--json", "--"] == argv("deploy", ttl=nothing)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tll": "3d"}, "deploy has no argument 'tll'; did you mean 'ttl'?"),
        ({"Force": True}, "did you mean 'force'?"),
        ({"zzz": 1}, "there is site, folder, change"),
        ({"force": "yes"}, "force of deploy must be true or false, not 'yes'"),
        ({"ttl": 3}, "ttl of deploy must be a text, not 3"),
        ({"change": "1e4"}, "change of deploy must be a whole number, not '1e4'"),
        ({"change": True}, "must be a whole number"),
        ({"topic": "\ud83d"}, "topic of deploy must be a text"),
    ],
)
def test_what_is_not_in_the_table_is_refused(given: dict[str, Any], said: str) -> None:
    """By name or by type, before anything is done."""
    assert said in refusal("deploy", **given)


def test_what_a_step_needs_is_asked_for() -> None:
    """Without it the command would only show its usage."""
    assert "promote needs to" == refusal("promote", environment="10020")
    assert "remove needs environment" == refusal("remove")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "PYDEPLOY_STEP is not set"),
        ("{", "is not JSON"),
        ("[]", "must be an object"),
        ('{"step": "deplyo"}', "there is no step 'deplyo'; did you mean 'deploy'?"),
        ('{"step": ["deploy"]}', "there is no step"),
        ('{"step": "deploy", "arguments": [1]}', "must be an object"),
    ],
)
def test_what_is_no_step_is_refused(text: str | None, said: str) -> None:
    """Somebody called it by hand, or the library is of another version."""
    with pytest.raises(UsageError, match=r".") as refused:
        arguments.read(text)
    assert said in refused.value.message


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (None, ""),
        ("{", ""),
        ("3", ""),
        ('{"step": 3}', ""),
        ('{"step": "remove", "x": 1}', "remove"),
    ],
)
def test_the_name_is_read_from_anything(text: str | None, name: str) -> None:
    """A result names its step even when its arguments were refused."""
    assert name == arguments.name_of(text)


FACTS = {"environment": "10020", "change": 10020, "patchset": 3, "topic": "", "owner": "ann"}


def test_facts_fill_what_the_pipeline_did_not_say() -> None:
    """Only what the step takes, and never over an argument."""
    filled = asked("deploy", owner="bob").filled(FACTS)
    assert {"change": 10020, "patchset": 3, "owner": "bob"} == filled.arguments
    assert {"environment": "10020"} == asked("remove").filled(FACTS).arguments
    assert {"environment": "docs"} == asked("status", environment="docs").filled(FACTS).arguments
    assert {"text": "x"} == asked("notify", text="x").filled(FACTS).arguments
    assert {"change": 10020, "patchset": 3} == asked("report").filled(FACTS).arguments


def test_a_path_takes_the_place_of_a_result() -> None:
    """The command reads a file."""
    given = asked("report", change=1, result={"state": "running"})
    assert "--result=/r.json" in arguments.argv(
        arguments.with_path(given, "result", Path("/r.json"))
    )
