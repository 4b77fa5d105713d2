"""The table of a service's keys."""

from __future__ import annotations

from typing import Any

from pydeploy.repository.documents import KeyPath
from pydeploy.repository.policy import build, limits, mounts, network, times, values
from pydeploy.repository.policy.rules import (
    DROP,
    Denied,
    Each,
    Nested,
    Rule,
    Scope,
    Table,
    drop,
    ignored,
    keep,
    matching,
    named,
)


def _container_name(scope: Scope, path: KeyPath, value: Any) -> Any:
    scope.note("compose.container-name", path, f"container_name {value!r} is ignored")
    scope.container_names[str(path[1])] = str(value)
    return DROP


_DEPENDENCY: Table = {"condition": keep, "required": keep, "restart": keep}
_HEALTH: Table = {
    **dict.fromkeys(("test", "retries", "disable"), keep),
    "interval": times.within("500ms", "5m"),  # an engine starts a process each time
    "timeout": times.within("500ms", "5m"),
    "start_period": times.within("0s", "30m"),
    "start_interval": times.within("500ms", "5m"),
}
_DEVICES = Denied("policy.devices", "devices of the host are not for a change")
_HOST = Denied("policy.host-namespace", "namespaces of the host or of others are not for a change")
_CGROUP = Denied("policy.cgroup", "the cgroup is not the change's choice")
_RUNTIME = Denied("policy.runtime", "the runtime is not the change's choice")
_RESOURCES = Denied("policy.resources", "this setting takes from others")
_PLACEMENT = ignored("compose.ignored", "CPU placement and weights are ignored")

_PROGRAM: dict[str, Rule] = dict.fromkeys(
    ("command", "entrypoint", "user", "working_dir", "hostname", "domainname", "init", "tty",
     "stdin_open", "read_only", "stop_signal", "expose", "group_add",
     "cap_drop", "restart", "platform"),
    keep,
)  # fmt: skip
_PROGRAM["stop_grace_period"] = times.within("0s", "5m")  # the engine waits for it

_STORAGE: dict[str, Rule] = {
    "volumes": mounts.volumes,
    "tmpfs": mounts.tmpfs,
    "configs": Each(Nested(mounts.GRANT)),
    "secrets": Each(Nested(mounts.GRANT)),
    "volumes_from": Denied("policy.volumes-from", "volumes of other containers are out of reach"),
    "volume_driver": Denied("policy.volume-driver", "the volume driver is not the change's choice"),
    "storage_opt": Denied("policy.resources", "storage options are not the change's choice"),
}

_NETWORK: dict[str, Rule] = {
    "networks": network.memberships,
    "network_mode": network.mode,
    "ports": network.ports,
    "links": network.links,
    "external_links": Denied("policy.external", "containers of others are out of reach"),
    "extra_hosts": network.extra_hosts,
    "dns": ignored("compose.ignored", "names resolve as the engine says; dns is ignored"),
    "dns_search": ignored("compose.ignored", "dns_search is ignored"),
    "dns_opt": ignored("compose.ignored", "dns_opt is ignored"),
    "mac_address": ignored("compose.address", "the MAC address is ignored"),
}

_PRIVILEGES: dict[str, Rule] = {
    "privileged": Denied("policy.privileged", "a privileged container owns the engine's machine"),
    "cap_add": Each(values.capability),
    "security_opt": Each(values.security_opt),
    "sysctls": named(values.sysctl),
    "ulimits": named(values.ulimit),
    "devices": _DEVICES,
    "device_cgroup_rules": _DEVICES,
    "gpus": _DEVICES,
    "pid": _HOST,
    "uts": _HOST,
    "userns_mode": _HOST,
    "ipc": values.ipc,
    "cgroup": _CGROUP,
    "cgroup_parent": _CGROUP,
    "runtime": _RUNTIME,
    "isolation": _RUNTIME,
    "credential_spec": Denied("policy.host-namespace", "credentials of the host are out of reach"),
    "use_api_socket": Denied("policy.docker-socket", "the engine's API is not for a change"),
    "provider": Denied("policy.provider", "a provider runs outside of any container"),
    "models": Denied("policy.provider", "models run outside of any container"),
    "post_start": Each(Nested(values.HOOK)),
    "pre_stop": Each(Nested(values.HOOK)),
}

_LIMITS: dict[str, Rule] = {
    **dict.fromkeys(("mem_limit", "mem_reservation", "cpus", "shm_size"), limits.amount),
    "pids_limit": keep,
    **dict.fromkeys(
        ("cpu_shares", "cpu_quota", "cpu_period", "cpuset", "cpu_count", "cpu_percent",
         "memswap_limit", "mem_swappiness"),
        _PLACEMENT,
    ),
    **dict.fromkeys(
        ("oom_kill_disable", "oom_score_adj", "blkio_config", "cpu_rt_runtime", "cpu_rt_period"),
        _RESOURCES,
    ),
    "deploy": limits.deploy,
    "scale": limits.replicas,
}  # fmt: skip

SERVICE: Table = {
    **_PROGRAM,
    **_STORAGE,
    **_NETWORK,
    **_PRIVILEGES,
    **_LIMITS,
    "build": Nested(build.BUILD),
    "image": matching(r"[a-zA-Z0-9][\w.:/@-]*", "an image name"),
    "container_name": _container_name,
    "environment": values.environment,
    "env_file": drop,  # Compose has put their content into `environment`
    "label_file": Denied("policy.labels", "labels are written in the compose file"),
    "labels": values.labels,
    "annotations": Denied("policy.labels", "annotations can steer the runtime"),
    "depends_on": named(Nested(_DEPENDENCY)),
    "healthcheck": Nested(_HEALTH),
    "logging": values.logging,
    "profiles": drop,  # those that are not active are gone already
    "pull_policy": drop,
    "attach": drop,
    "develop": drop,
    "extends": drop,
}
