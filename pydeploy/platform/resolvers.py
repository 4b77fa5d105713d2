"""Ready configuration for resolvers, so that the site's names are found."""

from __future__ import annotations

from collections.abc import Sequence


def dnsmasq(domains: Sequence[str], server: str, port: int) -> str:
    """A file in /etc/dnsmasq.d/."""
    return "".join(f"server=/{domain}/{server}#{port}\n" for domain in domains)


def systemd_resolved(domains: Sequence[str], server: str, port: int) -> str:
    """A file in /etc/systemd/resolved.conf.d/ (resolved.conf(5)); `~` means: only these."""
    where = server if port == 53 else f"{server}:{port}"
    only = " ".join(f"~{domain}" for domain in domains)
    return f"[Resolve]\nDNS={where}\nDomains={only}\n"


def hosts(hosts: Sequence[str], address: str) -> str:
    """Lines of /etc/hosts, which knows no wildcards: one name at a time."""
    return f"{address} {' '.join(hosts)}\n"
