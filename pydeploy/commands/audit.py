"""`pydeploy audit`."""

from __future__ import annotations

from typing import Any

import click

from pydeploy import cli, console
from pydeploy.commands import options

_SHOWN = ("time", "who", "action", "environment", "result")


@click.command("audit", epilog="Example: pydeploy audit staging --since 2d --action promote")
@click.argument("environment", required=False)
@click.option("--since", type=options.DURATION, help="Not older than this, such as 2d.")
@click.option("--action", help="Only this: deploy, promote, remove, exec, ...")
@click.option("--who", help="Only of those whose name contains this.")
@click.option("--limit", type=click.IntRange(min=1), default=50, help="How many (50).")
@options.as_json
def command(
    environment: str | None,
    since: int | None,
    action: str | None,
    who: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Show who did what, to which environment, with which result; the newest first."""
    from pydeploy.state import audit, store

    wanted = audit.Filter(environment=environment, since=since, action=action, who=who)
    found = audit.read(store.connect(cli.load_site()), wanted, limit=limit)
    if as_json:
        console.out_json(found)
        return
    console.table(
        ("TIME", "WHO", "ACTION", "ENVIRONMENT", "RESULT", "DETAILS"), [_row(one) for one in found]
    )


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    details = {key: value for key, value in one.items() if key not in _SHOWN and value}
    return (
        *(str(one.get(key, "")) for key in _SHOWN),
        ", ".join(f"{key}: {_short(value)}" for key, value in details.items()),
    )


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key}={_short(one)}" for key, one in value.items())
    text = str(value).replace("\n", " ")
    if text.startswith("sha256:"):
        return text[:19]
    return text if len(text) <= 120 else f"{text[:117]}..."
