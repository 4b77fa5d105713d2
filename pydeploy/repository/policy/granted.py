"""Rules on secrets of the site: `external: true` in a compose file, granted by site.yml.

pydeploy delivers them as files of a read-only volume at /run/secrets, so each is one file right
there, and nothing else may be mounted there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

from pydeploy.repository.documents import KeyPath
from pydeploy.repository.policy import mounts
from pydeploy.repository.policy.rules import DROP, Scope, Table, is_off, shown

FOLDER = "/run/secrets"
_TARGET = re.compile(rf"({FOLDER}/)?(?!\.{{1,2}}$)[A-Za-z0-9._-]{{1,255}}")
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
_MODE = re.compile(r"0?[0-7]{1,3}", re.ASCII)


def _external(scope: Scope, path: KeyPath, value: Any) -> Any:
    """A secret of the site, if it is this branch's to have; else it is somebody else's."""
    if is_off(value):
        return DROP
    if "file" in scope.model["secrets"][path[1]]:
        scope.note("policy.value-not-allowed", path, "it has a `file`, so it is not external")
    if path[1] not in scope.granted:
        mend = f"let the operator grant {str(path[1])!r} to this project and branch in site.yml"
        scope.note("policy.secret-not-granted", path, f"{path[1]!r} is not granted", mend=mend)
    return True


def _name(scope: Scope, path: KeyPath, value: Any) -> Any:
    """Of a secret of the site the key is the name."""
    if is_off(scope.model["secrets"][path[1]].get("external")):
        return mounts.FIXED_NAME(scope, path, value)
    if value != path[1]:
        scope.note("policy.secret-not-granted", path, "another name than its key is not allowed")
    return DROP


SECRET: Table = {**mounts.CONTENT, "name": _name, "external": _external}
"""A secret at the top level: a file of the repository, or one that the site grants."""


def check_uses(scope: Scope, model: dict[str, Any]) -> None:
    """Each is a file right below /run/secrets, two are not the same, nothing else is there."""
    secrets = model.get("secrets") or {}
    for name, service in model["services"].items():
        uses = [
            (("services", name, "secrets", number), use)
            for number, use in enumerate(service.get("secrets") or ())
            if secrets.get(use.get("source"), {}).get("external")
        ]
        seen: set[str] = set()
        for path, use in uses:
            _check_use(scope, path, use, seen)
        for place, target in _others(model, name) if uses else ():
            what = f"{shown(target)} is where secrets of the site are put"
            scope.note("policy.secret-target", place, what, mend="mount it elsewhere")


def _check_use(scope: Scope, path: KeyPath, use: dict[str, Any], seen: set[str]) -> None:
    target = str(use.get("target") or use["source"])
    if not _TARGET.fullmatch(target):
        what = f"target {shown(target)} is not a name below {FOLDER}"
        scope.note("policy.secret-target", path, what)
    file = target.removeprefix(f"{FOLDER}/")
    if file in seen:
        scope.note("policy.secret-target", path, f"two secrets would be the file {shown(file)}")
    seen.add(file)
    for key in ("uid", "gid"):
        if not _NUMBER.fullmatch(str(use.get(key) or 0)):
            scope.note("policy.value-not-allowed", (*path, key), f"{key} is not a number")
    if not _is_mode(use.get("mode")):
        what = "mode is not one of a plain file: write for example 0440"
        scope.note("policy.value-not-allowed", (*path, "mode"), what)


def _is_mode(mode: Any) -> bool:
    """Compose gives a number, or octal text in newer versions."""
    if isinstance(mode, int):
        return 0 <= mode <= 0o777
    return mode is None or bool(_MODE.fullmatch(str(mode)))


def _others(model: dict[str, Any], name: str) -> Iterator[tuple[KeyPath, str]]:
    """What a service has at or below /run/secrets that is no layer of its image."""
    service = model["services"][name]
    configs = model.get("configs") or {}
    for number, mount in enumerate(service.get("volumes") or ()):
        if mount.get("type") != "bind" and _is_there(mount.get("target")):
            yield ("services", name, "volumes", number), mount["target"]
    for number, entry in enumerate(service.get("tmpfs") or ()):
        if _is_there(target := str(entry).partition(":")[0]):
            yield ("services", name, "tmpfs", number), target
    for number, use in enumerate(service.get("configs") or ()):
        is_file = "file" in (configs.get(use.get("source")) or {})
        if not is_file and _is_there(use.get("target")):
            yield ("services", name, "configs", number), use["target"]


def _is_there(target: Any) -> bool:
    """Also by `/var/run`, which is a link to `/run` in most images."""
    parts = os.path.normpath(f"/{target or ''}").strip("/").split("/")
    return parts[:2] == ["run", "secrets"] or parts[:3] == ["var", "run", "secrets"]
