"""The state of one site: reading records, and the clock and identity that writers need."""

from __future__ import annotations

import getpass
import os
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from pydeploy.clients.etcd import Compare, Etcd, KeyValue, WatchLost
from pydeploy.config.site import Site
from pydeploy.errors import Fenced, ServiceError
from pydeploy.state.keys import Keys, last
from pydeploy.state.records import Environment, Gateway, Record, Route, Wanted

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, kw_only=True)
class Store:
    """etcd and the keys of one site."""

    etcd: Etcd
    keys: Keys
    audit_kept: int = 30 * 86400  # seconds

    def revision(self) -> int:
        """Of the last write to etcd, whoever made it."""
        return self.etcd.range(f"{self.keys.root}/revision").revision  # there is no such key

    def environment(self, name: str) -> Environment | None:
        kv = self.etcd.get(self.keys.environment(name))
        return Environment.read(kv.value) if kv else None

    def environments(self) -> dict[str, Environment]:
        return self._all(self.keys.environment(), Environment)

    def wishes(self) -> dict[str, Wanted]:
        return self._all(self.keys.wanted(), Wanted)

    def routes(self) -> dict[str, Route]:
        return self._all(self.keys.route(), Route)

    def gateways(self) -> dict[str, Gateway]:
        return self._all(self.keys.gateway(), Gateway)

    def busy_names(self) -> set[str]:
        """Environments and builds that somebody works on now."""
        locks, work = self.keys.lock(), self.keys.work()
        return {kv.key.removeprefix(locks) for kv in self.etcd.range(locks).kvs} | {
            kv.key.removeprefix(work).split("/")[0] for kv in self.etcd.range(work).kvs
        }

    def wait_for_change(self, prefix: str, revision: int, limit: float) -> None:
        """Until something below `prefix` changes after `revision`; at most `limit` seconds."""
        changed, stop = threading.Event(), threading.Event()

        def follow() -> None:
            with suppress(WatchLost, ServiceError):
                for batch in self.etcd.watch(prefix, after=revision, stop=stop):
                    if batch.events:
                        break
            changed.set()

        threading.Thread(target=follow, daemon=True).start()
        changed.wait(limit)
        stop.set()

    def fence(self, environment: str, still: Compare) -> None:
        """Fenced unless `still` holds now; asked before what no transaction can guard."""
        if not self.etcd.txn([still], []).succeeded:
            raise Fenced(environment)

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
        audit_kept=site.audit.keep,
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
