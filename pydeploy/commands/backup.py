"""`pydeploy backup`."""

from __future__ import annotations

from pathlib import Path

import click

from pydeploy import cli, console
from pydeploy.commands import options


@click.command("backup", epilog="Example: pydeploy backup staging --to /backups/staging.tar")
@click.argument("environment", required=False)
@click.option(
    "--to",
    type=click.Path(dir_okay=False, path_type=Path),
    help="This new file (else one in the site's folder).",
)
@click.option("--list", "is_list", is_flag=True, help="List those in the site's folder instead.")
@options.as_json
def command(environment: str | None, to: Path | None, is_list: bool, as_json: bool) -> None:
    """Save the volumes and the record of ENVIRONMENT in one file, with checksums.

    Whoever uses the volumes stands still meanwhile. `pydeploy restore FILE` brings it back.
    """
    from pydeploy.deploy import backups, session
    from pydeploy.errors import UsageError

    opened = session.open_session(cli.load_site())
    if is_list:
        found = [str(path) for path in backups.listed(opened, environment)]
        if as_json:
            console.out_json(found)
        else:
            console.out("\n".join(found)) if found else console.say("there are none")
        return
    if environment is None:
        raise UsageError("which environment?", hint="pydeploy backup NAME")
    path, made = backups.make(opened, environment, to.absolute() if to else None)
    if as_json:
        console.out_json({"file": str(path), **made.model_dump()})
    else:
        console.say(f"{made.bytes / (1 << 20):.1f} MiB of {', '.join(made.volumes)}")
        console.out(str(path))
