"""What is wrong with the values for a job's parameters, said before Jenkins is asked.

Jenkins itself ignores what a job does not define, takes every word but `true` for false, and
answers an unknown choice with a stack trace.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydeploy.clients.jenkins import TRIGGER_TOKEN
from pydeploy.errors import UsageError
from pydeploy.jenkins.values import Job, Parameter, Request


def check(job: Job, request: Request, *, has_trigger_token: bool) -> None:
    """UsageError for the first thing that this job would not take as it is meant."""
    known = {one.name: one for one in job.parameters}
    both = sorted(request.parameters.keys() & request.files.keys())
    if both:
        raise UsageError(f"parameter {both[0]!r} has a value and a file", hint="give one of them")
    for name in (*request.parameters, *request.files):
        if name not in known:
            raise UsageError(f"{job.name} has no parameter {name!r}", hint=_known(name, known))
    for name, value in request.parameters.items():
        _check_value(known[name], value)
    for name in request.files:
        if not known[name].is_file:
            raise UsageError(
                f"parameter {name!r} of {job.name} is no file", hint=f"-p {name}=VALUE"
            )
    if has_trigger_token and TRIGGER_TOKEN in known:
        raise UsageError(
            f"{job.name} has a parameter {TRIGGER_TOKEN!r}, which would get the trigger token",
            hint="rename the parameter, or unset PYDEPLOY_JENKINS_TRIGGER_TOKEN and use an account",
        )


def _check_value(parameter: Parameter, value: str) -> None:
    name = parameter.name
    if parameter.is_file:
        raise UsageError(f"parameter {name!r} is a file", hint=f"-f {name}=FILE")
    if parameter.choices and value not in parameter.choices:
        close = difflib.get_close_matches(value, parameter.choices, n=1)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        raise UsageError(
            f"parameter {name!r} does not take {value!r}{meant}",
            hint=f"it takes: {_list(parameter.choices)}",
        )
    if parameter.is_boolean and value not in ("true", "false"):
        raise UsageError(f"parameter {name!r} does not take {value!r}", hint="true or false")


def _known(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean {close[0]!r}? " if close else ""
    return f"{meant}it has: {_list(known)}" if known else "it has none"


def _list(words: Iterable[str]) -> str:
    found = list(words)
    return ", ".join(found[:30]) + (", ..." if len(found) > 30 else "")


def pairs(words: Iterable[str], form: str) -> dict[str, str]:
    """`KEY=VALUE` words as a mapping; `form` is how they are written."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals):  # the word is not repeated: it may be a secret
            raise UsageError("a parameter has no name, or no `=`", hint=f"write {form}")
        if name in found:
            raise UsageError(f"parameter {name!r} is given twice", hint="give it once")
        found[name] = value
    return found


def merged(shown: Mapping[str, str], hidden: Mapping[str, str]) -> dict[str, str]:
    """Both; no parameter may be in both."""
    both = sorted(shown.keys() & hidden.keys())
    if both:
        raise UsageError(f"parameter {both[0]!r} is given twice", hint="give it once")
    return {**shown, **hidden}


def from_variables(words: Iterable[str], env_vars: Mapping[str, str]) -> dict[str, str]:
    """The values of `KEY=VARIABLE` words: so a secret is in no command line."""
    found = {}
    for name, variable in pairs(words, "-e KEY=VARIABLE").items():
        if variable not in env_vars:
            raise UsageError(f"parameter {name!r}: ${variable} is not set", hint="export it")
        found[name] = env_vars[variable]
    return found


def files(words: Iterable[str]) -> dict[str, tuple[str, bytes]]:
    """The names and contents of `KEY=FILE` words."""
    found = {}
    for name, path in pairs(words, "-f KEY=FILE").items():
        try:
            found[name] = (Path(path).name, Path(path).read_bytes())
        except OSError as problem:
            raise UsageError(
                f"parameter {name!r}: {path} cannot be read: {problem.strerror}",
                hint="name a file that this user may read",
            ) from problem
    return found
