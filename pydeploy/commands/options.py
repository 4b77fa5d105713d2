"""Flags that several commands share, so that they read and mean the same everywhere."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pydeploy import durations

if TYPE_CHECKING:
    from pydeploy.config.site import Site
    from pydeploy.deploy.request import Outcome
    from pydeploy.gerrit.origin import Origin
    from pydeploy.state.store import Store

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


@contextmanager
def named(step: str, as_json: bool) -> Iterator[None]:
    """A failure in the block says in its JSON which command it was: a report has to know."""
    from pydeploy import console
    from pydeploy.errors import Interrupted, PydeployError

    try:
        yield
    except (PydeployError, Interrupted) as failure:
        if as_json and not failure.is_printed:
            console.out_json({"step": step, "error": failure.as_dict()})
            failure.is_printed = True
        raise


def print_outcome(step: str, found: Outcome, as_json: bool) -> None:
    """What came of bringing up a release: its URL, or why there is none."""
    from pydeploy import console

    if as_json:
        console.out_json({"step": step, **found.as_dict()})
    elif found.url:
        console.out(found.url)
    elif found.state == "superseded":
        console.say(f"nothing was deployed; what runs: `pydeploy status {found.environment}`")
    else:
        console.say(f"{found.environment} is {found.state}")


def flush_outbox(site: Site, opened: Store) -> None:
    """What waits for Gerrit or a chat goes out at the end of a command that used etcd anyway."""
    if not (site.chat or site.gerrit.is_configured):
        return
    from pydeploy.reporters import outbox

    outbox.flush_quietly(site, opened)


def data(function: Function) -> Function:
    """What happens to named volumes."""
    flags = [
        click.option(
            "--data",
            type=click.Choice(["keep", "fresh"]),
            help="Keep volumes across releases, or fresh ones for each.",
        ),
        click.option("--data-from", metavar="NAME", help="Fill new volumes with the data of NAME."),
    ]
    return functools.reduce(lambda wrapped, flag: flag(wrapped), reversed(flags), function)


def asked_of_gerrit(
    root: Path, change: dict[str, Any], *, site: Site, is_built: bool
) -> Origin | None:
    """What Gerrit says of the flags of `change`; None where they count as they are."""
    if change["change"] is None:
        return None
    from pydeploy.gerrit import origin
    from pydeploy.repository import git

    found = git.revision(root)
    return origin.ask(
        site,
        origin.Claim(
            change=change["change"],
            patchset=change["patchset"],
            wanted=change["revision"] or "",
            revision=found.name,
            is_dirty=found.is_dirty,
            gerrit_project=change["gerrit_project"] or "",
            branch=change["branch"] or "",
        ),
        is_built=is_built,
    )


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
