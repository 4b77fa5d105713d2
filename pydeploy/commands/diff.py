"""`pydeploy diff`."""

from __future__ import annotations

import click

from pydeploy import cli, console
from pydeploy.commands import options


@click.command("diff", epilog="Example: pydeploy diff staging staging-10020-3 staging-10021-1")
@options.environment
@click.argument("first", metavar="R1")
@click.argument("second", metavar="R2")
@options.as_json
def command(environment: str, first: str, second: str, as_json: bool) -> None:
    """Show in what two releases of ENVIRONMENT differ: facts, digests, labels, compose model."""
    from pydeploy.deploy import releases, session

    found = releases.diff(session.open_session(cli.load_site()), environment, first, second)
    if as_json:
        console.out_json(found.as_dict())
        return
    for name, (before, after) in found.facts.items():
        console.out(console.safe(f"{name}: {before or '(none)'} -> {after or '(none)'}"))
    for line in found.model:
        console.out(console.safe(line))
    if not found.facts and not found.model:
        console.say("they are the same")
