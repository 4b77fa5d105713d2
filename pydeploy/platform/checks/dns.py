"""Does dns answer for every domain, and does this machine ask it?"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from pydeploy.clients import dns
from pydeploy.errors import ServiceError
from pydeploy.platform.checks.verdict import Context, Verdict, error, ok, warning

_RESOLVER_LIMIT = 3.0


def check(context: Context) -> Iterator[Verdict]:
    settings, port = context.site.dns, context.ports.dns
    server = "127.0.0.1" if settings.bind == "0.0.0.0" else settings.bind  # noqa: S104 (compared)
    for domain in context.site.domains:
        name = f"doctor.{domain}"
        try:
            found = dns.addresses(server, port, name)
        except ServiceError as failure:
            yield error("dns", f"{domain}: {failure.message}", "pydeploy up")
            continue
        if found != [settings.address]:
            said = ", ".join(found) or "nothing"
            yield error("dns", f"{name} is {said}, not {settings.address}", "pydeploy up")
        elif domain.split(".")[-1] == "localhost":
            yield ok("dns", f"{domain} at {server}:{port}; browsers need no resolver for it")
        elif resolved(name) != settings.address:
            yield warning(
                "dns",
                f"{domain} at {server}:{port}, but this machine's resolver does not ask there",
                "pydeploy dns",
            )
        else:
            yield ok("dns", f"{domain} at {server}:{port}, and this machine asks there")


def resolved(name: str) -> str:
    """What this machine's resolver says, which may take its time to say nothing."""
    found = [""]

    def ask() -> None:
        with contextlib.suppress(OSError):
            found[0] = socket.gethostbyname(name)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_RESOLVER_LIMIT)
    return found[0]
