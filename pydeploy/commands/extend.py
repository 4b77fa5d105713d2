"""`pydeploy extend`."""

from __future__ import annotations

import click

from pydeploy import cli, console
from pydeploy.commands import options


@click.command("extend", epilog="Example: pydeploy extend 10020 2d")
@options.environment
@click.argument("duration", type=options.DURATION, required=False)
@click.option("--never", is_flag=True, help="It does not end by itself; not for changes.")
@click.option("--exact", is_flag=True, help="Even if it would have lived longer.")
@options.as_json
def command(
    environment: str, duration: int | None, never: bool, exact: bool, as_json: bool
) -> None:
    """Let ENVIRONMENT live DURATION from now, such as 2d, at most as long as the site allows."""
    from pydeploy.deploy import extend, session
    from pydeploy.errors import UsageError

    if never == (duration is not None):
        raise UsageError("either DURATION or --never", hint="pydeploy extend NAME 2d")
    opened = session.open_session(cli.load_site())
    record = extend.extend(opened, environment, duration, may_shorten=exact or never)
    if as_json:
        console.out_json({"environment": environment, "expires": record.expires})
    else:
        console.out(f"{environment} stays until {record.expires or 'it is removed'}")
