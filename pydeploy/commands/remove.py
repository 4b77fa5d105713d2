"""`pydeploy remove`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from pydeploy import cli, console
from pydeploy.commands import options

if TYPE_CHECKING:
    from pydeploy.deploy.remove import Removal
    from pydeploy.errors import PydeployError


@click.command("remove", epilog="Example: pydeploy remove 10020")
@click.argument("environments", nargs=-1, required=True, metavar="ENVIRONMENT...")
@click.option("--purge-data", is_flag=True, help="Also the data that an environment keeps.")
@options.as_json
def command(environments: tuple[str, ...], purge_data: bool, as_json: bool) -> None:
    """Remove environments and every trace of them; prints what went and the residue.

    No error when there is nothing to remove. Kept data of a named environment goes only with
    --purge-data, or when a person says yes at a terminal.
    """
    from pydeploy import names
    from pydeploy.deploy import remove, session

    site = cli.load_site()
    wanted = [
        names.environment(change=int(one) if one.isascii() and one.isdigit() else None, name=one)
        for one in environments
    ]
    opened = session.open_session(site)
    purges = {one: purge_data or _may_purge(remove.data_at_stake(opened, one)) for one in wanted}
    removals = [
        remove.remove(session.open_session(site), one, purge_data=purges[one]) for one in wanted
    ]
    failures = [_failure(one) for one in removals if one.left]
    if as_json:
        found = [_result(one) for one in removals]
        console.out_json(found[0] if len(found) == 1 else found)
    else:
        _print(removals)
    options.flush_outbox(site, opened.store)
    for failure in failures:
        failure.is_printed = as_json
        raise failure


def _may_purge(volumes: list[str]) -> bool:
    """Asks a person; nobody else can say yes here."""
    if not volumes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    return click.confirm(f"delete the data in {', '.join(volumes)} for ever?", err=True)


def _failure(removal: Removal) -> PydeployError:
    from pydeploy.errors import ServiceError

    return ServiceError(
        f"{removal.environment}: {removal.residue} things are still there: "
        f"{', '.join(removal.left[:10])}",
        service="docker",
        hint="run the same command again; `pydeploy doctor` if it stays so",
    )


def _result(removal: Removal) -> dict[str, Any]:
    value = removal.as_dict()
    return {**value, "error": _failure(removal).as_dict()} if removal.left else value


def _print(removals: list[Removal]) -> None:
    for removal in removals:
        if removal.superseded_by:
            console.say(f"{removal.environment}: superseded by {removal.superseded_by}")
            continue
        went = ", ".join(f"{kind}: {count}" for kind, count in removal.removed.items() if count)
        if removal.backup:
            console.say(f"{removal.environment}: its last backup is {removal.backup}")
        console.out(
            f"{removal.environment}: removed {went or 'nothing'}; residue: {removal.residue}"
        )
