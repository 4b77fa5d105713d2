"""`pydeploy up`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from pydeploy import cli, console
from pydeploy.commands import options

if TYPE_CHECKING:
    from pydeploy.config.site import Site
    from pydeploy.platform.lifecycle import Running


@click.command("up", epilog="Example: pydeploy --site /etc/pydeploy/site.yml up")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@options.as_json
def command(dry_run: bool, as_json: bool) -> None:
    """Start the site on this machine: etcd, gateway, dns and registry, as site.yml has them.

    Where port 80 or 53 is taken, others are chosen, kept, and become part of the URLs. While the
    site runs, it is said first what will change, and only that is replaced: the gateway without
    losing a request, etcd after a snapshot.
    """
    from pydeploy.config import site as site_config
    from pydeploy.deploy import session, turn
    from pydeploy.platform import lifecycle
    from pydeploy.state import audit

    site = cli.load_site()
    file = site_config.locate(click.get_current_context().find_root().obj, os.environ)
    opened = session.open_session(site)
    if dry_run:
        running = lifecycle.up(site, file, opened.store, os.environ, is_dry=True)
    else:
        with turn.audited(opened, "up", ""):
            running = lifecycle.up(site, file, opened.store, os.environ)
        audit.record(opened.store, "up", "", "running", services=", ".join(running.services))
    _print(site, running, as_json)


def _print(site: Site, running: Running, as_json: bool) -> None:
    parts = _parts(site, running)
    if as_json:
        told = [one.as_dict() for one in running.changes]
        console.out_json({"site": site.site, "parts": parts, "changes": told})
        return
    console.table(("part", "address"), [(one["part"], one["address"]) for one in parts])


def _parts(site: Site, running: Running) -> list[dict[str, str]]:
    ports, gateway = running.ports, site.gateway
    has_tls = gateway.certificate is not None
    host = f"<environment>.{site.domains[0]}"
    url = _url("https", host, ports.https) if has_tls else _url("http", host, ports.http)
    found = {"gateway": url, "dns": f"{site.dns.bind}:{ports.dns}"}
    if "etcd" in running.services:
        found["etcd"] = site.etcd.endpoints[0]
    if "registry" in running.services:
        found["registry"] = str(site.registry.address)
    return [{"part": part, "address": address} for part, address in found.items()]


def _url(scheme: str, host: str, port: int) -> str:
    is_usual = port == {"http": 80, "https": 443}[scheme]
    return f"{scheme}://{host}{'' if is_usual else f':{port}'}/"
