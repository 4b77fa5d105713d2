"""`up`, `down`, `doctor` and `dns` on a real engine, as an operator calls them."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from pydeploy.clients import dns
from pydeploy.clients.etcd import Etcd
from pydeploy.state.records import Gateway
from tests.integration.platform.parts import get, site_ports
from tests.integration.support.cli import Cli

NAME = f"life{os.getpid()}"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    ports = site_ports()
    return {
        "site": NAME,
        "domains": ["deploy.deepin.test", "deploy.localhost"],
        "state_dir": str(tmp_path_factory.mktemp("state")),
        "etcd": {"endpoints": [f"http://127.0.0.1:{ports['PYDEPLOY_ETCD_CLIENT_PORT']}"]},
        "engines": {"local": {"ports": "19000-19099", "subnets": "10.208.0.0/24"}},
        "gateway": {"bind": "127.0.0.1", "http_port": int(ports["PYDEPLOY_GATEWAY_HTTP_PORT"])},
        "dns": {"port": int(ports["PYDEPLOY_DNS_PORT"])},
        "registry": {"address": f"127.0.0.1:{ports['PYDEPLOY_REGISTRY_PORT']}"},
    }


def _write(folder: Path, settings: dict[str, Any]) -> Cli:
    file = folder / "site.yml"
    file.write_text(yaml.safe_dump(settings))
    return Cli(file)


@pytest.fixture(scope="module")
def cli(settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    cli = _write(tmp_path_factory.mktemp("site"), settings)
    yield cli
    cli("down", "--purge", "--force")


@pytest.fixture
def up(cli: Cli, first_up: dict[str, Any]) -> dict[str, Any]:
    """The site runs, if need be again."""
    return first_up if len(_containers()) == 5 else cli.ok("up")


@pytest.fixture(scope="module")
def first_up(cli: Cli) -> dict[str, Any]:
    return cli.ok("up")


def _containers() -> dict[str, str]:
    """Service → container id, of the site's project."""
    label = f"label=com.docker.compose.project=pydeploy-{NAME}"
    form = '{{.Label "com.docker.compose.service"}} {{.ID}}'
    argv = ["docker", "ps", "--all", "--filter", label, "--format", form]
    lines = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
    return dict(line.split() for line in lines)


def _docker(*arguments: str) -> None:
    subprocess.run(["docker", *arguments], check=True, capture_output=True)


def test_up_says_where_everything_is(up: dict[str, Any], settings: dict[str, Any]) -> None:
    http_port = settings["gateway"]["http_port"]
    assert {one["part"]: one["address"] for one in up["parts"]} == {
        "gateway": f"http://<environment>.deploy.deepin.test:{http_port}/",
        "dns": f"127.0.0.1:{settings['dns']['port']}",
        "etcd": settings["etcd"]["endpoints"][0],
        "registry": settings["registry"]["address"],
    }
    assert get(http_port, "unknown.deploy.deepin.test").status == 404


def test_a_second_up_changes_nothing(cli: Cli, up: dict[str, Any]) -> None:
    """And says so."""
    before = _containers()
    again = cli.ok("up")
    assert again["parts"] == up["parts"]
    assert {one["part"] for one in again["changes"]} == set(before)
    assert {"unchanged"} == {one["change"] for one in again["changes"]}
    assert _containers() == before
    assert set(before) == {"etcd", "registry", "gateway", "gateway-sync", "dns"}


def test_up_starts_anew_only_what_a_changed_site_file_concerns(
    cli: Cli, settings: dict[str, Any], up: dict[str, Any]
) -> None:
    before = _containers()
    _write(cli.site_file.parent, settings | {"gateway": settings["gateway"] | {"drain": "11s"}})
    try:
        cli.ok("up")
        after = _containers()
    finally:
        _write(cli.site_file.parent, settings)
    assert {name for name in before if before[name] != after[name]} == {"gateway-sync"}


def test_up_mends_what_was_killed(cli: Cli, up: dict[str, Any]) -> None:
    _docker("rm", "--force", f"pydeploy-{NAME}-gateway-1")
    cli.ok("up")
    assert cli("doctor").code == 0


def test_doctor_finds_a_fresh_site_well(cli: Cli, up: dict[str, Any]) -> None:
    found = cli.ok("doctor")
    assert found["is_well"]
    parts = [one["part"] for one in found["checks"]]
    assert list(dict.fromkeys(parts)) == [
        "engine", "etcd", "gateway", "dns", "registry", "ports", "subnets", "clock",
    ]  # fmt: skip


def test_names_resolve_at_the_sites_dns(up: dict[str, Any], settings: dict[str, Any]) -> None:
    port = settings["dns"]["port"]
    assert dns.addresses("127.0.0.1", port, "10020.deploy.deepin.test") == ["127.0.0.1"]
    assert dns.addresses("127.0.0.1", port, "any.deploy.localhost") == ["127.0.0.1"]


def test_dns_prints_what_resolvers_read(
    cli: Cli, up: dict[str, Any], settings: dict[str, Any]
) -> None:
    port = settings["dns"]["port"]
    found = cli("dns", "dnsmasq")
    assert found.stdout == (
        f"server=/deploy.deepin.test/127.0.0.1#{port}\nserver=/deploy.localhost/127.0.0.1#{port}\n"
    )
    found = cli("dns", "hosts", "10020")
    assert found.stdout == "127.0.0.1 10020.deploy.deepin.test 10020.deploy.localhost\n"
    assert cli("dns", "hosts").code == 64
    assert "systemd-resolved" in cli("dns").stdout


@pytest.mark.parametrize("part", ["etcd", "registry", "dns", "gateway"])
def test_doctor_names_the_part_that_is_down(cli: Cli, up: dict[str, Any], part: str) -> None:
    """And exits with 6; what depends on it is no further error."""
    _docker("stop", f"pydeploy-{NAME}-{part}-1")
    try:
        result = cli("doctor", "--json")
    finally:
        _docker("start", f"pydeploy-{NAME}-{part}-1")
    assert result.code == 6
    errors = [one for one in result.json["checks"] if one["level"] == "error"]
    assert {one["part"] for one in errors} == {part}
    assert all("pydeploy up" in one["mend"] for one in errors)
    assert result.error["exit_code"] == 6


def test_doctor_tells_the_operator_of_an_overlapping_pool(
    cli: Cli, settings: dict[str, Any], up: dict[str, Any], tmp_path: Path
) -> None:
    """172.17.0.0/16 is the engine's own bridge: exit 2, because site.yml has to be mended."""
    engines = {"local": settings["engines"]["local"] | {"subnets": "172.17.0.0/16"}}
    found = _write(tmp_path, settings | {"engines": engines})("doctor", "--json")
    assert found.code == 2
    assert found.error["class"] == "SiteConfigError"


def test_a_named_port_that_is_taken_is_said_before_anything_is_started(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        changed = {"site": f"{NAME}b", "gateway": {"bind": "127.0.0.1", "http_port": port}}
        ports = site_ports()
        etcd = {"endpoints": [f"http://127.0.0.1:{ports['PYDEPLOY_ETCD_CLIENT_PORT']}"]}
        error = _write(tmp_path, settings | changed | {"etcd": etcd, "registry": {}}).fails(2, "up")
    assert f"port {port} is taken by" in error["message"]
    assert f"(pid {os.getpid()})" in error["message"]


@contextmanager
def _taken(port: int) -> Iterator[None]:
    """Somebody listens there, on TCP and UDP: we, unless somebody does already."""
    with ExitStack() as stack:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            one = stack.enter_context(socket.socket(socket.AF_INET, kind))
            with suppress(OSError):
                one.bind(("127.0.0.1", port))
                if kind == socket.SOCK_STREAM:
                    one.listen()
        yield


def test_where_80_and_53_are_taken_others_are_chosen_and_kept(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    """The chosen ports are shown, published for URLs, and still the same when 80 is free again."""
    etcd = f"http://127.0.0.1:{site_ports()['PYDEPLOY_ETCD_CLIENT_PORT']}"
    changed = {
        "site": f"{NAME}c",
        "etcd": {"endpoints": [etcd]},
        "gateway": {"bind": "127.0.0.1"},
        "dns": {},
        "registry": {},
    }
    cli = _write(tmp_path, settings | changed)
    try:
        with _taken(80), _taken(53):
            result = cli("up", "--json")
            assert result.code == 0, result.stderr
        assert "port 80 is taken" in result.stderr
        address = {one["part"]: one["address"] for one in result.json["parts"]}
        http_port = int(address["gateway"].rstrip("/").rpartition(":")[2])
        assert http_port >= 8080
        assert int(address["dns"].rpartition(":")[2]) >= 5300
        (gateway,) = Etcd([etcd]).range("/pydeploy/v1/gateways/").kvs
        assert Gateway.read(gateway.value).http_port == http_port
        cli("down")
        assert cli.ok("up") == result.json
    finally:
        cli("down", "--purge")


def test_purge_is_refused_while_environments_are_there(
    cli: Cli, up: dict[str, Any], settings: dict[str, Any]
) -> None:
    """Only the site knows of them: without it they could not be removed any more."""
    etcd = Etcd(settings["etcd"]["endpoints"])
    key = "/pydeploy/v1/environments/10020"
    etcd.put(key, '{"name":"10020","service":"x","state":"completed","created":"","updated":""}')
    try:
        result = cli("down", "--purge")
        assert result.code == 64
        assert "10020" in result.stderr
        assert _containers()
    finally:
        etcd.delete(key)


def test_down_keeps_what_the_site_knows(
    cli: Cli, up: dict[str, Any], settings: dict[str, Any]
) -> None:
    etcd = Etcd(settings["etcd"]["endpoints"])
    etcd.put("/kept", "yes")
    assert cli("down").code == 0
    assert _containers() == {}
    cli.ok("up")
    kept = etcd.get("/kept")
    assert kept is not None
    assert kept.value == "yes"


def test_purge_leaves_nothing(cli: Cli, up: dict[str, Any], settings: dict[str, Any]) -> None:
    assert cli("down", "--purge").code == 0
    assert _containers() == {}
    argv = ["docker", "volume", "ls", "--quiet", "--filter", f"name=pydeploy-{NAME}"]
    assert subprocess.run(argv, check=True, capture_output=True, text=True).stdout == ""
    assert list(Path(settings["state_dir"]).iterdir()) == []


def test_down_of_what_is_down_is_no_error(cli: Cli) -> None:
    cli("down", "--purge")
    assert cli("down").code == 0
