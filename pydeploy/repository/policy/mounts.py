"""Rules on what is mounted into a container: volumes, binds, tmpfs, configs, secrets."""

from __future__ import annotations

import re
from typing import Any

from pydeploy.repository.documents import KeyPath
from pydeploy.repository.policy import values
from pydeploy.repository.policy.paths import located
from pydeploy.repository.policy.rules import (
    DROP,
    Denied,
    Each,
    Nested,
    Rule,
    Scope,
    Table,
    apply,
    drop,
    ignored,
    keep,
    one_of,
    shown,
)

_TMPFS_OPTION = re.compile(
    r"rw|ro|exec|noexec|nosuid|nodev|size=\d+[kKmMgG]?b?|mode=\d+|[ug]id=\d+"
)

GRANT: Table = dict.fromkeys(("source", "target", "uid", "gid", "mode"), keep)
"""A config or secret that a service mounts."""

_BIND: Table = {
    "create_host_path": drop,
    "selinux": drop,
    "recursive": drop,
    "propagation": one_of("rprivate", "private"),
}
_VOLUME: Table = {
    "type": keep,
    "source": keep,
    "target": keep,
    "read_only": keep,
    "consistency": drop,
    "bind": Nested(_BIND),
    "volume": Nested({"nocopy": keep}),
    "tmpfs": Nested({"size": keep, "mode": keep}),
}


def volumes(scope: Scope, path: KeyPath, value: Any) -> Any:
    return Each(_mount)(scope, path, value)


def _mount(scope: Scope, path: KeyPath, value: Any) -> Any:
    kept = apply(scope, _VOLUME, value, path)
    if not isinstance(value, dict):
        return value
    kind = value.get("type")
    if kind == "bind":
        return _bind(scope, path, kept)
    if kind not in ("volume", "tmpfs"):
        scope.note("policy.value-not-allowed", path, f"type {shown(kind)} is not allowed")
    return kept


def _bind(scope: Scope, path: KeyPath, mount: dict[str, Any]) -> Any:
    """A path inside the repository; where there is none, an empty volume takes its place."""
    source = str(mount.get("source", ""))
    mount.pop("bind", None)
    if source.rstrip("/").endswith(("docker.sock", "containerd.sock", "podman.sock")):
        scope.note("policy.docker-socket", path, f"{source!r} is the engine's own door")
        return mount
    clean = located(scope, path, source, code="policy.bind-outside")
    if clean is None:
        return mount
    kind = scope.tree.kind(clean)
    if kind == "special":
        scope.note("path.special", path, f"{clean!r} is not a regular file or folder")
    if kind == "missing":
        scope.note("compose.bind-missing", path, f"there is no {clean!r} in the repository")
        return {"type": "volume", "target": mount["target"]}
    return mount


def tmpfs(scope: Scope, path: KeyPath, value: Any) -> Any:
    return Each(_tmpfs)(scope, path, [value] if isinstance(value, str) else value)


def _tmpfs(scope: Scope, path: KeyPath, value: Any) -> Any:
    options = str(value).partition(":")[2]
    for option in filter(None, options.split(",")):
        if not _TMPFS_OPTION.fullmatch(option):
            scope.note("policy.value-not-allowed", path, f"tmpfs option {option!r} is not allowed")
    return value


def _fixed_name(scope: Scope, path: KeyPath, value: Any) -> Any:
    """Names are the project's; Compose itself fills in `<project>_<key>`."""
    project = scope.model.get("name", "")
    if value != f"{project}_{path[1]}":
        scope.note("compose.fixed-name", path, f"the fixed name {shown(value)} is ignored")
    return DROP


FIXED_NAME: Rule = _fixed_name
EXTERNAL = Denied("policy.external", "it belongs to somebody else")
_VOLUME_DRIVER = Denied("policy.volume-driver", "driver options can mount the host's folders")

VOLUME: Table = {
    "name": FIXED_NAME,
    "driver": one_of("local", code="policy.volume-driver"),
    "driver_opts": _VOLUME_DRIVER,
    "labels": values.labels,
    "external": EXTERNAL,
}


def _content(scope: Scope, path: KeyPath, value: Any) -> Any:
    """The file of a config or secret: regular, inside the repository, there."""
    clean = located(scope, path, value)
    if clean is None:
        return value
    kind = scope.tree.kind(clean)
    if kind != "file":
        code = "path.missing" if kind == "missing" else "path.special"
        scope.note(code, path, f"{clean!r} is {'not there' if kind == 'missing' else f'a {kind}'}")
    return value


CONTENT: Table = {
    "name": FIXED_NAME,
    "file": _content,
    "content": keep,
    "labels": values.labels,
    "external": EXTERNAL,
    "environment": Denied("policy.agent-environment", "it would come from the agent's environment"),
    "driver": Denied("policy.agent-environment", "it would come from a driver of the host"),
    "driver_opts": Denied("policy.agent-environment", "it would come from a driver of the host"),
    "template_driver": ignored("compose.ignored", "templates are a swarm's"),
}
"""A config or secret at the top level."""
