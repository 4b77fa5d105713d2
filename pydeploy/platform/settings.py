"""What platform/docker-compose.yml is told, as a pure function of the site and its ports."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from pydeploy import __version__
from pydeploy.config.site import Site
from pydeploy.platform import place
from pydeploy.platform.ports import Ports, local_port

_NOTHING = "/dev/null"  # what is mounted where there is nothing to mount
_CA_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")


def services(site: Site) -> list[str]:
    """What is started here: etcd and registry only where site.yml has them on this machine."""
    found = ["gateway", "gateway-sync", "dns"]
    if local_port(site.etcd.endpoints[0]) is not None:
        found.append("etcd")
    if local_port(site.registry.address) is not None:
        found.append("registry")
    return found


def env_vars(
    site: Site, ports: Ports, site_file: Path, machine: Mapping[str, str]
) -> dict[str, str]:
    """The variables; `machine` is the process environment: secrets, and how it reaches others."""
    gateway, dns, proxy = site.gateway, site.dns, site.build.proxy
    return {
        "PYDEPLOY_VERSION": __version__,
        "PYDEPLOY_SITE": site.site,
        "PYDEPLOY_PACKAGE": str(place.PACKAGE),
        "PYDEPLOY_REQUIREMENTS": str(place.requirements()),
        "PYDEPLOY_ETCD_CLIENT_PORT": str(local_port(site.etcd.endpoints[0]) or 2379),
        "PYDEPLOY_ETCD_PEER_PORT": str(ports.etcd_peer),
        "PYDEPLOY_ETCD_PASSWORD": machine.get("PYDEPLOY_ETCD_PASSWORD", ""),
        **_set(
            PYDEPLOY_ETCD_CA=str(site.etcd.ca or ""),
            PYDEPLOY_ETCD_CERT=str(site.etcd.cert or ""),
            PYDEPLOY_ETCD_KEY=str(site.etcd.key or ""),
        ),
        "PYDEPLOY_REGISTRY_PORT": str(local_port(site.registry.address) or 5000),
        "PYDEPLOY_GATEWAY_BIND": gateway.bind,
        "PYDEPLOY_GATEWAY_HTTP_PORT": str(ports.http),
        "PYDEPLOY_GATEWAY_HTTPS_PORT": str(ports.https),
        "PYDEPLOY_GATEWAY_CERTIFICATE": str(gateway.certificate or _NOTHING),
        "PYDEPLOY_GATEWAY_CERTIFICATE_ID": _identity(gateway.certificate),
        "PYDEPLOY_GATEWAY_REDIRECT": str(int(gateway.redirect_to_https)),
        "PYDEPLOY_DNS_BIND": dns.bind,
        "PYDEPLOY_DNS_PORT": str(ports.dns),
        "PYDEPLOY_DNS_ADDRESS": dns.address,
        "PYDEPLOY_DNS_DOMAINS": " ".join(site.domains),
        "PYDEPLOY_SITE_FILE": str(site_file),
        "PYDEPLOY_SITE_FILE_ID": _identity(site_file),
        "PYDEPLOY_CA_FILE": str(_ca_file(site, machine) or _NOTHING),
        "PYDEPLOY_PIP_CONF": str(_pip_conf(machine) or _NOTHING),
        **_set(HTTP_PROXY=proxy.http, HTTPS_PROXY=proxy.https, NO_PROXY=proxy.no),
    }


def _set(**values: str | None) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def _identity(file: Path | None) -> str:
    """Another one whenever the content is."""
    if file is None or not file.is_file():
        return ""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def _ca_file(site: Site, machine: Mapping[str, str]) -> Path | None:
    """Whom this machine trusts, its builds trust."""
    candidates = (site.build.ca, machine.get("SSL_CERT_FILE"), *_CA_BUNDLES)
    return _first_file(candidates)


def _pip_conf(machine: Mapping[str, str]) -> Path | None:
    """Where pip looks (its user guide, "Configuration files"), the nearest one."""
    home = Path(machine.get("HOME", "/root"))
    return _first_file(
        (
            machine.get("PIP_CONFIG_FILE"),
            home / ".config/pip/pip.conf",
            home / ".pip/pip.conf",
            "/etc/pip.conf",
        )
    )


def _first_file(candidates: tuple[str | Path | None, ...]) -> Path | None:
    return next((Path(one) for one in candidates if one and Path(one).is_file()), None)
