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

    With --purge nothing of the site is left, nor the images it built; environments have to be
    removed first.
    """
    from pydeploy.deploy import garbage, session, turn
    from pydeploy.platform import lifecycle
    from pydeploy.state import audit

    site = cli.load_site()
    opened = session.open_session(site)
    # Before, because etcd may be one of the parts.
    audit.record(opened.store, "down", "", "begun", purge=purge, force=force)
    with turn.audited(opened, "down", ""):
        lifecycle.down(site, opened.store, purge=purge, force=force)
    if purge:  # no record is left that would name them
        for name in site.engines:
            garbage.erase_all_from_engine(site, opened.engine_of(name))
    console.say(f"site {site.site!r} is {'gone' if purge else 'down'}")
