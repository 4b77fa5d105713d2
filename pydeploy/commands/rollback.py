"""`pydeploy rollback`."""

from __future__ import annotations

import click

from pydeploy import cli
from pydeploy.commands import options


@click.command("rollback", epilog="Example: pydeploy rollback staging --to staging-10020-3")
@options.environment
@click.option("--to", metavar="RELEASE", help="This release (else the one before).")
@options.as_json
def command(environment: str, to: str | None, as_json: bool) -> None:
    """Go back to an earlier release of ENVIRONMENT, in one switch.

    `pydeploy releases ENVIRONMENT` lists them. Kept data stays as it is.
    """
    from pydeploy.deploy import promote, session

    opened = session.open_session_of(cli.load_site(), environment)
    with options.named("rollback", as_json):
        found = promote.rollback(opened, environment, to)
    options.print_outcome("rollback", found, as_json)
