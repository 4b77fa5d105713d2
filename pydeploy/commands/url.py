"""`pydeploy url`."""

from __future__ import annotations

import click

from pydeploy import cli, console
from pydeploy.commands import options


@click.command("url", epilog="Example: curl $(pydeploy url 10020)")
@options.environment
@click.argument("service", required=False)
@options.as_json
def command(environment: str, service: str | None, as_json: bool) -> None:
    """Print the URL of ENVIRONMENT, or of a further SERVICE of it."""
    from pydeploy.deploy import logs, session
    from pydeploy.errors import UsageError

    record = logs.existing(session.open_session(cli.load_site()), environment)
    url = record.urls.get(service) if service else record.url
    if url is None:
        has = ", ".join(record.urls) or "no service with a URL"
        raise UsageError(
            f"environment {environment} has no URL{f' for {service!r}' if service else ''}",
            hint=f"it has: {has}; `pydeploy status {environment}` shows its ports",
        )
    if as_json:
        console.out_json({"environment": environment, "url": url, "urls": record.urls})
    else:
        console.out(url)
