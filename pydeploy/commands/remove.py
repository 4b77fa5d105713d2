"""`pydeploy remove`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pydeploy import cli, console
from pydeploy.commands import options

if TYPE_CHECKING:
    from pydeploy.deploy.remove import Removal
    from pydeploy.errors import PydeployError


@click.command("remove", epilog="Example: pydeploy remove 10020")
@click.argument("environments", nargs=-1, required=True, metavar="ENVIRONMENT...")
@options.as_json
def command(environments: tuple[str, ...], as_json: bool) -> None:
    """Remove environments and every trace of them; prints what went and the residue.

    No error when there is nothing to remove.
    """
    from pydeploy import names
    from pydeploy.deploy import remove, session

    site = cli.load_site()
    wanted = [
        names.environment(change=int(one) if one.isascii() and one.isdigit() else None, name=one)
        for one in environments
    ]
    removals = [remove.remove(session.open_session(site), one) for one in wanted]
    failures = [_failure(one) for one in removals if one.left]
    if as_json:
        found = [_result(one) for one in removals]
        console.out_json(found[0] if len(found) == 1 else found)
    else:
        _print(removals)
    for failure in failures:
        failure.is_printed = as_json
        raise failure


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
        console.out(
            f"{removal.environment}: removed {went or 'nothing'}; residue: {removal.residue}"
        )
