"""Waiting for the gateways: have they applied a revision, do they still serve an old address?"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable

from pydeploy.config.site import Site
from pydeploy.deploy import probe
from pydeploy.errors import ServiceError
from pydeploy.state.records import Gateway
from pydeploy.state.store import Store

# Seconds that a live gateway may take to apply a route: longer than a dead one's key lives.
APPLY_LIMIT = 15.0
_FETCH_LIMIT = 10.0


def live(store: Store) -> dict[str, Gateway]:
    """The live gateways; ServiceError when there is none, because no URL would answer."""
    found = store.gateways()
    if not found:
        raise ServiceError(
            "no gateway is alive, so no URL would answer",
            service="gateway",
            hint="start it: `pydeploy up`; see `pydeploy doctor`",
        )
    return found


def url(gateway: Gateway, host: str) -> str:
    """Complete: scheme, and the port unless it is the scheme's own."""
    if gateway.https_port is not None:
        return f"https://{host}" + ("" if gateway.https_port == 443 else f":{gateway.https_port}")
    return f"http://{host}" + ("" if gateway.http_port == 80 else f":{gateway.http_port}")


def wait_applied(store: Store, revision: int) -> None:
    """Until every live gateway has applied `revision`; ServiceError when one does not."""

    def is_behind(gateway: Gateway) -> bool:
        return gateway.applied < revision

    behind = _wait_while(store, is_behind, APPLY_LIMIT)
    if behind:
        raise ServiceError(
            f"gateway {', '.join(behind)} is alive but does not apply routes",
            service="gateway",
            hint="see its log: `docker logs` of the gateway-sync container; `pydeploy doctor`",
        )


def wait_drained(store: Store, addresses: set[str], limit: float) -> bool:
    """Until no live gateway has a stream to one of `addresses`; False when `limit` ran out."""

    def still_serves(gateway: Gateway) -> bool:
        return bool(addresses.intersection(gateway.draining))

    return not _wait_while(store, still_serves, limit)


def _wait_while(store: Store, holds: Callable[[Gateway], bool], limit: float) -> list[str]:
    """The gateways for which `holds` is true when nothing is left to wait for, or time is up."""
    until = time.monotonic() + limit
    while True:
        now = store.etcd.range(store.keys.gateway())
        left = [kv.key.rsplit("/", 1)[1] for kv in now.kvs if holds(Gateway.read(kv.value))]
        if not left or time.monotonic() >= until:
            return left
        store.wait_for_change(store.keys.gateway(), now.revision, until - time.monotonic())


def fetch(
    site: Site,
    gateways: dict[str, Gateway],
    host: str,
    path: str,
    *,
    accepts: Callable[[int], bool],
) -> probe.Answer:
    """What `host` answers through each gateway: the first that is not accepted, or the last."""
    answer = probe.Answer(kind="closed", detail="no gateway")
    for gateway in gateways.values():
        tls = _tls(site) if gateway.https_port is not None else None
        port = gateway.https_port if gateway.https_port is not None else gateway.http_port
        answer = probe.ask(
            gateway.address, port, host=host, path=path, timeout=_FETCH_LIMIT, tls=tls
        )
        if answer.kind != "http" or not accepts(answer.status):
            break
    return answer


def _tls(site: Site) -> ssl.SSLContext:
    """Trusts the machine's authorities, the site's, and the gateway's own certificate."""
    context = ssl.create_default_context()
    for extra in (site.build.ca, site.gateway.certificate):
        if extra is not None and extra.is_file():
            context.load_verify_locations(cafile=str(extra))
    return context
