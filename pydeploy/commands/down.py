"""`pydeploy down`."""

from __future__ import annotations

import click

from pydeploy import cli, console


@click.command("down", epilog="Examples: pydeploy down; pydeploy down --purge")
@click.option(
    "--purge", is_flag=True, help="Also delete what it knows: etcd's data, the registry's."
)
@click.option("--force", is_flag=True, help="With --purge: even if environments are still there.")
def command(purge: bool, force: bool) -> None:
    """Stop the site's parts on this machine. Environments go on running, but have no names.

    With --purge nothing of the site is left; environments have to be removed first.
    """
    from pydeploy.platform import lifecycle
    from pydeploy.state import store

    site = cli.load_site()
    lifecycle.down(site, store.connect(site), purge=purge, force=force)
    console.say(f"site {site.site!r} is {'gone' if purge else 'down'}")
