"""`pydeploy status`."""

from __future__ import annotations

from typing import Any

import click

from pydeploy import cli, console
from pydeploy.commands import options


@click.command("status", epilog="Example: pydeploy status; pydeploy status 10020 --json")
@click.argument("environment", required=False)
@options.as_json
def command(environment: str | None, as_json: bool) -> None:
    """Show what runs: all environments, or one in full."""
    from pydeploy.deploy import logs, overview, session

    opened = session.open_session(cli.load_site())
    if environment:
        records = [logs.existing(opened, environment)]
    else:
        records = list(opened.store.environments().values())
    found = overview.describe(opened, records)
    if as_json:
        console.out_json(found[0] if environment else found)
    elif environment:
        _print_one(found[0])
    else:
        _print_all(found)


def _print_all(found: list[dict[str, Any]]) -> None:
    from pydeploy.deploy import overview

    if not found:
        console.say("nothing is deployed; `pydeploy deploy --change N --patchset P` does it")
        return
    console.table(
        ("ENVIRONMENT", "SERVICE", "RELEASE", "STATE", "HEALTH", "AGE", "EXPIRES IN", "URL"),
        [
            (
                one["name"],
                one["service"],
                one["release"],
                one["state"],
                one["health"],
                overview.age(one["updated"]),
                overview.left(one["expires"]) + _soon(one),
                one["url"] or "",
            )
            for one in found
        ],
    )


def _soon(one: dict[str, Any]) -> str:
    return " (soon)" if one["is_expiring"] else ""


def _volumes(one: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted(one["data"]["volumes"].items()) if one["data"] else []


def _print_one(one: dict[str, Any]) -> None:
    change = one["change"] or {}
    rows = [
        ("environment", one["name"]),
        ("service", one["service"]),
        ("state", f"{one['state']} {one['health']}".strip()),
        ("release", one["release"]),
        ("previous", one["previous_release"] or ""),
        ("engine", one["engine"]),
        ("change", f"{change['number']}/{change['patchset']}" if change else ""),
        *(("url", f"{service}  {url}") for service, url in one["urls"].items()),
        *(
            ("port", f"{port['service']}:{port['container_port']} → {port['host_port']}")
            for port in one["ports"]
        ),
        *(("data", f"{name}  {volume}") for name, volume in _volumes(one)),
        *(("image", f"{image['service']}  {image['digest']}") for image in one["images"]),
        ("created", one["created"]),
        ("updated", one["updated"]),
        ("expires", (one["expires"] or "never") + _soon(one)),
    ]
    for name, value in rows:
        if value:
            console.out(f"{name:12} {console.safe(str(value))}")
