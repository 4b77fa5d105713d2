"""`pydeploy restore`."""

from __future__ import annotations

from pathlib import Path

import click

from pydeploy import cli
from pydeploy.commands import options


@click.command("restore", epilog="Example: pydeploy restore staging.pydeploy.tar --name staging")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", metavar="NAME", help="Into this environment instead of its own.")
@click.option("--replace", is_flag=True, help="Even if it keeps data, which goes then.")
@options.engine
@options.as_json
def command(file: Path, name: str | None, replace: bool, engine: str | None, as_json: bool) -> None:
    """Run what a backup holds: the same digests, on new volumes with the data of then.

    The whole file is checked first. What is there serves until the restored release stands.
    """
    from pydeploy.deploy import restore, session
    from pydeploy.deploy.backup_file import Backup

    site = cli.load_site()
    backup = Backup.open(file.absolute())
    target = restore.target_of(backup, name)
    opened = session.open_session(site, engine) if engine else session.open_session_of(site, target)
    found = restore.restore(opened, backup, target, replace=replace, may_move=engine is not None)
    options.print_outcome("restore", found, as_json)
