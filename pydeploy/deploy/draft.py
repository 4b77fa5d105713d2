"""What an attempt will write, as pure functions: release, record, routes, labels, identity."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydeploy import console, durations, names
from pydeploy.config.service import Service
from pydeploy.config.site import Site
from pydeploy.deploy.candidate import Candidate
from pydeploy.deploy.plan import PortWant
from pydeploy.deploy.request import Request
from pydeploy.state.records import Port, Release, Route
from pydeploy.state.store import timestamp


def release_name(environment: str, version: str, taken: Collection[str]) -> str:
    """`10020-3`; a forced second deploy of the same patchset is `10020-3-2`."""
    repeat = 1
    while names.release(environment, version, repeat) in taken:
        repeat += 1
    return names.release(environment, version, repeat)


def labels(
    site: Site, environment: str, candidate: Candidate, release: str, token: int
) -> dict[str, str]:
    """The labels of every container, network and volume of an attempt."""
    found = {
        names.SITE: site.site,
        names.ENVIRONMENT: environment,
        names.RELEASE: release,
        names.ATTEMPT: str(token),
        names.KEPT: "false",
    }
    if candidate.change is not None:
        found |= {
            names.CHANGE: str(candidate.change.number),
            names.PATCHSET: str(candidate.change.patchset),
        }
    return found


def identity(environment: str, candidate: Candidate, url: str | None) -> dict[str, str]:
    """What containers are told; empty where there is nothing to say."""
    change = candidate.change
    facts = {
        "URL": url,
        "ENVIRONMENT": environment,
        "CHANGE": change.number if change else None,
        "PATCHSET": candidate.patchset,
        "REVISION": candidate.revision,
    }
    return {f"PYDEPLOY_{key}": "" if fact is None else str(fact) for key, fact in facts.items()}


def lasting_identity(environment: str, url: str | None) -> dict[str, str]:
    """What stateful containers are told: only what stays when releases change."""
    return {"PYDEPLOY_ENVIRONMENT": environment, "PYDEPLOY_URL": url or ""}


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


def expires(site: Site, request: Request, settings: Service, now: datetime) -> str | None:
    """Changes end by themselves; named environments only when a ttl was asked for."""
    ttl = request.ttl
    if ttl is None and request.change is not None:
        ttl = settings.ttl or site.defaults.ttl
    if ttl is None:
        return None
    longest = site.defaults.ttl_max
    if ttl > longest:
        console.warn(f"ttl {durations.show(ttl)} is cut to the site's {durations.show(longest)}")
    return timestamp(now + timedelta(seconds=min(ttl, longest)))


def deadline(site: Site, settings: Service) -> int:
    """Seconds until everything must be healthy."""
    asked = settings.deadline or site.defaults.deadline
    return min(asked, site.defaults.deadline_max)
