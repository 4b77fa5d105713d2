"""`pydeploy secrets`."""

from __future__ import annotations

from typing import Any

import click

from pydeploy import cli, console
from pydeploy.commands import options


@click.group("secrets", epilog="Examples: pydeploy secrets list; pydeploy secrets refresh staging")
def command() -> None:
    """The secrets that site.yml grants to services."""


@command.command("list", epilog="Example: pydeploy secrets list --check")
@click.option("--check", is_flag=True, help="Also try whether this agent can read each.")
@options.as_json
def list_(check: bool, as_json: bool) -> None:
    """List who is granted what, where it comes from, and in which environments; never a value."""
    from pydeploy.errors import ServiceError

    site = cli.load_site()
    found = [
        {
            "name": one.name,
            "source": one.source,
            "gerrit_project": one.gerrit_project,
            "branch": one.branch,
            "environments": list(one.environments),
            **({"problem": _problem(one)} if check else {}),
        }
        for one in site.secrets
    ]
    problems = [str(one["problem"]) for one in found if one.get("problem")]
    failure = ServiceError(
        f"{len(problems)} secrets cannot be read",
        service="secret",
        hint="mend each on this agent, or in site.yml",
        logs="\n".join(problems),
    )
    if as_json:
        console.out_json({"secrets": found, **({"error": failure.as_dict()} if problems else {})})
    else:
        console.table(
            ("NAME", "SOURCE", "GERRIT PROJECT", "BRANCH", "ENVIRONMENTS", ""), map(_row, found)
        )
    if problems:
        failure.is_printed = as_json
        raise failure


def _problem(grant: Any) -> str:
    from pydeploy.deploy import secrets
    from pydeploy.errors import ServiceError

    try:
        secrets.read(grant)
    except ServiceError as problem:
        return problem.message
    return ""


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    where = ", ".join(one["environments"])
    cells = (one["name"], one["source"], one["gerrit_project"], one["branch"], where)
    return (*cells, "unreadable" if one.get("problem") else "")


@command.command("refresh", epilog="Example: pydeploy secrets refresh staging")
@options.environment
@options.as_json
def refresh(environment: str, as_json: bool) -> None:
    """Bring today's values to ENVIRONMENT: its release is started anew, nothing is built.

    Services that are swapped are replaced side by side; stateful ones that have secrets stand
    still for a restart.
    """
    from pydeploy.deploy import promote, session

    opened = session.open_session_of(cli.load_site(), environment)
    found = promote.restart(opened, environment, are_secrets_new=True)
    options.print_outcome("secrets", found, as_json)
