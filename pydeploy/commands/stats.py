"""`pydeploy stats`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from pydeploy import cli, console
from pydeploy.commands import options

if TYPE_CHECKING:
    from pydeploy.deploy.stats import Sample

_MIB = 1 << 20
_NUMBERS = ("CPU %", "MEMORY", "LIMIT", "NET IN/OUT", "DISK R/W", "PIDS", "")


@click.command("stats", epilog="Examples: pydeploy stats; pydeploy stats staging --json")
@click.argument("environments", nargs=-1, metavar="[ENVIRONMENT]...")
@click.option(
    "--by",
    type=click.Choice(["container", "environment", "engine"]),
    default="container",
    help="A line for each of these (container).",
)
@options.as_json
def command(environments: tuple[str, ...], by: str, as_json: bool) -> None:
    """Show what containers use right now, the biggest first: processors, memory, network, disk.

    CPU is in percent of one processor.
    """
    from pydeploy.deploy import logs, session, stats
    from pydeploy.errors import ServiceError

    opened = session.open_session(cli.load_site())
    found = stats.sample(opened, [logs.existing(opened, one) for one in environments])
    for name, why in found.away.items():
        console.warn(f"engine {name}: {why}")
    if found.away and not found.containers:
        raise ServiceError(
            f"no engine answers: {', '.join(found.away)}",
            service="docker",
            hint="see that Docker runs there: `pydeploy doctor`",
        )
    _print(found, by, as_json)


def _print(found: Sample, by: str, as_json: bool) -> None:
    from pydeploy.deploy import usage

    containers = [one.as_dict() for one in found.containers]
    environments = usage.sums(found.containers, "environment")
    engines = usage.sums(found.containers, "engine")
    if as_json:
        console.out_json(
            {
                "containers": containers,
                "environments": environments,
                "engines": engines,
                "away": found.away,
            }
        )
    elif by == "container":
        console.table(
            ("ENVIRONMENT", "SERVICE", *_NUMBERS),
            [(one["environment"], one["service"], *_numbers(one)) for one in containers],
        )
    else:
        console.table(
            (by.upper(), "CONTAINERS", *_NUMBERS),
            [
                (name, str(one["containers"]), *_numbers(one))
                for name, one in (engines if by == "engine" else environments).items()
            ],
        )


def _numbers(one: Mapping[str, Any]) -> tuple[str, ...]:
    marks = [f"restarted: {one['restarts']}"] if one["restarts"] else []
    killed = int(one.get("oom_killed", one.get("is_oom_killed", False)))
    marks += [f"out of memory: {killed}"] if killed else []
    return (
        f"{one['cpu']:.1f}",
        f"{one['memory'] / _MIB:.0f} MiB",
        f"{one['memory_limit'] / _MIB:.0f} MiB",
        f"{one['network_in'] / _MIB:.1f}/{one['network_out'] / _MIB:.1f} MiB",
        f"{one['block_read'] / _MIB:.1f}/{one['block_write'] / _MIB:.1f} MiB",
        str(one["processes"]),
        ", ".join(marks),
    )
