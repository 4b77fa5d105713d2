"""The state of one site: reading records, and the clock and identity that writers need."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from pydeploy.clients.etcd import Etcd, KeyValue
from pydeploy.config.site import Site
from pydeploy.state.keys import Keys, last
from pydeploy.state.records import Environment, Gateway, Record, Route

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, kw_only=True)
class Store:
    """etcd and the keys of one site."""

    etcd: Etcd
    keys: Keys

    def environment(self, name: str) -> Environment | None:
        kv = self.etcd.get(self.keys.environment(name))
        return Environment.read(kv.value) if kv else None

    def environments(self) -> dict[str, Environment]:
        return self._all(self.keys.environment(), Environment)

    def routes(self) -> dict[str, Route]:
        return self._all(self.keys.route(), Route)

    def gateways(self) -> dict[str, Gateway]:
        return self._all(self.keys.gateway(), Gateway)

    def lock_names(self) -> set[str]:
        """Environments and builds that somebody works on now."""
        prefix = self.keys.lock()
        return {kv.key.removeprefix(prefix) for kv in self.etcd.range(prefix).kvs}

    def read(self, key: str, kind: type[R]) -> tuple[KeyValue, R] | None:
        kv = self.etcd.get(key)
        return (kv, kind.read(kv.value)) if kv else None

    def _all(self, prefix: str, kind: type[R]) -> dict[str, R]:
        return {last(kv.key): kind.read(kv.value) for kv in self.etcd.range(prefix).kvs}


def connect(site: Site, env_vars: Mapping[str, str] | None = None) -> Store:
    """The store that `site` names.  Nothing is sent yet."""
    variables = os.environ if env_vars is None else env_vars
    settings = site.etcd
    return Store(
        etcd=Etcd(
            settings.endpoints,
            timeout=settings.timeout,
            username=settings.username,
            password=variables.get("PYDEPLOY_ETCD_PASSWORD"),
            ca=settings.ca,
            cert=settings.cert,
            key=settings.key,
        ),
        keys=Keys(settings.prefix),
    )


def now() -> datetime:
    return datetime.now(UTC)


def timestamp(moment: datetime | None = None) -> str:
    """`2026-01-31T12:00:00Z`."""
    return (moment or now()).strftime("%Y-%m-%dT%H:%M:%SZ")


def whoami(env_vars: Mapping[str, str] | None = None) -> str:
    """`user@host:pid`, for people who wonder who holds a lock."""
    variables = os.environ if env_vars is None else env_vars
    user = variables.get("PYDEPLOY_USER") or getpass.getuser()
    return f"{user}@{socket.gethostname()}:{os.getpid()}"
