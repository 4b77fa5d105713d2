"""Does the registry answer, and let us in?"""

from __future__ import annotations

import os
from collections.abc import Iterator

from pydeploy.clients.registry import Registry
from pydeploy.platform.checks.verdict import Context, Verdict, ok


def check(context: Context) -> Iterator[Verdict]:
    settings = context.site.registry
    password = os.environ.get("PYDEPLOY_REGISTRY_PASSWORD", "")
    login = (settings.username, password) if settings.username else None
    registry = Registry.of_site(context.site, login)
    if registry is None:
        yield ok("registry", "none: images stay on the engine that built them")
        return
    registry.ping()
    yield ok("registry", f"answers at {settings.address}")
