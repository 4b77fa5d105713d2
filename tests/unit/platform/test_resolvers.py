"""Resolver configuration."""

from __future__ import annotations

from pydeploy.platform import resolvers

DOMAINS = ["deploy.deepin.test", "deploy.localhost"]


def test_dnsmasq_asks_the_site_for_its_domains_only() -> None:
    assert resolvers.dnsmasq(DOMAINS, "127.0.0.1", 5300) == (
        "server=/deploy.deepin.test/127.0.0.1#5300\nserver=/deploy.localhost/127.0.0.1#5300\n"
    )


def test_systemd_resolved_asks_the_site_for_its_domains_only() -> None:
    """`~` makes them routing domains, resolved.conf(5)."""
    assert resolvers.systemd_resolved(DOMAINS, "127.0.0.1", 5300) == (
        "[Resolve]\nDNS=127.0.0.1:5300\nDomains=~deploy.deepin.test ~deploy.localhost\n"
    )


def test_the_usual_port_is_not_named() -> None:
    assert "DNS=10.0.0.1\n" in resolvers.systemd_resolved(DOMAINS, "10.0.0.1", 53)


def test_hosts_is_one_line_for_all_names() -> None:
    assert resolvers.hosts(["1.a.test", "1.b.test"], "10.0.0.1") == "10.0.0.1 1.a.test 1.b.test\n"
