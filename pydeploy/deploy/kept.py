"""Which services stay when releases change (`data: keep`), and their model: pure functions.

A service is stateful if it has a named volume, unless pydeploy.yml lists the stateful ones.  The
others are swapped side by side; those that mount a named volume all the same share it.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydeploy import names
from pydeploy.config.service import Data, Mode
from pydeploy.deploy.plan import Model
from pydeploy.errors import ConfigError, LayoutError
from pydeploy.state.records import Environment, Kept

NETWORK = "kept"  # what the stateful services call their own network
_OURS = "io.pydeploy."
# Follow from deadlines of the site and the team, and change nothing of what runs.
_TIMES_OF_START = ("start_period", "start_interval")
# What of an image's configuration its containers are made of; labels are not, so that an image
# that was built again from the same files counts as the same.
_OF_AN_IMAGE = (
    "Env",
    "Cmd",
    "Entrypoint",
    "WorkingDir",
    "User",
    "Volumes",
    "ExposedPorts",
    "Healthcheck",
    "StopSignal",
    "Shell",
)


def mode(asked: Mode | None, data: Data, *, is_named: bool) -> Mode:
    """Flag, then pydeploy.yml, then: environments with a name of their own keep."""
    return asked or data.mode or ("keep" if is_named else "fresh")


@dataclass(frozen=True, kw_only=True)
class Split:
    """The services of a model by how they live.

    `first` are the swapped ones that a stateful one waits for; `volumes` outlive releases.
    """

    stateful: tuple[str, ...] = ()
    swapped: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()


def split(model: Model, data: Data, mode_: Mode) -> Split:
    """ConfigError when pydeploy.yml names a service that is not there."""
    services: dict[str, Any] = model.get("services") or {}
    if mode_ == "fresh":
        return Split(swapped=tuple(services))
    _expect(services, data.stateful or (), "data/stateful")
    if data.stateful is None:
        chosen = {name for name, one in services.items() if named_volumes(one)}
    else:
        chosen = set(data.stateful)
    stateful = tuple(name for name in services if name in chosen)
    volumes = dict.fromkeys(name for one in services.values() for name in named_volumes(one))
    return Split(
        stateful=stateful,
        swapped=tuple(name for name in services if name not in chosen),
        first=_first(services, stateful),
        volumes=tuple(volumes),
    )


def expect_services(model: Model, data: Data) -> None:
    """ConfigError when `data:` names a service that is not there."""
    services = model.get("services") or {}
    _expect(services, [data.seed.service] if data.seed else (), "data/seed/service")
    _expect(services, data.dump, "data/dump")


def _expect(services: Collection[str], wanted: Iterable[str], path: str) -> None:
    for name in wanted:
        if name not in services:
            raise ConfigError(
                f"pydeploy.yml: {path}: {name!r} is not a service of the compose file",
                hint=f"choose one of: {', '.join(services)}",
            )


def named_volumes(service: Mapping[str, Any]) -> tuple[str, ...]:
    """Those that the model declares; anonymous ones have no source."""
    mounts = service.get("volumes") or ()
    return tuple(
        str(one["source"]) for one in mounts if one.get("type") == "volume" and one.get("source")
    )


def _first(services: Mapping[str, Any], stateful: tuple[str, ...]) -> tuple[str, ...]:
    """The swapped services that must be up, or done, before the stateful ones."""
    found: dict[str, None] = {}
    waiting = [name for one in stateful for name in _needs(services[one]) if name not in stateful]
    while waiting:
        name = waiting.pop()
        if name in found or name not in services:
            continue
        found[name] = None
        for further in _needs(services[name]):
            if further in stateful:
                raise LayoutError(
                    f"{', '.join(stateful)} wait for {name}, which waits for {further}: services "
                    "that stay cannot wait for one that is swapped and itself waits for them",
                    hint="take one `depends_on` away, or list both under data/stateful",
                )
            waiting.append(further)
    return tuple(name for name in services if name in found)


def _needs(service: Mapping[str, Any]) -> list[str]:
    return list(service.get("depends_on") or {})


def with_needs(model: Model, services: Iterable[str]) -> set[str]:
    """These services, and all whom they wait for."""
    found: set[str] = set()
    waiting = list(services)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _needs(model["services"][name])
    return found


def on_engine(record: Environment | None, engine: str) -> Kept | None:
    """What an environment keeps there; None where it keeps nothing, or elsewhere."""
    there = record.kept if record else None
    return there if there and there.engine == engine else None


def discarded(before: Environment | None, now: Kept | None) -> tuple[str, ...]:
    """The volumes that an environment kept and keeps no longer: they are nobody's any more."""
    if before is None:
        return ()
    named = set(before.kept.volumes.values()) if before.kept else set()
    still = set(now.volumes.values()) if now else set()
    return tuple(sorted((named | set(before.discarded)) - still))


def images(model: Model) -> dict[str, str]:
    """Volume → an image that the engine has, because a service with the volume runs it."""
    services = model["services"].values()
    return {volume: one["image"] for one in services for volume in named_volumes(one)}


def part(model: Model, services: Collection[str]) -> Model:
    """A copy of `model` with these services only; whom they wait for elsewhere is ours to know."""
    found: Model = copy.deepcopy({key: model[key] for key in model if key != "services"})
    found["services"] = {
        name: copy.deepcopy(one) for name, one in model["services"].items() if name in services
    }
    for one in found["services"].values():
        needs = one.get("depends_on") or {}
        one["depends_on"] = {name: how for name, how in needs.items() if name in services}
    used = {name for one in found["services"].values() for name in named_volumes(one)}
    found["volumes"] = {
        name: one for name, one in (model.get("volumes") or {}).items() if name in used
    }
    return found


def in_own_network(model: Model) -> Model:
    """The stateful part: all its services are in the environment's network, and in no other yet."""
    found = copy.deepcopy(model)
    for one in found["services"].values():
        if "network_mode" not in one:
            one["networks"] = {NETWORK: {"aliases": sorted(_all_aliases(one))}}
    found["networks"] = {NETWORK: {}}
    return found


def is_internal(model: Model) -> bool:
    """Whether none of its networks leads outside."""
    declared = model.get("networks") or {}
    used = {
        name
        for one in model["services"].values()
        for name in (one.get("networks") or {"default": None})
    }
    return bool(used) and all((declared.get(name) or {}).get("internal") for name in used)


def memberships(service: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The release's networks that a stateful service joins, and its further names in each."""
    if "network_mode" in service:
        return {}
    networks = service.get("networks") or {"default": None}
    return {name: tuple((options or {}).get("aliases") or ()) for name, options in networks.items()}


def _all_aliases(service: Mapping[str, Any]) -> set[str]:
    return {alias for aliases in memberships(service).values() for alias in aliases}


def fingerprint(definition: Mapping[str, Any], image: Mapping[str, Any]) -> str:
    """What a stateful service's container is made of; another one means a new container.

    `definition` is the service as compose gets it, `image` what the engine says of its image.
    """
    own = {key: value for key, value in definition.items() if key not in ("image", "depends_on")}
    own["labels"] = {
        key: value
        for key, value in (definition.get("labels") or {}).items()
        if not key.startswith(_OURS)
    }
    check = definition.get("healthcheck") or {}
    own["healthcheck"] = {key: check[key] for key in check if key not in _TIMES_OF_START}
    config = image.get("Config") or {}
    facts = {
        "definition": own,
        "layers": (image.get("RootFS") or {}).get("Layers"),
        "config": {key: config.get(key) for key in _OF_AN_IMAGE},
    }
    text = json.dumps(facts, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def volume_labels(labels: Mapping[str, str], volume: str) -> dict[str, str]:
    return {**labels, names.KEPT: "true", names.VOLUME: volume}
