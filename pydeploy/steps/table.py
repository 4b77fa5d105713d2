"""Every argument of every step: which flag of the ordinary command it is, and of which type.

Names are those of Groovy.  vars/ keeps the same names with their defaults, and
tests/unit/steps/test_table.py holds both, and the commands' flags, together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "number", "switch", "texts", "pairs", "result"]


@dataclass(frozen=True, kw_only=True)
class Argument:
    """`flag` is empty for an argument by position; `off` is what a switch says when false.

    A `result` is what an earlier step gave back; the command gets the path of its JSON.
    """

    flag: str = ""
    kind: Kind = "text"
    off: str = ""


@dataclass(frozen=True, kw_only=True)
class Step:
    """`change` says what the step is told of the change when the pipeline does not say it.

    `flags`: each fact is a flag. `environment`: its number is the environment.
    """

    command: str
    arguments: dict[str, Argument]
    change: Literal["", "flags", "environment"] = ""
    needs: tuple[str, ...] = ()


def _text(flag: str) -> Argument:
    return Argument(flag=flag)


_FOLDER = {"folder": Argument()}
_ENVIRONMENT = {"environment": Argument()}
_PLACE = {"gerritProject": _text("--gerrit-project"), "branch": _text("--branch")}
_ENGINE = {"engine": _text("--engine")}
_DATA = {"data": _text("--data"), "dataFrom": _text("--data-from")}
_RESULT = {"result": Argument(flag="--result", kind="result")}
CHANGE = {
    "change": Argument(flag="--change", kind="number"),
    "patchset": Argument(flag="--patchset", kind="number"),
    "revision": _text("--revision"),
    **_PLACE,
    "topic": _text("--topic"),
    "owner": _text("--owner"),
}
# What every step takes: it comes before the command.
COMMON = {"site": _text("--site")}

STEPS = {
    "check": Step(
        command="check",
        change="flags",
        arguments={**_FOLDER, "change": CHANGE["change"], "patchset": CHANGE["patchset"], **_PLACE},
    ),
    "build": Step(
        command="build",
        change="flags",
        arguments={
            **_FOLDER,
            **CHANGE,
            "push": Argument(flag="--push", kind="switch", off="--no-push"),
            **_ENGINE,
        },
    ),
    "deploy": Step(
        command="deploy",
        change="flags",
        arguments={
            **_FOLDER,
            **CHANGE,
            "name": _text("--name"),
            "ttl": _text("--ttl"),
            **_DATA,
            **_ENGINE,
            "force": Argument(flag="--force", kind="switch"),
        },
    ),
    "promote": Step(
        command="promote",
        change="environment",
        needs=("environment", "to"),
        arguments={
            **_ENVIRONMENT,
            "to": _text("--to"),
            "release": _text("--release"),
            **_DATA,
            **_ENGINE,
        },
    ),
    "remove": Step(
        command="remove",
        change="environment",
        needs=("environment",),
        arguments={
            **_ENVIRONMENT,
            "purgeData": Argument(flag="--purge-data", kind="switch"),
        },
    ),
    "status": Step(command="status", change="environment", arguments=_ENVIRONMENT),
    "report": Step(
        command="report",
        change="flags",
        needs=("change",),
        arguments={
            **{name: CHANGE[name] for name in ("change", "patchset", "revision")},
            "phase": _text("--phase"),
            **_RESULT,
            "failing": _text("--failing"),
            "environment": _text("--environment"),
            "message": _text("--message"),
            "vote": _text("--vote"),
            "dryRun": Argument(flag="--dry-run", kind="switch"),
        },
    ),
    "notify": Step(
        command="notify",
        needs=("text",),
        arguments={
            "text": Argument(),
            "environment": _text("--environment"),
            **_RESULT,
            "to": Argument(flag="--to", kind="texts"),
        },
    ),
    "trigger": Step(
        command="trigger",
        needs=("job",),
        arguments={
            "job": Argument(),
            "parameters": Argument(flag="--parameter", kind="pairs"),
            "parametersFrom": Argument(flag="--parameter-from", kind="pairs"),
            "files": Argument(flag="--file", kind="pairs"),
            "wait": Argument(flag="--wait", kind="switch"),
            "follow": Argument(flag="--follow", kind="switch"),
            "timeout": _text("--timeout"),
            "idempotencyKey": _text("--idempotency-key"),
            "stopOnInterrupt": Argument(flag="--stop-on-interrupt", kind="switch"),
        },
    ),
}
