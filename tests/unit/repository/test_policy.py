"""Rules one by one where a fixture would say too little: what is allowed, and what is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pydeploy.config.site import Site
from pydeploy.repository import policy
from pydeploy.repository.documents import dumped, load
from pydeploy.repository.findings import Notes
from pydeploy.repository.policy import build, limits, mounts, network, service, whole
from pydeploy.repository.policy.rules import Denied
from pydeploy.repository.sources import Sources
from pydeploy.repository.tree import Tree


def _apply(root: Path, **web: Any) -> tuple[dict[str, Any], list[str]]:
    """The service `web` after the policy, and the codes noted."""
    model = {"name": "pydeploy", "services": {"web": {"image": "x", **web}}}
    sources = Sources(documents={"f.yml": load("f.yml", dumped(model).encode())})
    notes = Notes()
    result = policy.apply(model, site=Site(), tree=Tree(root), sources=sources, notes=notes)
    codes = [finding.code for finding in notes.findings]
    return result["services"]["web"] if result else {}, codes


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cap_add", ["NET_BIND_SERVICE", "CAP_CHOWN", "sys_chroot"]),
        ("cap_drop", ["ALL"]),
        ("security_opt", ["no-new-privileges:true"]),
        ("sysctls", {"net.core.somaxconn": "1024"}),
        ("ulimits", {"nofile": {"soft": 1, "hard": 2}}),
        ("extra_hosts", ["a=10.0.0.1", "b:10.0.0.2", "c=[::1]"]),
        ("network_mode", "none"),
        ("ipc", "private"),
        ("tmpfs", ["/run:size=64m,mode=1777,noexec"]),
        ("restart", "on-failure:3"),
        ("healthcheck", {"test": ["CMD", "true"], "start_interval": "1s"}),
        ("deploy", {"resources": {"limits": {"memory": "1", "cpus": 1, "pids": 5}}}),
        ("post_start", [{"command": ["true"], "user": "1"}]),
        ("labels", {"company.team": "docs"}),
    ],
)
def test_allowed(tmp_path: Path, key: str, value: object) -> None:
    """Harmless values stay as they are, without a word."""
    web, codes = _apply(tmp_path, **{key: value})
    assert codes == []
    assert web[key] == value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("privileged", False),
        ("devices", []),
        ("pid", ""),
        ("logging", {"driver": "json-file", "options": {"max-size": "1m"}}),
        ("scale", 1),
        ("pull_policy", "always"),
        ("command", None),
        ("x-team", {"a": 1}),
        ("ipc", ""),
    ],
)
def test_dropped_in_silence(tmp_path: Path, key: str, value: object) -> None:
    """What asks for nothing, or for what happens anyway."""
    web, codes = _apply(tmp_path, **{key: value})
    assert codes == []
    assert key not in web


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("not_invented_yet", 1, "policy.key-not-allowed"),
        ("gpus", "all", "policy.devices"),
        ("models", {"llm": {}}, "policy.provider"),
        ("ipc", "shareable", "policy.host-namespace"),
        ("uts", "container:x", "policy.host-namespace"),
        ("network_mode", "service:web", "policy.network-mode"),
        ("links", ["etcd"], "policy.external"),
        ("blkio_config", {"weight": 1000}, "policy.resources"),
        ("extra_hosts", ["x=host-gateway"], "policy.extra-hosts"),
        ("build", {"context": "ssh://x/y"}, "path.remote"),
        ("build", {"context": "/", "network": "container:etcd"}, "policy.build-network"),
        ("volumes", [{"type": "image", "source": "x", "target": "/"}], "policy.value-not-allowed"),
        ("volumes", ["/:/host"], "policy.value-not-allowed"),
        ("configs", [{"source": "c", "driver": "x"}], "policy.key-not-allowed"),
    ],
)
def test_refused(tmp_path: Path, key: str, value: object, code: str) -> None:
    """Also what the Compose of today does not know, or writes in another form."""
    _, codes = _apply(tmp_path, **{key: value})
    assert code in codes


@pytest.mark.parametrize("value", ["text", 7, ["a"], {"a": "b"}, {"a": {"b": ["c"]}}, [{"a": 1}]])
@pytest.mark.parametrize("key", sorted(service.SERVICE))
def test_other_shapes_are_no_traceback(tmp_path: Path, key: str, value: object) -> None:
    """Another Compose may write a key in another way: kept, dropped or refused, never a bug."""
    _apply(tmp_path, **{key: value})


@pytest.mark.parametrize("code", ["policy.privileged", "policy.devices"])
def test_refused_values_stay(tmp_path: Path, code: str) -> None:
    """So that an exception of site.yml gives what it grants."""
    asked = {"policy.privileged": ("privileged", True), "policy.devices": ("devices", ["/dev/kvm"])}
    key, value = asked[code]
    web, codes = _apply(tmp_path, **{key: value})
    assert codes == [code]
    assert web[key] == value


def test_one_port_is_one_port(tmp_path: Path) -> None:
    """Two host ports of one container port, and what the model keeps of them."""
    ports = [{"target": 80, "published": p, "mode": "host", "host_ip": "::"} for p in ("1", "2")]
    web, _ = _apply(tmp_path, ports=ports)
    assert web["ports"] == [{"mode": "ingress", "target": 80, "protocol": "tcp"}]


def test_every_service_has_a_network(tmp_path: Path) -> None:
    """A release's private network; or none at all, where it asked for that."""
    assert _apply(tmp_path)[0]["networks"] == {"default": None}
    assert "networks" not in _apply(tmp_path, network_mode="none")[0]


def test_tables_are_complete() -> None:
    """Every way out that DESIGN names is in a table, and refused whatever its value."""
    refused = {
        "privileged", "pid", "uts", "userns_mode", "cgroup", "cgroup_parent", "devices",
        "device_cgroup_rules", "runtime", "isolation", "volumes_from", "external_links",
        "provider", "credential_spec", "gpus", "use_api_socket",
    }  # fmt: skip
    assert all(isinstance(service.SERVICE[key], Denied) for key in refused)
    in_builds = {"ssh", "secrets", "entitlements", "privileged", "tags", "cache_to", "extra_hosts"}
    assert all(isinstance(build.BUILD[key], Denied) for key in in_builds)
    for table in (network.NETWORK, mounts.VOLUME, mounts.CONTENT):
        assert isinstance(table["external"], Denied)
        assert "x" not in table
    assert set(whole.TOP) == {"name", "services", "networks", "volumes", "configs", "secrets"}
    assert callable(limits.deploy)
