"""What `up` will change: the parts that run against those that site.yml and this version want."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydeploy.platform.compose import Project

Kind = Literal["new", "unchanged", "image changed", "configuration changed", "stopped"]
_HASH = "com.docker.compose.config-hash"
_SERVICE = "com.docker.compose.service"

# In this order parts are replaced.  State first; the gateway last, so that what is new follows it.
ORDER = ("etcd", "registry", "dns", "gateway-sync", "gateway")
_EFFECTS = {
    "etcd": "restarted; commands end with exit 6 for a second or two, the gateway serves on",
    "registry": "restarted; pushes and pulls are tried again",
    "dns": "restarted; resolvers ask again",
    "gateway-sync": "restarted; the gateway serves on, deploys wait",
    "gateway": "a new one takes over its doors; no request is lost",
}


@dataclass(frozen=True, kw_only=True)
class State:
    """A part: of what it is made, or is to be made."""

    config: str  # compose's hash of its definition
    image: str  # id
    container: str = ""
    is_running: bool = True


@dataclass(frozen=True, kw_only=True)
class Change:
    part: str
    kind: Kind

    @property
    def is_none(self) -> bool:
        return self.kind == "unchanged"

    @property
    def effect(self) -> str:
        if self.is_none:
            return ""
        return "started" if self.kind in ("new", "stopped") else _EFFECTS[self.part]

    def as_dict(self) -> dict[str, str]:
        return {"part": self.part, "change": self.kind, "effect": self.effect}


def between(there: Mapping[str, State], wanted: Mapping[str, State]) -> list[Change]:
    """One for each part that is wanted, in the order in which they are replaced."""
    return [
        Change(part=part, kind=_kind(there.get(part), wanted[part]))
        for part in ORDER
        if part in wanted
    ]


def _kind(there: State | None, wanted: State) -> Kind:
    if there is None:
        return "new"
    if there.config != wanted.config:
        return "configuration changed"
    if there.image != wanted.image:
        return "image changed"
    return "unchanged" if there.is_running else "stopped"


def there(project: Project) -> dict[str, State]:
    """What there is of the project, running or not.

    Of two gateways, which an `up` that died may have left: the newer if it is well, because then
    it has taken over; else the older.
    """
    ids = project.run(("ps", "--all", "--quiet"), timeout=30).split()
    found = sorted(project.inspect(ids) if ids else [], key=lambda one: str(one["Created"]))
    well = [one for one in found if _is_well(one)]
    ill = sorted(
        (one for one in reversed(found) if not _is_well(one)),
        key=lambda one: bool(one["State"]["Running"]),
    )
    return {
        one["Config"]["Labels"][_SERVICE]: State(
            config=one["Config"]["Labels"].get(_HASH, ""),
            image=one["Image"],
            container=one["Id"],
            is_running=one["State"]["Running"],
        )
        for one in (*ill, *well)
    }


def _is_well(one: dict[str, Any]) -> bool:
    return (one["State"].get("Health") or {}).get("Status") == "healthy"


def wanted(project: Project, services: Iterable[str]) -> dict[str, State]:
    """What it should be; its images have been built."""
    hashes = dict(
        line.split() for line in project.run(("config", "--hash", "*"), timeout=30).splitlines()
    )
    model: dict[str, Any] = json.loads(project.run(("config", "--format", "json"), timeout=30))
    names = {name: model["services"][name]["image"] for name in services}
    ids = {one: project.inspect([one], kind="image")[0]["Id"] for one in set(names.values())}
    return {name: State(config=hashes[name], image=ids[names[name]]) for name in services}
