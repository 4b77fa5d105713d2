"""`pydeploy exec`."""

from __future__ import annotations

import sys

import click

from pydeploy import cli
from pydeploy.commands import options


@click.command(
    "exec",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    epilog="Example: pydeploy exec staging db -- psql -U app",
)
@options.environment
@click.argument("service")
@click.option("--user", metavar="USER", help="Run as this user of the container.")
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND...")
def command(environment: str, service: str, user: str | None, argv: tuple[str, ...]) -> None:
    """Run COMMAND in the container of a SERVICE; the exit code is the command's.

    It gets the terminal if there is one, else stdin as it comes. Options of pydeploy stand before
    ENVIRONMENT.
    """
    from pydeploy.clients import docker_cli, shell
    from pydeploy.deploy import containers, session
    from pydeploy.state import audit

    opened = session.open_session_of(cli.load_site(), environment)
    container = containers.running(opened, environment, service)
    words = argv[1:] if argv[0] == "--" else argv
    has_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    # Only the program: what follows may be a password.
    audit.record(opened.store, "exec", environment, "begun", service=service, program=words[0])
    run = docker_cli.execute(container, words, is_fed=True, has_terminal=has_terminal, user=user)
    code = shell.hand_over(run, env_vars=shell.scrubbed(opened.engine.env_vars()))
    click.get_current_context().exit(code)
