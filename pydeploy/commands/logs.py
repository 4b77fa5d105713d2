"""`pydeploy logs`."""

from __future__ import annotations

import click

from pydeploy import cli, console
from pydeploy.commands import options


@click.command("logs", epilog="Example: pydeploy logs 10020 web --tail 50 --follow")
@options.environment
@click.argument("service", required=False)
@click.option("--tail", type=click.IntRange(min=1), default=200, help="How many lines (200).")
@click.option("--follow", "-f", is_flag=True, help="Go on as lines come; needs one SERVICE.")
@options.as_json
def command(environment: str, service: str | None, tail: int, follow: bool, as_json: bool) -> None:
    """Print the logs of ENVIRONMENT, or of one SERVICE of it.

    A completed one-shot's log was kept with its record.
    """
    from pydeploy.deploy import logs, session
    from pydeploy.errors import UsageError

    if follow and service is None:
        raise UsageError("--follow needs one SERVICE", hint="pydeploy logs ENVIRONMENT SERVICE -f")
    opened = session.open_session(cli.load_site())
    found = logs.lines(opened, environment, service, tail=tail, follow=follow and not as_json)
    if as_json:
        console.out_json({"environment": environment, "service": service, "lines": list(found)})
        return
    for line in found:
        console.out(console.safe(line))
