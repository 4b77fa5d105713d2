"""From a step's JSON to the command line of the ordinary command."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydeploy.errors import UsageError
from pydeploy.steps.table import CHANGE, COMMON, STEPS, Argument, Step

VARIABLE = "PYDEPLOY_STEP"
_SAYS = {
    "text": "a text",
    "number": "a whole number",
    "switch": "true or false",
    "texts": "a list of texts",
    "pairs": "a map of texts",
    "result": "what another step gave back",
}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a pipeline asks for: each argument that it gave, by its name in Groovy."""

    name: str
    arguments: Mapping[str, Any]

    @property
    def step(self) -> Step:
        return STEPS[self.name]

    @property
    def folder(self) -> Path:
        """Where the microservice is, or might be."""
        return Path(self.arguments.get("folder", "."))

    @property
    def about(self) -> dict[str, str]:
        """Which environment, or folder, it is of: a result says that also where it failed."""
        if self.name in ("check", "build"):
            return {"folder": str(self.folder)}
        names = {"deploy": ("name", "change"), "promote": ("to",), "remove": ("environment",)}
        given = [self.arguments.get(name) for name in names.get(self.name, ())]
        found = next((str(one) for one in given if one), "")
        return {"environment": found} if found else {}

    def filled(self, facts: Mapping[str, Any]) -> Asked:
        """With what is known of the change where the pipeline did not say it."""
        names = {"": set(), "environment": {"environment"}, "flags": {*CHANGE}}[self.step.change]
        known = {
            name: value
            for name, value in facts.items()
            if value not in (None, "") and name in names & self.step.arguments.keys()
        }
        return Asked(name=self.name, arguments={**known, **self.arguments})


def read(text: str | None) -> Asked:
    """The step and its arguments; UsageError for everything that is not as the table has it.

    An argument that is null, zero, empty text or an empty list or map was not given.
    """
    if not text:
        raise UsageError(
            f"{VARIABLE} is not set",
            hint="the steps of vars/ set it; by hand, call the ordinary command",
        )
    try:
        value = json.loads(text)
    except ValueError as problem:
        raise UsageError(f"{VARIABLE} is not JSON: {problem}") from problem
    if not isinstance(value, dict):
        raise UsageError(f"{VARIABLE} must be an object")
    name, given = value.get("step"), value.get("arguments") or {}
    if not isinstance(name, str) or name not in STEPS:
        raise UsageError(f"there is no step {name!r}{meant(str(name), STEPS)}")
    if not isinstance(given, dict):
        raise UsageError(f"the arguments of {name} must be an object")
    known = {**COMMON, **STEPS[name].arguments}
    return Asked(
        name=name,
        arguments={
            key: _checked(name, key, one, known)
            for key, one in given.items()
            if one is not None and one not in ("", [], {}) and not _is_zero(one)
        },
    )


def name_of(text: str | None) -> str:
    """The step's name, whatever else is wrong; empty when there is none."""
    try:
        name = json.loads(text or "null")["step"]
    except (ValueError, TypeError, KeyError):
        return ""
    return name if isinstance(name, str) else ""


def meant(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'ttl'?`, or what there is."""
    names = list(known)
    close = difflib.get_close_matches(word, names, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there is {', '.join(names)}"


def _is_zero(value: Any) -> bool:
    """A number that counts nothing; false is one to Python, too, but a switch that is off."""
    return not isinstance(value, bool) and value == 0


def _checked(step: str, key: str, value: Any, known: Mapping[str, Argument]) -> Any:
    if key not in known:
        raise UsageError(f"{step} has no argument {key!r}{meant(key, known)}")
    kind = known[key].kind
    if kind == "number" and isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)  # a build's parameters are texts
    if not _is_of(kind, value):
        raise UsageError(f"{key} of {step} must be {_SAYS[kind]}, not {value!r}")
    return value


def _is_of(kind: str, value: Any) -> bool:
    if kind == "number":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "switch":
        return isinstance(value, bool)
    if kind == "texts":
        return isinstance(value, list) and all(_is_text(one) for one in value)
    if kind == "pairs":
        return isinstance(value, dict) and all(map(_is_text, [*value, *value.values()]))
    if kind == "result":
        return isinstance(value, dict)
    return _is_text(value)


def _is_text(value: Any) -> bool:
    """Text that UTF-8 can hold: JSON may carry half a surrogate pair, and etcd refuses it."""
    return isinstance(value, str) and not any("\ud800" <= one <= "\udfff" for one in value)


def with_path(asked: Asked, name: str, path: Path) -> Asked:
    """With `path` as the argument `name`."""
    return Asked(name=asked.name, arguments={**asked.arguments, name: str(path)})


def argv(asked: Asked) -> list[str]:
    """The ordinary command line.  A value is one word with its flag, so it is never a flag."""
    for name in asked.step.needs:
        if name not in asked.arguments:
            raise UsageError(f"{asked.name} needs {name}", hint=f"give {name}{_else(name)}")
    before = _words(COMMON, asked.arguments)
    flags = _words(asked.step.arguments, asked.arguments)
    by_position = [
        str(asked.arguments[name])
        for name, argument in asked.step.arguments.items()
        if not argument.flag and name in asked.arguments
    ]
    return [*before, asked.step.command, "--json", *flags, "--", *by_position]


def _else(name: str) -> str:
    """Where else it could have come from."""
    if name == "change":
        return "; only in a build of a change it is known, and elsewhere there is nothing to report"
    return "; only in a build of a change it is known" if name == "environment" else ""


def _words(known: Mapping[str, Argument], given: Mapping[str, Any]) -> list[str]:
    return [
        word
        for name, argument in known.items()
        if argument.flag and name in given
        for word in _flag(argument, given[name])
    ]


def _flag(argument: Argument, value: Any) -> list[str]:
    if argument.kind == "switch":
        word = argument.flag if value else argument.off
        return [word] if word else []
    if argument.kind == "texts":
        return [f"{argument.flag}={one}" for one in value]
    if argument.kind == "pairs":
        return [f"{argument.flag}={key}={one}" for key, one in value.items()]
    return [f"{argument.flag}={value}"]
