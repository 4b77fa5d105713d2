"""`pydeploy releases`."""

from __future__ import annotations

from typing import Any

import click

from pydeploy import cli, console
from pydeploy.commands import options


@click.command("releases", epilog="Example: pydeploy releases staging")
@options.environment
@options.as_json
def command(environment: str, as_json: bool) -> None:
    """List the releases that ENVIRONMENT knows, the newest first: those it can go back to."""
    from pydeploy.deploy import releases, session

    found = releases.describe(session.open_session(cli.load_site()), environment)
    if as_json:
        console.out_json(found)
        return
    console.table(
        ("", "RELEASE", "CHANGE", "REVISION", "FROM", "ENGINE", "AGE", "IMAGES"),
        [_row(one) for one in found],
    )


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    from pydeploy.deploy import overview

    change, origin = one["change"], one["origin"]
    where = f" {origin['release']}" if origin["release"] else ""
    return (
        "*" if one["is_current"] else "",
        one["release"],
        f"{change['number']}/{change['patchset']}" if change else "",
        one["revision"][:12],
        f"{origin['action']}{where}",
        one["engine"],
        overview.age(one["created"]),
        ", ".join(f"{image['service']} {image['digest'][:19]}" for image in one["images"]),
    )
