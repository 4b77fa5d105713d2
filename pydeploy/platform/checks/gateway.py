"""Is a gateway alive, is it ours that answers, and does it route what etcd says?"""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from pathlib import Path

from pydeploy.clients import shell
from pydeploy.errors import ServiceError
from pydeploy.platform import place
from pydeploy.platform.checks.verdict import Context, Verdict, error, ok, warning
from pydeploy.state.records import Gateway

OWN_NAME = "gateway.invalid"  # as platform/gateway/haproxy.cfg has it
_PATIENCE = 2.0  # seconds; a change may be on its way just now
_CERTIFICATE_DAYS = 14


def check(context: Context) -> Iterator[Verdict]:
    live = context.store.gateways()
    if not live:
        yield error("gateway", "none is alive: no URL answers", "pydeploy up")
        return
    for identity, gateway in live.items():
        yield _answers(context, identity, gateway)
    yield _is_in_step(context)
    if context.site.gateway.certificate is not None:
        yield from _certificate(context.site.gateway.certificate)


def _answers(context: Context, identity: str, gateway: Gateway) -> Verdict:
    where = f"{gateway.address}:{gateway.http_port}"
    try:
        name = asked(gateway.address, gateway.http_port)
    except ServiceError as failure:
        return error("gateway", f"{identity}: {failure.message}", f"pydeploy up; {_log(context)}")
    if name != context.site.site:
        return error(
            "gateway",
            f"{identity}: at {where} answers {f'the site {name!r}' if name else 'another program'}",
            "stop that, or name other ports in site.yml: gateway/http_port",
            "config",
        )
    return ok("gateway", f"{identity} answers at {where}")


def _log(context: Context, service: str = "gateway") -> str:
    return f"its log: docker logs {place.project(context.site)}-{service}-1"


def asked(address: str, port: int, *, timeout: float = 3.0) -> str:
    """The site that the gateway at address:port says it belongs to; empty when it is none."""
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    try:
        connection.request("GET", "/", headers={"Host": OWN_NAME})
        return connection.getresponse().getheader("X-Pydeploy-Site", "")
    except (OSError, http.client.HTTPException) as problem:
        raise ServiceError(
            f"nothing answers at {address}:{port}: {problem}", service="gateway"
        ) from problem
    finally:
        connection.close()


def _is_in_step(context: Context) -> Verdict:
    store = context.store
    newest = max((kv.mod_revision for kv in store.etcd.range(store.keys.route()).kvs), default=0)
    until = time.monotonic() + _PATIENCE
    while True:
        behind = [name for name, one in store.gateways().items() if one.applied < newest]
        if not behind:
            return ok("gateway", f"in step with etcd at revision {newest}")
        if time.monotonic() > until:
            return error(
                "gateway",
                f"{', '.join(behind)} is behind etcd",
                f"{_log(context, 'gateway-sync')}; restarting that container is safe",
            )
        time.sleep(0.1)


def _certificate(file: Path) -> Iterator[Verdict]:
    """openssl knows how long it holds; where there is no openssl, nothing is said."""
    seconds = str(_CERTIFICATE_DAYS * 86400)
    argv = ("openssl", "x509", "-checkend", seconds, "-noout", "-in", str(file))
    try:
        done = shell.run(argv, timeout=10)
    except (FileNotFoundError, shell.TimedOut):
        return
    if done.code == 0:
        yield ok("gateway", f"the certificate holds for more than {_CERTIFICATE_DAYS} days")
    else:
        yield warning(
            "gateway",
            f"the certificate {file} cannot be read, or ends within {_CERTIFICATE_DAYS} days",
            "renew it, then: pydeploy up",
        )
