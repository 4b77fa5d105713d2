"""`pydeploy notify`."""

from __future__ import annotations

from typing import Any

import click

from pydeploy.commands import options


@click.command("notify", epilog="Example: pydeploy notify 'Tonight the site is away' --to team")
@click.argument("text")
@click.option("--environment", metavar="NAME", help="Add its link and state.")
@click.option("--result", type=click.File(encoding="utf-8"), help="Add what this result says.")
@click.option("--to", "chats", multiple=True, metavar="CHAT", help="Only in this chat of site.yml.")
@options.as_json
def command(**given: Any) -> None:
    """Say TEXT in the team's chats, with the link of an environment or the result of a command.

    TEXT mentions nobody and links to nothing.
    """
    raise NotImplementedError
