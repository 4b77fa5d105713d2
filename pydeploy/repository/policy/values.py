"""Rules on a service's values: environment, labels, capabilities and the like."""

from __future__ import annotations

from typing import Any

from pydeploy.repository.documents import KeyPath
from pydeploy.repository.policy.rules import (
    DROP,
    Denied,
    Rule,
    Scope,
    Table,
    has_shape,
    keep,
    shown,
)

# Docker's default set: asking for it again (after `cap_drop: [ALL]`) gives nothing new.
CAPABILITIES = frozenset(
    (
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "NET_RAW",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    )
)
# Settings of the container's own network namespace.
SYSCTLS = frozenset(
    (
        "net.core.somaxconn",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_max_syn_backlog",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_tw_reuse",
        "net.ipv6.conf.all.disable_ipv6",
    )
)
# Bounded by the memory and pids limits that every container has.
ULIMITS = frozenset(
    (
        "core",
        "fsize",
        "memlock",
        "nofile",
        "nproc",
        "stack",
    )
)
RESERVED_LABELS = ("io.pydeploy.", "com.docker.")
LOCAL_LOGS = ("json-file", "local", "none", "")


def environment(scope: Scope, path: KeyPath, value: Any) -> Any:
    """A variable without a value would be filled from whoever starts the container."""
    if not has_shape(scope, path, value, dict):
        return value
    for name, content in value.items():
        if content is None:
            scope.note("compose.inherited", (*path, name), "it has no value and is dropped")
    return {name: content for name, content in value.items() if content is not None}


def labels(scope: Scope, path: KeyPath, value: Any) -> Any:
    for name in value if has_shape(scope, path, value, dict) else ():
        if name.lower().startswith(RESERVED_LABELS):
            scope.note("policy.labels", (*path, name), "this label is reserved")
    return value


def capability(scope: Scope, path: KeyPath, value: Any) -> Any:
    if str(value).upper().removeprefix("CAP_") not in CAPABILITIES:
        scope.note("policy.capabilities", path, f"capability {shown(value)} is not allowed")
    return value


def security_opt(scope: Scope, path: KeyPath, value: Any) -> Any:
    if str(value).replace("=", ":") not in ("no-new-privileges", "no-new-privileges:true"):
        scope.note("policy.security-opt", path, f"{shown(value)} is not allowed")
    return value


def sysctl(scope: Scope, path: KeyPath, value: Any) -> Any:
    if path[-1] not in SYSCTLS:
        scope.note("policy.sysctls", path, "this kernel setting is not allowed")
    return value


def ulimit(scope: Scope, path: KeyPath, value: Any) -> Any:
    if path[-1] not in ULIMITS:
        scope.note("policy.ulimits", path, "this ulimit is not allowed")
    return value


def ipc(scope: Scope, path: KeyPath, value: Any) -> Any:
    if value not in ("private", "none", ""):
        scope.note("policy.host-namespace", path, f"{shown(value)} is shared with others")
    return value or DROP


def logging(scope: Scope, path: KeyPath, value: Any) -> Any:
    """pydeploy rotates logs on the engine; a change's driver would carry them elsewhere."""
    driver = value.get("driver", "") if has_shape(scope, path, value, dict) else ""
    if driver not in LOCAL_LOGS:
        scope.note("compose.logging", path, f"log driver {driver!r} is ignored")
    return DROP


_PRIVILEGED: Rule = Denied("policy.hooks", "a privileged hook owns the engine's machine")

HOOK: Table = {
    "command": keep,
    "user": keep,
    "working_dir": keep,
    "environment": keep,
    "privileged": _PRIVILEGED,
}
