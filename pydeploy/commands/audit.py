"""`pydeploy audit`."""

from __future__ import annotations

import json
from typing import Any

import click

from pydeploy import cli, console
from pydeploy.commands import options

_COLUMNS = ("time", "who", "action", "environment", "result")


@click.command("audit", epilog="Example: pydeploy audit staging --since 2d --action promote")
@click.argument("environment", required=False)
@click.option("--since", type=options.DURATION, help="Not older than this, such as 2d.")
@click.option("--action", help="Only this: deploy, promote, remove, exec, ...")
@click.option("--who", help="Only of those whose name contains this.")
@click.option("--limit", type=click.IntRange(min=1), default=50, help="How many (50).")
@click.option("--follow", "-f", is_flag=True, help="Go on as acts come, the oldest first.")
@options.as_json
def command(
    environment: str | None,
    since: int | None,
    action: str | None,
    who: str | None,
    limit: int,
    follow: bool,
    as_json: bool,
) -> None:
    """Show who did what, to which environment, with which result; the newest first.

    With --follow, --json prints one object a line.
    """
    from pydeploy.state import audit, store

    opened = store.connect(cli.load_site())
    wanted = audit.Filter(environment=environment, since=since, action=action, who=who)
    revision = opened.revision() if follow else 0
    found = audit.read(opened, wanted, limit=limit, revision=revision)
    if not follow:
        _print_all(found, as_json)
        return
    for one in reversed(found):
        _print_line(one, as_json)
    for one in audit.follow(opened, wanted, after=revision, on_away=console.warn):
        _print_line(one, as_json)


def _print_all(found: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        console.out_json(found)
    else:
        titles = tuple(one.upper() for one in (*_COLUMNS, "details"))
        console.table(titles, [_row(one) for one in found])


def _print_line(one: dict[str, Any], as_json: bool) -> None:
    console.out(json.dumps(one) if as_json else console.safe("  ".join(_row(one))))


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    details = {key: value for key, value in one.items() if key not in _COLUMNS and value}
    return (
        *(str(one.get(key, "")) for key in _COLUMNS),
        ", ".join(f"{key}: {_short(value)}" for key, value in details.items()),
    )


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key}={_short(one)}" for key, one in value.items())
    text = str(value).replace("\n", " ")
    if text.startswith("sha256:"):
        return text[:19]
    return text if len(text) <= 120 else f"{text[:117]}..."
