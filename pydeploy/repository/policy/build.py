"""The table of a service's `build:`."""

from __future__ import annotations

from typing import Any

from pydeploy.repository.documents import KeyPath
from pydeploy.repository.policy import values
from pydeploy.repository.policy.paths import located
from pydeploy.repository.policy.rules import (
    Denied,
    Scope,
    Table,
    drop,
    ignored,
    keep,
    one_of,
)

_ACCESS = Denied("policy.build-access", "the agent's keys and secrets are not for builds")
_PRIVILEGES = Denied("policy.build-privileges", "builds run without privileges")
_OUTPUT = Denied("policy.build-output", "pydeploy names and caches what it builds")
_NETWORK = Denied("policy.build-network", "hosts of a build are not the change's choice")
# Without its context the builder would fetch an image of that name from anywhere.
_CONTEXTS = Denied("policy.key-not-allowed", "builds have one context; copy from another stage")
_IGNORED = ignored("compose.ignored", "pydeploy decides this for builds; it is ignored")


def _context(scope: Scope, path: KeyPath, value: Any) -> Any:
    """A folder inside the repository, as an absolute path."""
    clean = located(scope, path, value)
    if clean is not None and scope.tree.kind(clean) != "folder":
        scope.note("path.missing", path, f"there is no folder {clean!r}")
    return value


def _args(scope: Scope, path: KeyPath, value: Any) -> Any:
    """BUILDKIT_SYNTAX and its like steer the builder, not the Dockerfile."""
    for name in value if isinstance(value, dict) else ():
        if name.upper().startswith("BUILDKIT_"):
            scope.note("policy.build-privileges", (*path, name), "it steers the builder")
    return values.environment(scope, path, value)


BUILD: Table = {
    "context": _context,
    "dockerfile": keep,  # read, and so located, with the Dockerfiles
    "dockerfile_inline": keep,
    "args": _args,
    "target": keep,
    "labels": values.labels,
    "additional_contexts": _CONTEXTS,
    "network": one_of("default", "none", code="policy.build-network"),
    "extra_hosts": _NETWORK,
    "ssh": _ACCESS,
    "secrets": _ACCESS,
    "entitlements": _PRIVILEGES,
    "privileged": _PRIVILEGES,
    "isolation": _PRIVILEGES,
    "ulimits": _PRIVILEGES,
    "tags": _OUTPUT,
    "cache_to": _OUTPUT,
    "cache_from": _IGNORED,
    "platforms": _IGNORED,
    "shm_size": _IGNORED,
    "no_cache": drop,
    "pull": drop,
    "provenance": drop,
    "sbom": drop,
}
