"""The policy from end to end: the raw files, the canonical model, the model as a whole."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from pydeploy.config.site import Site
from pydeploy.repository.documents import KeyPath
from pydeploy.repository.findings import Notes, Place
from pydeploy.repository.image_names import Allowed
from pydeploy.repository.policy import granted, mounts, network, service
from pydeploy.repository.policy.rules import (
    Denied,
    Each,
    Nested,
    Scope,
    Table,
    dotted,
    drop,
    is_off,
    named,
)
from pydeploy.repository.policy.rules import apply as apply_table
from pydeploy.repository.sources import Sources
from pydeploy.repository.tree import Tree

MAX_PORTS = 32  # of one environment; a range such as 1-65535 would claim every port of the site

TOP: Table = {
    "name": drop,
    "services": named(Nested(service.SERVICE)),
    "networks": named(Nested(network.NETWORK)),
    "volumes": named(Nested(mounts.VOLUME)),
    "configs": named(Nested(mounts.CONTENT)),
    "secrets": named(Nested(granted.SECRET)),
}
_SECTIONS: dict[str, Table] = {
    "services": service.SERVICE,
    "networks": network.NETWORK,
    "volumes": mounts.VOLUME,
    "configs": mounts.CONTENT,
    "secrets": granted.SECRET,
}


def apply(
    model: dict[str, Any],
    *,
    site: Site,
    tree: Tree,
    sources: Sources,
    notes: Notes,
    gerrit_project: str | None = None,
    branch: str | None = None,
) -> dict[str, Any] | None:
    """The neutralised model; what is refused is in `notes`.

    None when a value has another shape than Compose's model of today: nothing more can be said.
    """
    mine = frozenset(
        one.name for one in site.secrets if one.is_for(gerrit_project or "", branch or "")
    )
    scope = Scope(site=site, tree=tree, sources=sources, notes=notes, model=model, granted=mine)
    result: dict[str, Any] = apply_table(scope, TOP, model, ())
    if scope.is_strange:
        return None
    services = result.setdefault("services", {})
    _share_builds(scope, services, Allowed(site=site, gerrit_project=gerrit_project))
    _join_default_network(services, result)
    _keep_names(scope, services)
    _forget_absent(services)
    granted.check_uses(scope, result)
    _count(scope, result)
    return result


def prescan(sources: Sources, notes: Notes) -> None:
    """What is refused whatever its value, in the files as they were written.

    It is found by the model, too; here it has its exact line, and is reported also when a
    refused path keeps Compose from making the model, or Compose does not know the key.
    """
    for document in sources.documents.values():
        for section, table in _SECTIONS.items():
            entries = document.data.get(section)
            for name, entry in entries.items() if isinstance(entries, dict) else ():
                if isinstance(entry, dict) and not entry.get("profiles"):
                    _prescan(table, entry, (section, name), sources, notes)


def _prescan(table: Table, raw: dict[str, Any], path: KeyPath, src: Sources, notes: Notes) -> None:
    for key, value in raw.items():
        _prescan_value(table.get(key), value, (*path, key), src, notes)


def _prescan_value(rule: object, value: Any, here: KeyPath, src: Sources, notes: Notes) -> None:
    if isinstance(rule, Each) and isinstance(value, list):
        for number, item in enumerate(value):
            _prescan_value(rule.rule, item, (*here, number), src, notes)
    elif isinstance(rule, Denied) and not is_off(value) and "$" not in str(value):
        notes.add(rule.code, f"{dotted(here)}: {rule.what}", src.place(here))
    elif isinstance(rule, Nested) and isinstance(value, dict):
        _prescan(rule.table, value, here, src, notes)


def _share_builds(scope: Scope, services: dict[str, Any], allowed: Allowed) -> None:
    """Names of images are ours: who uses the name that another service's build had, builds too."""
    built = {s["image"]: s["build"] for s in services.values() if "image" in s and "build" in s}
    for name, one in services.items():
        image = one.get("image")
        if image and "build" in one:
            what = f"image name {image!r} is ignored, the image is built"
            scope.note("compose.image-name", ("services", name, "image"), what)
            del one["image"]
        elif image in built:
            one["build"] = deepcopy(built[image])
            del one["image"]
        elif image and (problem := allowed.problem(image)):
            scope.note(problem[0], ("services", name, "image"), problem[1])


def _join_default_network(services: dict[str, Any], model: dict[str, Any]) -> None:
    """A service that has lost its network mode, or had none, is in the private network."""
    for one in services.values():
        if "network_mode" not in one and not one.get("networks"):
            one["networks"] = {"default": None}
            model.setdefault("networks", {}).setdefault("default", {})


def _keep_names(scope: Scope, services: dict[str, Any]) -> None:
    """A container's former name still resolves inside the environment."""
    for name, alias in scope.container_names.items():
        if alias in services:
            continue
        memberships = services[name].get("networks") or {}
        for key, options in memberships.items():
            aliases = [*(options or {}).get("aliases", []), alias]
            memberships[key] = {**(options or {}), "aliases": list(dict.fromkeys(aliases))}


def _forget_absent(services: dict[str, Any]) -> None:
    """An optional dependency on a service that a profile leaves out is none."""
    for one in services.values():
        wanted = one.get("depends_on", {})
        kept = {name: how for name, how in wanted.items() if name in services}
        if kept != wanted:
            one["depends_on"] = kept


def _count(scope: Scope, model: dict[str, Any]) -> None:
    services, limits = model["services"], scope.site.limits
    networks = len(model.get("networks", {}))
    ports = sum(len(one.get("ports", [])) for one in services.values())
    main = Place(file=next(iter(scope.sources.documents)))
    if not services:
        scope.notes.add("layout.no-services", "no service would run", main)
    if len(services) > limits.services:
        message = f"{len(services)} services, more than {limits.services}"
        scope.notes.add("policy.too-many-services", message, main)
    if networks > limits.networks:
        message = f"{networks} networks, more than {limits.networks}"
        scope.notes.add("policy.too-many-networks", message, main)
    if ports > MAX_PORTS:
        scope.notes.add("policy.ports", f"{ports} ports, more than {MAX_PORTS}", main)
