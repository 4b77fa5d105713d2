"""`pydeploy gateway`: keep HAProxy in step with the routes. A service of the site runs it."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import click

from pydeploy import cli, console


@click.command(
    "gateway",
    epilog="Example: pydeploy gateway --http-port 80. The site's service gateway-sync runs this; "
    "HAProxy has to use the same folder.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default="/var/lib/pydeploy/gateway",
    show_default=True,
    help="Where HAProxy's admin.sock is, and routes.map is kept.",
)
@click.option(
    "--map-name",
    default="/var/lib/pydeploy/gateway/routes.map",
    show_default=True,
    help="The map, as HAProxy's configuration names it.",
)
@click.option("--http-port", type=click.IntRange(1, 65535), default=80, show_default=True)
@click.option("--https-port", type=click.IntRange(1, 65535), help="Published if there is TLS.")
@click.option("--id", "identity", help="Name of this gateway.  [default: the host's name]")
def command(
    folder: Path, map_name: str, http_port: int, https_port: int | None, identity: str | None
) -> None:
    """Follow the routes in etcd and keep the gateway's HAProxy in step, without reloads.

    Publishes what it has applied, so that a deployment knows when its address is served. Runs
    until it is stopped; when etcd is away, HAProxy goes on with what was last known.
    """
    from pydeploy import names
    from pydeploy.clients.haproxy import HAProxy
    from pydeploy.gateway.follower import Follower
    from pydeploy.gateway.presence import Presence
    from pydeploy.gateway.targets import Doors
    from pydeploy.state import store as state

    site = cli.load_site()
    store = state.connect(site)
    presence = Presence(
        store,
        names.slug(identity or socket.gethostname()),
        folder / "in-step",
        say=console.say,
    )
    Follower(
        store,
        HAProxy(folder / "admin.sock", map_name),
        presence,
        Doors(site.engines.values()),
        folder / "routes.map",
        address=site.gateway.address,
        http_port=http_port,
        https_port=https_port if site.gateway.certificate else None,
        drain_limit=site.gateway.drain,
        say=console.say,
    ).run(threading.Event())
