"""`pydeploy dns`."""

from __future__ import annotations

import click

from pydeploy import cli, console, names
from pydeploy.commands import options

_RESOLVERS = ("dnsmasq", "systemd-resolved", "hosts")


@click.command(
    "dns",
    epilog="Examples: pydeploy dns dnsmasq > /etc/dnsmasq.d/pydeploy.conf; "
    "pydeploy dns hosts 10020 >> /etc/hosts",
)
@click.argument("resolver", type=click.Choice(_RESOLVERS), required=False)
@click.argument("environment", required=False)
@options.as_json
def command(resolver: str | None, environment: str | None, as_json: bool) -> None:
    """Print resolver configuration with which the site's names are found.

    Without RESOLVER, all of them with a word on where each belongs. /etc/hosts knows no wildcards:
    `hosts` needs the ENVIRONMENT.
    """
    from pydeploy.platform import lifecycle, resolvers

    if resolver == "hosts" and environment is None:
        raise click.UsageError("/etc/hosts knows no wildcards: pydeploy dns hosts ENVIRONMENT")
    site = cli.load_site()
    port = lifecycle.chosen_ports(site).dns
    server = "127.0.0.1" if site.dns.bind == "0.0.0.0" else site.dns.bind  # noqa: S104 (compared)
    name = environment or "10020"
    hosts = [names.host(name, domain) for domain in site.domains]
    texts = {
        "dnsmasq": resolvers.dnsmasq(site.domains, server, port),
        "systemd-resolved": resolvers.systemd_resolved(site.domains, server, port),
        "hosts": resolvers.hosts(hosts, site.dns.address),
    }
    if as_json:
        where = {"server": server, "port": port, "domains": site.domains}
        console.out_json({**where, "address": site.dns.address, "configuration": texts})
    elif resolver is not None:
        console.out(texts[resolver].rstrip("\n"))
    else:
        for title, text in zip(_PLACES, texts.values(), strict=True):
            console.out(f"# {title}\n{text}")


_PLACES = (
    "dnsmasq: /etc/dnsmasq.d/pydeploy.conf, then: systemctl restart dnsmasq",
    "systemd-resolved: /etc/systemd/resolved.conf.d/pydeploy.conf, then: "
    "systemctl restart systemd-resolved",
    "/etc/hosts, for one environment (here: the example 10020)",
)
