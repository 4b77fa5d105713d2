"""`pydeploy stats`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pydeploy import cli, console
from pydeploy.commands import options

if TYPE_CHECKING:
    from pydeploy.deploy.stats import Usage

_MIB = 1 << 20


@click.command("stats", epilog="Examples: pydeploy stats; pydeploy stats staging --json")
@click.argument("environments", nargs=-1, metavar="[ENVIRONMENT]...")
@options.as_json
def command(environments: tuple[str, ...], as_json: bool) -> None:
    """Show what containers use right now, the biggest first: processors, memory, network, disk."""
    from pydeploy.deploy import logs, session, stats

    opened = session.open_session(cli.load_site())
    for one in environments:
        logs.existing(opened, one)
    found = stats.sample(opened, environments)
    if as_json:
        console.out_json(
            {
                "containers": [one.as_dict() for one in found],
                "environments": stats.by(found, "environment"),
                "engines": stats.by(found, "engine"),
            }
        )
        return
    console.table(
        ("ENVIRONMENT", "SERVICE", "CPU", "MEMORY", "LIMIT", "NET IN/OUT", "DISK R/W", "PIDS", ""),
        [_row(one) for one in found],
    )
    for name, total in stats.by(found, "engine").items():
        console.say(
            f"engine {name}: {total['containers']:.0f} containers, {total['cpu']:.2f} processors, "
            f"{total['memory'] / _MIB:.0f} MiB"
        )


def _row(one: Usage) -> tuple[str, ...]:
    marks = [f"restarted {one.restarts} times"] if one.restarts else []
    marks += ["was out of memory"] if one.is_oom_killed else []
    return (
        one.environment,
        one.service,
        f"{one.cpu:.2f}",
        f"{one.memory / _MIB:.0f} MiB",
        f"{one.memory_limit / _MIB:.0f} MiB",
        f"{one.network_in / _MIB:.1f}/{one.network_out / _MIB:.1f} MiB",
        f"{one.block_read / _MIB:.1f}/{one.block_write / _MIB:.1f} MiB",
        str(one.processes),
        ", ".join(marks),
    )
