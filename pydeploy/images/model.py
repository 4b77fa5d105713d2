"""The canonical model without the checkout: nothing to build, nothing to mount from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydeploy.images import content

_OF_THE_CHECKOUT = ("build", "develop", "pull_policy", "env_file", "label_file")


def without_checkout(
    model: dict[str, Any], *, root: Path, pinned: Mapping[str, str]
) -> dict[str, Any]:
    """A copy of `model` that runs `pinned[service]` and mounts nothing from `root`."""
    result: dict[str, Any] = plain(model)
    gone = {kind: _baked_files(result, kind, root) for kind in ("configs", "secrets")}
    for name, service in (result.get("services") or {}).items():
        for key in _OF_THE_CHECKOUT:
            service.pop(key, None)
        service["image"] = pinned[name]
        _keep(service, "volumes", lambda mount: not content.is_baked_mount(mount, root))
        for kind, baked in gone.items():
            _keep(service, kind, lambda use, baked=baked: use["source"] not in baked)
    for kind, baked in gone.items():
        for name in baked:
            del result[kind][name]
        if kind in result and not result[kind]:
            del result[kind]
    escaped: dict[str, Any] = _with_dollars(result, "$", "$$")
    return escaped


def plain(model: dict[str, Any]) -> dict[str, Any]:
    """A copy of the canonical model with `$` as it is meant.

    Compose prints `$$`, so that its output can be its input; a path or a build argument that
    does not go through Compose again must not have it.
    """
    copied: dict[str, Any] = _with_dollars(model, "$$", "$")
    return copied


def _with_dollars(value: Any, old: str, new: str) -> Any:
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, dict):
        return {
            _with_dollars(key, old, new): _with_dollars(one, old, new) for key, one in value.items()
        }
    if isinstance(value, list):
        return [_with_dollars(one, old, new) for one in value]
    return value


def _baked_files(model: dict[str, Any], kind: str, root: Path) -> set[str]:
    definitions: dict[str, dict[str, Any]] = model.get(kind) or {}
    return {name for name, one in definitions.items() if content.is_baked_file(one, root)}


def _keep(service: dict[str, Any], key: str, is_kept: Any) -> None:
    """Filter a list of the service; an empty one goes."""
    if key not in service:
        return
    service[key] = [entry for entry in service[key] or () if is_kept(entry)]
    if not service[key]:
        del service[key]
