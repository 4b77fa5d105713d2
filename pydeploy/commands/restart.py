"""`pydeploy restart`."""

from __future__ import annotations

import click

from pydeploy import cli, console
from pydeploy.commands import options


@click.command("restart", epilog="Examples: pydeploy restart staging; pydeploy restart staging db")
@options.environment
@click.argument("service", required=False)
@options.as_json
def command(environment: str, service: str | None, as_json: bool) -> None:
    """Start the current release of ENVIRONMENT anew, beside itself: no request fails.

    Stateful services go on running; with SERVICE that one is restarted where it is, and what it
    does stands still meanwhile.
    """
    from pydeploy.deploy import promote, restart, session

    opened = session.open_session_of(cli.load_site(), environment)
    if service is None:
        options.print_outcome("restart", promote.restart(opened, environment), as_json)
        return
    away = restart.restart(opened, environment, service)
    if as_json:
        console.out_json({"environment": environment, "gaps_s": {service: away}})
    else:
        console.say(f"{service} of {environment} runs again; it was away for {away:.1f} s")
