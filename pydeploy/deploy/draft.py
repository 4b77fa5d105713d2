"""What an attempt will write, as pure functions: release, record, routes, labels, identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydeploy import console, durations, names
from pydeploy.config.site import Site
from pydeploy.deploy.plan import PortWant
from pydeploy.deploy.request import Request
from pydeploy.repository.checkout import Checkout
from pydeploy.state.records import Environment, Port, Release, Route
from pydeploy.state.store import timestamp


def release_name(request: Request, revision: str, before: Environment | None) -> str:
    """`10020-3`; a forced second deploy of the same patchset is `10020-3-2`."""
    version = str(request.patchset or revision[:7])
    old = (before.current, before.previous) if before else ()
    taken = {release.name for release in old if release}
    repeat = 1
    while names.release(request.environment, version, repeat) in taken:
        repeat += 1
    return names.release(request.environment, version, repeat)


def labels(site: Site, request: Request, release: str, token: int) -> dict[str, str]:
    """The labels of every container, network and volume of an attempt."""
    found = {
        names.SITE: site.site,
        names.ENVIRONMENT: request.environment,
        names.RELEASE: release,
        names.ATTEMPT: str(token),
    }
    if request.change is not None:
        found |= {names.CHANGE: str(request.change), names.PATCHSET: str(request.patchset)}
    return found


def identity(request: Request, revision: str, url: str | None) -> dict[str, str]:
    """What containers are told; empty where there is nothing to say."""
    facts = {
        "URL": url,
        "ENVIRONMENT": request.environment,
        "CHANGE": request.change,
        "PATCHSET": request.patchset,
        "REVISION": revision,
    }
    return {f"PYDEPLOY_{key}": "" if fact is None else str(fact) for key, fact in facts.items()}


@dataclass(frozen=True, kw_only=True)
class Named:
    """Which port stands behind which hosts; the front first."""

    front: Port | None
    hosts: dict[str, Port]  # host → port
    by_service: dict[str, str]  # service → its host in the primary domain


def name_ports(
    site: Site, environment: str, wanted: PortWant | None, http: Sequence[Port]
) -> Named:
    """Names for the ports that answer HTTP: the front gets the environment's own.

    The planned front if it is among them, else the first that is.
    """
    front = next((port for port in http if _is(port, wanted)), http[0] if http else None)
    hosts: dict[str, Port] = {}
    by_service: dict[str, str] = {}
    if front:
        hosts = {names.host(environment, domain): front for domain in site.domains}
        by_service = {front.service: names.host(environment, site.domains[0])}
    for port in http:
        if port.service in by_service:
            continue
        primary = names.service_host(port.service, environment, site.domains[0])
        if primary in hosts:  # `my_web` beside `my-web`: the first keeps the name
            continue
        by_service[port.service] = primary
        for domain in site.domains:
            hosts[names.service_host(port.service, environment, domain)] = port
    return Named(front=front, hosts=hosts, by_service=by_service)


def _is(port: Port, want: PortWant | None) -> bool:
    return want is not None and (port.service, port.container_port) == (
        want.service,
        want.container_port,
    )


def routes(release: Release, environment: str, named: Named) -> dict[str, Route]:
    return {
        host: Route(
            environment=environment,
            release=release.name,
            address=release.address,
            port=port.host_port,
        )
        for host, port in named.hosts.items()
    }


def expires(site: Site, request: Request, checkout: Checkout, now: datetime) -> str | None:
    """Changes end by themselves; named environments only when a ttl was asked for."""
    ttl = request.ttl
    if ttl is None and request.change is not None:
        ttl = checkout.service.ttl or site.defaults.ttl
    if ttl is None:
        return None
    longest = site.defaults.ttl_max
    if ttl > longest:
        console.warn(f"ttl {durations.show(ttl)} is cut to the site's {durations.show(longest)}")
    return timestamp(now + timedelta(seconds=min(ttl, longest)))


def deadline(site: Site, checkout: Checkout) -> int:
    """Seconds until everything must be healthy."""
    asked = checkout.service.deadline or site.defaults.deadline
    return min(asked, site.defaults.deadline_max)
