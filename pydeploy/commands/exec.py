"""`pydeploy exec`."""

from __future__ import annotations

import sys

import click

from pydeploy import cli
from pydeploy.commands import options


@click.command(
    "exec",
    context_settings={"allow_interspersed_args": False},
    epilog="Example: pydeploy exec staging db -- psql -U app",
)
@click.option("--user", metavar="USER", help="Run as this user of the container.")
@options.environment
@click.argument("service")
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="COMMAND...")
def command(environment: str, service: str, user: str | None, argv: tuple[str, ...]) -> None:
    """Run COMMAND in the container of a SERVICE; the exit code is the command's.

    It gets the terminal if there is one, else stdin as it comes. Options of pydeploy stand before
    ENVIRONMENT; what follows SERVICE is the command's, after a `--` if you like.
    """
    from pydeploy.deploy import exec as executing
    from pydeploy.deploy import session
    from pydeploy.errors import UsageError

    words = argv[1:] if argv[:1] == ("--",) else argv
    if not words:
        raise UsageError("COMMAND is missing", hint=f"pydeploy exec {environment} {service} sh")
    opened = session.open_session_of(cli.load_site(), environment)
    has_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    code = executing.run(opened, environment, service, words, user=user, has_terminal=has_terminal)
    click.get_current_context().exit(code)
