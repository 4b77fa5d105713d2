"""`pydeploy prune`."""

from __future__ import annotations

import click

from pydeploy import cli, console
from pydeploy.commands import options


@click.command("prune", epilog="Example: pydeploy prune --dry-run")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@options.as_json
def command(dry_run: bool, as_json: bool) -> None:
    """Remove everything that should be gone: expired environments, leftovers, unnamed images.

    Touches only what carries this site's labels or lies below its image namespace.
    """
    from pydeploy.deploy import prune, session
    from pydeploy.errors import ServiceError

    opened = session.open_session(cli.load_site())
    if dry_run:
        found = prune.look(opened)
        if as_json:
            console.out_json({"would_remove": found.as_dict()})
        else:
            _print("would remove", found)
        return
    found, after = prune.prune(opened)
    failure = ServiceError(
        f"{after.residue} things are still there: {after.as_dict()}",
        service="docker",
        hint="run it again; what an engine still uses goes later",
    )
    if as_json:
        error = {"error": failure.as_dict()} if after.residue else {}
        console.out_json({"removed": found.as_dict(), "residue": after.residue, **error})
    else:
        _print("removed", found)
        console.out(f"residue: {after.residue}")
    options.flush_outbox(opened.site, opened.store)
    if after.residue:
        failure.is_printed = as_json
        raise failure


def _print(verb: str, found: object) -> None:
    from pydeploy.deploy.prune import Findings

    if not isinstance(found, Findings):
        raise TypeError(found)
    orphans = ", ".join(f"{name} ({count})" for name, count in found.orphans.items()) or "none"
    console.out(f"{verb} expired: {', '.join(found.expired) or 'none'}")
    if found.expiring:
        console.out(f"expiring soon: {', '.join(found.expiring)}")
    console.out(f"{verb} leftovers of: {orphans}")
    if found.unsettled:
        down = ", ".join(f"{name} ({count})" for name, count in found.unsettled.items())
        console.out(f"not as on record, so {'to be ' if verb != 'removed' else ''}mended: {down}")
    console.out(f"{verb} images: {found.images}")
    if found.busy:
        console.out(f"busy, left alone: {', '.join(found.busy)}")
