"""What docker-compose.yml is told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from pydeploy.config.site import Site
from pydeploy.platform import compose, place, settings
from pydeploy.platform.ports import Ports

PORTS = Ports(http=8080, https=8443, dns=5300, etcd_peer=2390)
COMPOSE = (place.sources() / "docker-compose.yml").read_text()


def _env_vars(
    tmp_path: Path, machine: dict[str, str] | None = None, **sections: Any
) -> dict[str, str]:
    file = tmp_path / "site.yml"
    if not file.exists():
        file.write_text("site: a\n")
    return settings.env_vars(Site.model_validate(sections), PORTS, file, machine or {})


def test_every_variable_of_the_compose_file_is_told_or_has_a_default(tmp_path: Path) -> None:
    """A misspelt one on either side would silently be the default."""
    told = set(_env_vars(tmp_path)) | {
        "PYDEPLOY_ETCD_CA",
        "PYDEPLOY_ETCD_CERT",
        "PYDEPLOY_ETCD_KEY",
    }
    used = set(re.findall(r"\$\{(PYDEPLOY_\w+):-", COMPOSE))
    assert told - used == set()
    assert used - told == {"PYDEPLOY_GATEWAY_WAIT", "PYDEPLOY_ETCD_LOG_LEVEL"}  # for tests
    assert re.findall(r"\$\{PYDEPLOY_\w+\}", COMPOSE) == []


def test_ports_and_names_come_from_site_and_choice(tmp_path: Path) -> None:
    found = _env_vars(
        tmp_path,
        site="x",
        domains=["a.test", "b.test"],
        etcd={"endpoints": ["http://127.0.0.1:3379"]},
        registry={"address": "127.0.0.1:5500"},
    )
    assert found["PYDEPLOY_SITE"] == "x"
    assert found["PYDEPLOY_ETCD_CLIENT_PORT"] == "3379"
    assert found["PYDEPLOY_ETCD_PEER_PORT"] == "2390"
    assert found["PYDEPLOY_GATEWAY_HTTP_PORT"] == "8080"
    assert found["PYDEPLOY_REGISTRY_PORT"] == "5500"
    assert found["PYDEPLOY_DNS_DOMAINS"] == "a.test b.test"


def test_another_content_is_another_identity(tmp_path: Path) -> None:
    """So that compose starts anew what read the old one."""
    first = _env_vars(tmp_path)["PYDEPLOY_SITE_FILE_ID"]
    (tmp_path / "site.yml").write_text("site: b\n")
    assert _env_vars(tmp_path)["PYDEPLOY_SITE_FILE_ID"] != first


def test_a_certificate_is_mounted_with_its_identity(tmp_path: Path) -> None:
    certificate = tmp_path / "wildcard.pem"
    certificate.write_text("PEM")
    found = _env_vars(tmp_path, gateway={"certificate": str(certificate)})
    assert found["PYDEPLOY_GATEWAY_CERTIFICATE"] == str(certificate)
    assert found["PYDEPLOY_GATEWAY_CERTIFICATE_ID"]
    assert _env_vars(tmp_path)["PYDEPLOY_GATEWAY_CERTIFICATE"] == "/dev/null"


def test_builds_trust_whom_the_machine_trusts_unless_the_site_says_otherwise(
    tmp_path: Path,
) -> None:
    machine_bundle, site_bundle = tmp_path / "machine.crt", tmp_path / "site.crt"
    machine_bundle.touch()
    site_bundle.touch()
    machine = {"SSL_CERT_FILE": str(machine_bundle)}
    assert _env_vars(tmp_path, machine)["PYDEPLOY_CA_FILE"] == str(machine_bundle)
    found = _env_vars(tmp_path, machine, build={"ca": str(site_bundle)})
    assert found["PYDEPLOY_CA_FILE"] == str(site_bundle)


def test_pip_in_builds_is_configured_as_here(tmp_path: Path) -> None:
    file = tmp_path / ".config/pip/pip.conf"
    file.parent.mkdir(parents=True)
    file.touch()
    assert _env_vars(tmp_path, {"HOME": str(tmp_path)})["PYDEPLOY_PIP_CONF"] == str(file)


def test_a_proxy_is_told_only_if_there_is_one(tmp_path: Path) -> None:
    assert "HTTP_PROXY" not in _env_vars(tmp_path)
    found = _env_vars(tmp_path, build={"proxy": {"http": "http://proxy.test:3128"}})
    assert found["HTTP_PROXY"] == "http://proxy.test:3128"


@pytest.mark.parametrize(
    ("sections", "started"),
    [
        ({}, {"gateway", "gateway-sync", "dns", "etcd"}),
        (
            {"registry": {"address": "127.0.0.1:5000"}},
            {"gateway", "gateway-sync", "dns", "etcd", "registry"},
        ),
        (
            {"etcd": {"endpoints": ["https://etcd.example.org:2379"]}},
            {"gateway", "gateway-sync", "dns"},
        ),
    ],
)
def test_only_what_the_site_has_here_is_started(
    sections: dict[str, Any], started: set[str]
) -> None:
    assert set(settings.services(Site.model_validate(sections))) == started


def test_argv_of_compose() -> None:
    assert compose.base("pydeploy-x", "/f.yml") == (
        "docker", "compose", "--ansi", "never", "--project-name", "pydeploy-x", "--file", "/f.yml",
    )  # fmt: skip
    assert compose.build(["etcd"]) == ("build", "etcd")
    assert compose.up(["etcd", "dns"]) == (
        "up", "--detach", "--no-build", "--remove-orphans", "etcd", "dns",
    )  # fmt: skip
    assert compose.down(volumes=False) == ("down", "--remove-orphans")
    assert compose.down(volumes=True) == ("down", "--remove-orphans", "--volumes")


@pytest.mark.parametrize("service", ["etcd", "registry", "gateway", "gateway-sync", "dns"])
def test_every_part_has_little_and_comes_back(service: str) -> None:
    """Limits, no new privileges, a read-only root, logs that end, and always a restart."""
    part = yaml.safe_load(COMPOSE)["services"][service]
    assert part["restart"] == "always"
    assert part["read_only"] is True
    assert part["cap_drop"] == ["ALL"]
    assert part["security_opt"] == ["no-new-privileges:true"]
    assert part["mem_limit"]
    assert part["pids_limit"]
    assert part["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert part["healthcheck"]["start_interval"] == "500ms"
