"""`pydeploy deploy`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pydeploy import cli, console
from pydeploy.commands import options


@click.command(
    "deploy",
    epilog="Example: pydeploy deploy --change 10020 --patchset 1; pydeploy deploy --name docs",
)
@options.path
@options.change
@click.option("--name", help="An environment of this name instead of the change's own.")
@click.option("--ttl", type=options.DURATION, help="Remove it after this time, such as 3d.")
@options.data
@options.engine
@click.option("--force", is_flag=True, help="Deploy again even if this patchset runs already.")
@options.as_json
def command(
    path: Path,
    name: str | None,
    ttl: int | None,
    data: Any,
    data_from: str | None,
    engine: str | None,
    force: bool,
    as_json: bool,
    **change: Any,
) -> None:
    """Deploy the microservice at PATH (default: here) and print its URL.

    The new release starts beside the old one and takes over its name only when it is healthy
    and answers through the gateway.
    """
    from pydeploy.deploy import deploy, request, session

    site = cli.load_site()
    opened = session.open_session(site, engine)
    outcome = deploy.deploy(
        opened,
        request.Request(
            root=path.absolute(),
            name=name,
            ttl=ttl,
            data=data,
            data_from=data_from,
            force=force,
            **change,
        ),
    )
    options.print_outcome("deploy", outcome, as_json)
    if outcome.state == "completed":
        from pydeploy.deploy import logs

        log = console.safe(logs.kept(session.open_session(site, engine), outcome.environment))
        (console.say if as_json else console.out)(log.rstrip())
    options.flush_outbox(site, opened.store)
