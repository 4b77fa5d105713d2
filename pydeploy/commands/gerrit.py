"""`pydeploy gerrit`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from pydeploy import cli, console
from pydeploy.commands import options

if TYPE_CHECKING:
    from pydeploy.clients.gerrit.detail import Detail
    from pydeploy.clients.gerrit.model import Gerrit, Notify

_CHANGE = click.argument("change", type=click.IntRange(min=1))


class _Label(click.ParamType[tuple[str, int]]):
    name = "label"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        form = re.fullmatch(r"([^=]+)=([+-]?\d{1,4})", str(value), re.ASCII)
        if form is None:
            self.fail(f"{value!r} is not a vote; write for example Verified=+1", param, ctx)
        return form[1], int(form[2])


@click.group("gerrit", epilog="Examples: pydeploy gerrit show 10020; pydeploy gerrit submit 10020")
def command() -> None:
    """Do Gerrit's own work on a change, by REST or by SSH."""


@command.command("query", epilog="Example: pydeploy gerrit query status:open project:docs --json")
@click.argument("query", nargs=-1, required=True)
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=25, help="At most as many.  [default: 25]"
)
@options.as_json
def query(query: tuple[str, ...], limit: int, as_json: bool) -> None:
    """List changes, as Gerrit's search finds them; a QUERY that begins with - goes behind --."""
    from pydeploy.gerrit import work

    with _opened() as gerrit:
        found = work.query(gerrit, " ".join(query), limit)
    if as_json:
        changes = [one.as_dict() for one in found.changes]
        console.out_json({"changes": changes, "is_more": found.is_more})
        return
    columns = ("CHANGE", "PATCHSET", "STATUS", "GERRIT PROJECT", "BRANCH", "OWNER", "SUBJECT")
    console.table(columns, map(_row, found.changes))
    if found.is_more:
        console.say(f"there are more than these {len(found.changes)}: --limit")


@command.command("show", epilog="Example: pydeploy gerrit show 10020 --json")
@_CHANGE
@options.as_json
def show(change: int, as_json: bool) -> None:
    """Show a change: its patchsets, who uploaded each, and the votes."""
    from pydeploy.gerrit import work

    with _opened() as gerrit:
        found = work.show(gerrit, change)
    if as_json:
        console.out_json(found.as_dict())
        return
    console.out(console.shown("\n".join(_lines(found))))


@command.command(
    "review", epilog="Example: pydeploy gerrit review 10020 --label Code-Review=+1 --message Fine"
)
@_CHANGE
@click.option("--patchset", type=click.IntRange(min=1), help="Else the current one.")
@click.option("--message", default="", metavar="TEXT", help="What to say.")
@click.option(
    "--label", "labels", type=_Label(), multiple=True, metavar="LABEL=VOTE", help="A vote."
)
@click.option(
    "--notify",
    type=click.Choice(["NONE", "OWNER", "OWNER_REVIEWERS", "ALL"]),
    default="OWNER",
    help="Who gets mail.  [default: OWNER]",
)
@options.as_json
def review(
    change: int,
    patchset: int | None,
    message: str,
    labels: tuple[tuple[str, int], ...],
    notify: Notify,
    as_json: bool,
) -> None:
    """Say something of a change, and vote; after a vote it looks whether Gerrit took it."""
    from pydeploy.clients.gerrit.model import Review
    from pydeploy.errors import UsageError
    from pydeploy.gerrit import work

    if not (message or labels):
        raise UsageError("there is nothing to say", hint="pass --message or --label")
    said = Review(message=message, labels=dict(labels), notify=notify)
    with _opened() as gerrit:
        on, taken = work.review(gerrit, change, patchset, said)
    if as_json:
        console.out_json({"change": change, "patchset": on, "labels": taken})
        return
    votes = "".join(f", {label} {vote:+d}" for label, vote in taken.items())
    console.say(f"change {change}, patchset {on}: told{votes}")


@command.command("abandon", epilog="Example: pydeploy gerrit abandon 10020 --message Obsolete")
@_CHANGE
@click.option("--message", default="", metavar="TEXT", help="Why.")
@options.as_json
def abandon(change: int, message: str, as_json: bool) -> None:
    """Abandon a change."""
    from pydeploy.gerrit import work

    with _opened() as gerrit:
        _print(change, work.abandon(gerrit, change, message), as_json)


@command.command("rebase", epilog="Example: pydeploy gerrit rebase 10020")
@_CHANGE
@click.option(
    "--onto", type=click.IntRange(min=1), metavar="CHANGE", help="This change; by REST only."
)
@options.as_json
def rebase(change: int, onto: int | None, as_json: bool) -> None:
    """Rebase a change onto its branch, which gives it a new patchset."""
    from pydeploy.gerrit import work

    with _opened() as gerrit:
        _print(change, work.rebase(gerrit, change, onto), as_json)


@command.command("submit", epilog="Example: pydeploy gerrit submit 10020")
@_CHANGE
@options.as_json
def submit(change: int, as_json: bool) -> None:
    """Submit a change, if Gerrit finds it ready."""
    from pydeploy.gerrit import work

    with _opened() as gerrit:
        _print(change, work.submit(gerrit, change), as_json)


@contextmanager
def _opened() -> Iterator[Gerrit]:
    from pydeploy.clients.gerrit import door

    site = cli.load_site()
    with console.hiding(door.secrets()):
        yield door.opened(site.gerrit)


def _print(number: int, found: Detail | None, as_json: bool) -> None:
    """The change afterwards; only its number where that could not be seen."""
    if as_json:
        console.out_json(found.as_dict() if found else {"number": number})
    elif found:
        console.say(f"change {number} is {found.status}, patchset {found.patchset}")
    else:
        console.say(f"change {number}: done")


def _row(one: Detail) -> tuple[str, ...]:
    where = (one.gerrit_project, one.branch, one.owner.shown)
    return (str(one.number), str(one.patchset), one.status, *where, one.subject)


def _lines(one: Detail) -> Iterator[str]:
    yield f"{one.number}: {one.subject}"
    yield f"{one.status}, {one.gerrit_project}, branch {one.branch}" + (
        f", topic {one.topic}" if one.topic else ""
    )
    yield f"owner {one.owner.shown}"
    for patchset in one.patchsets:
        mark = " (current)" if patchset.number == one.patchset else ""
        yield (
            f"patchset {patchset.number}{mark}: {patchset.revision}, "
            f"uploaded by {patchset.uploader.shown}"
        )
    for vote in one.approvals:
        yield f"{vote.label} {vote.value:+d} by {vote.by.shown}"
    if one.url:
        yield one.url
