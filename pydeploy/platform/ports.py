"""Which ports the site's parts get: the usual ones, or free ones where those are taken.

What was chosen is kept, so that URLs stay the same from one `pydeploy up` to the next.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydeploy.config.site import Site
from pydeploy.errors import CapacityError, SiteConfigError
from pydeploy.platform.listeners import Listener, Protocol, holder

_LOCAL = ("127.0.0.1", "localhost")


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Of one site."""

    http: int
    https: int
    dns: int
    etcd_peer: int


@dataclass(frozen=True, kw_only=True)
class Need:
    """One port of one part; the first of `usual` that is free is taken, unless one is `wanted`."""

    part: str
    key: str  # in site.yml
    address: str
    protocols: tuple[Protocol, ...]
    wanted: int | Literal["auto"]
    usual: tuple[int, ...]


def local_port(address: str | None) -> int | None:
    """The port of `host:port` or a URL if that is on this machine's loopback."""
    if address is None:
        return None
    parts = urlsplit(address if "//" in address else f"//{address}")
    return parts.port if parts.hostname in _LOCAL else None


def needs(site: Site) -> dict[str, Need]:
    """By the field of Ports that each one decides."""
    tcp: tuple[Protocol, ...] = ("tcp",)
    etcd = local_port(site.etcd.endpoints[0]) or 2379
    gateway, dns = site.gateway, site.dns
    return {
        "http": Need(
            part="gateway", key="gateway/http_port", address=gateway.bind, protocols=tcp,
            wanted=gateway.http_port, usual=(80, *range(8080, 8180)),
        ),
        "https": Need(
            part="gateway", key="gateway/https_port", address=gateway.bind, protocols=tcp,
            wanted=gateway.https_port, usual=(443, *range(8443, 8543)),
        ),
        # Not 5353: that is multicast DNS, which many desktops speak.
        "dns": Need(
            part="dns", key="dns/port", address=dns.bind, protocols=("udp", "tcp"),
            wanted=dns.port, usual=(53, *range(5300, 5350)),
        ),
        "etcd_peer": Need(
            part="etcd", key="etcd/endpoints", address="127.0.0.1", protocols=tcp,
            wanted="auto", usual=tuple(range(etcd + 1, min(etcd + 50, 65536))),
        ),
    }  # fmt: skip


def fixed(site: Site) -> list[Need]:
    """Ports that site.yml names for parts that we start, with nothing to choose."""
    found = []
    for part, key, address in (
        ("etcd", "etcd/endpoints", site.etcd.endpoints[0]),
        ("registry", "registry/address", site.registry.address),
    ):
        port = local_port(address)
        if port is not None:
            found.append(
                Need(
                    part=part, key=key, address="127.0.0.1", protocols=("tcp",),
                    wanted=port, usual=(),
                )
            )  # fmt: skip
    return found


def choose(
    site: Site,
    kept: Ports | None,
    running: Iterable[str],
    taken: Sequence[Listener],
    *,
    say: Callable[[str], None],
) -> Ports:
    """The ports for the next start; SiteConfigError when one that site.yml names is taken.

    Parts that are `running` hold theirs themselves; they are not looked at.
    """
    running = frozenset(running)
    for need in fixed(site):
        if need.part not in running:
            _expect_free(need, _taker(need, int(need.wanted), taken))
    chosen: dict[str, int] = {}
    named = {int(need.wanted) for need in fixed(site)}
    for name, need in needs(site).items():
        before = getattr(kept, name) if kept else None
        if need.wanted != "auto":
            if need.part not in running or before != need.wanted:
                _expect_free(need, _taker(need, need.wanted, taken))
            chosen[name] = need.wanted
        elif before is not None and need.part in running:
            chosen[name] = before
        else:
            chosen[name] = _first_free(need, before, taken, named | set(chosen.values()), say)
    return Ports(**chosen)


def _first_free(
    need: Need,
    before: int | None,
    taken: Sequence[Listener],
    given: set[int],
    say: Callable[[str], None],
) -> int:
    order = need.usual if before is None else (before, *need.usual)
    for number, port in enumerate(order):
        taker = _taker(need, port, taken)
        if taker is None and port not in given:
            return port
        if number == 0 and taker is not None:
            by = holder(taker)
            say(f"port {port} is taken{f' by {by}' if by else ''}: {need.part} gets another one")
    raise CapacityError(
        f"{need.part}: none of the ports {need.usual[0]}, {need.usual[1]}-{need.usual[-1]} is free",
        hint=f"name a free one in site.yml: {need.key}",
    )


def _taker(need: Need, port: int, taken: Sequence[Listener]) -> Listener | None:
    for one in taken:
        if one.port == port and one.protocol in need.protocols and one.takes(need.address):
            return one
    return None


def _expect_free(need: Need, taker: Listener | None) -> None:
    if taker is None:
        return
    by = holder(taker)
    raise SiteConfigError(
        f"{need.key}: port {taker.port} is taken{f' by {by}' if by else ''}",
        hint=f"stop what holds it, or name another port in site.yml: {need.key}"
        + ("; `auto` takes a free one" if need.usual else ""),
    )


# -- what is kept -----------------------------------------------------------------------


def load(path: Path) -> Ports | None:
    """What was chosen before; None when nothing was, or it cannot be read."""
    try:
        return Ports(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def save(path: Path, ports: Ports) -> None:
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(asdict(ports)) + "\n")
    os.replace(temporary, path)
