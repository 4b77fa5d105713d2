"""`pydeploy remove`."""

from __future__ import annotations

import click

from pydeploy import cli, console
from pydeploy.commands import options


@click.command("remove", epilog="Example: pydeploy remove 10020")
@click.argument("environments", nargs=-1, required=True, metavar="ENVIRONMENT...")
@options.as_json
def command(environments: tuple[str, ...], as_json: bool) -> None:
    """Remove environments and every trace of them; prints what went and the residue.

    No error when there is nothing to remove.
    """
    from pydeploy import names
    from pydeploy.deploy import remove, session
    from pydeploy.errors import ServiceError

    site = cli.load_site()
    wanted = [
        names.environment(change=int(one)) if one.isdigit() else names.environment(name=one)
        for one in environments
    ]
    removals = [remove.remove(session.open_session(site), one) for one in wanted]
    if as_json:
        found = [one.as_dict() for one in removals]
        console.out_json(found[0] if len(found) == 1 else found)
    for removal in removals:
        if as_json:
            continue
        if removal.superseded_by:
            console.say(f"{removal.environment}: superseded by {removal.superseded_by}")
            continue
        went = ", ".join(f"{kind}: {count}" for kind, count in removal.removed.items() if count)
        console.out(
            f"{removal.environment}: removed {went or 'nothing'}; residue: {removal.residue}"
        )
    left = [thing for one in removals for thing in one.left]
    if left:
        raise ServiceError(
            f"{len(left)} things are still there: {', '.join(left[:10])}",
            service="docker",
            hint="run the same command again; `pydeploy doctor` if it stays so",
        )
