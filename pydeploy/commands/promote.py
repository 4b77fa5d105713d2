"""`pydeploy promote`."""

from __future__ import annotations

from typing import Any

import click

from pydeploy import cli
from pydeploy.commands import options


@click.command("promote", epilog="Example: pydeploy promote 10020 --to staging")
@options.environment
@click.option("--to", "target", required=True, metavar="NAME", help="The environment to go to.")
@click.option("--release", metavar="RELEASE", help="This release instead of the one that runs.")
@options.data
@options.engine
@options.as_json
def command(
    environment: str,
    target: str,
    release: str | None,
    data: Any,
    data_from: str | None,
    engine: str | None,
    as_json: bool,
) -> None:
    """Run what ENVIRONMENT runs in another environment: the same digests, nothing is built.

    No checkout is needed; the engine may be one that shares nothing but the registry.
    """
    from pydeploy import names
    from pydeploy.deploy import promote, session

    wanted = names.environment(name=target, change=int(target) if target.isdigit() else None)
    site = cli.load_site()
    opened = session.open_session(site, engine) if engine else session.open_session_of(site, wanted)
    with options.named("promote", as_json):
        found = promote.promote(
            opened,
            environment,
            wanted,
            release=release,
            data=data,
            data_from=data_from,
        )
    options.print_outcome("promote", found, as_json)
    options.flush_outbox(site, opened.store)
