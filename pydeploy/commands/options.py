"""Flags that several commands share, so that they read and mean the same everywhere."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pydeploy import durations

Function = Callable[..., Any]


class _Duration(click.ParamType[int]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return durations.parse(value)
        except ValueError as problem:
            self.fail(str(problem), param, ctx)


class _Revision(click.ParamType[str]):
    name = "sha"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch(r"[0-9a-f]{7,64}", str(value)):
            self.fail(f"{value!r} is not a revision (7 to 64 hexadecimal digits)", param, ctx)
        return str(value)


DURATION = _Duration()
REVISION = _Revision()

path = click.argument(
    "path", type=click.Path(exists=True, file_okay=False, path_type=Path), default="."
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
engine = click.option("--engine", metavar="NAME", help="The engine of site.yml (else its default).")
environment = click.argument("environment")


def change(function: Function) -> Function:
    """What Gerrit says of the change; each flag is one field, unchanged."""
    flags = [
        click.option("--change", type=click.IntRange(min=1), help="Number of the change."),
        click.option("--patchset", type=click.IntRange(min=1), help="Number of the patchset."),
        click.option("--revision", type=REVISION, help="Commit (else what git says)."),
        click.option("--gerrit-project", default="", help="Gerrit's name of the repository."),
        click.option("--branch", default="", help="Branch the change is for."),
        click.option("--topic", default="", help="Topic of the change."),
        click.option("--owner", default="", help="Owner of the change."),
    ]
    return functools.reduce(lambda wrapped, flag: flag(wrapped), reversed(flags), function)
