"""What one command works with: the site, its state, one engine, and how it is told to stop."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass

from pydeploy.clients import docker
from pydeploy.clients.docker import DockerEngine
from pydeploy.config.site import Site
from pydeploy.deploy.inventory import Scope
from pydeploy.state import store
from pydeploy.state.records import Holder
from pydeploy.state.store import Store


@dataclass(frozen=True, kw_only=True)
class Session:
    """`cancel` is set when a newer wish came or the lock was lost."""

    site: Site
    store: Store
    engine: DockerEngine
    cancel: threading.Event

    def engine_of(self, name: str) -> DockerEngine:
        """Any engine of the site: an old release may run on another one."""
        if name == self.engine.name:
            return self.engine
        return docker.one(self.site.engines, self.site.engine_name(name))

    def scope(
        self,
        environment: str | None = None,
        attempt: int | None = None,
        *,
        is_kept: bool | None = None,
    ) -> Scope:
        return Scope(site=self.site.site, environment=environment, attempt=attempt, is_kept=is_kept)

    def holder(self, patchset: int | None = None) -> Holder:
        """How we sign a lock; BUILD_URL is Jenkins'."""
        return Holder(
            holder=store.whoami(),
            since=store.timestamp(),
            patchset=patchset,
            build_url=os.environ.get("BUILD_URL", ""),
        )


def open_session_of(site: Site, environment: str) -> Session:
    """A session on the engine on which an environment runs, else on the site's default."""
    record = store.connect(site).environment(environment)
    current = record.current if record else None
    is_known = current is not None and current.engine in site.engines
    return open_session(site, current.engine if current and is_known else None)


def open_session(site: Site, engine_name: str | None = None) -> Session:
    """A session on the named engine, else on the site's default; nothing is contacted yet."""
    name = site.engine_name(engine_name)
    return Session(
        site=site,
        store=store.connect(site),
        engine=docker.one(site.engines, name),
        cancel=threading.Event(),
    )
