"""Which ports the site gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pydeploy.config.site import Site
from pydeploy.errors import CapacityError, SiteConfigError
from pydeploy.platform import ports
from pydeploy.platform.listeners import Listener, Protocol
from pydeploy.platform.ports import Ports

USUAL = Ports(http=80, https=443, dns=53, etcd_peer=2380)


def _site(**sections: Any) -> Site:
    return Site.model_validate(sections)


def _on(port: int, protocol: Protocol = "tcp", address: str = "0.0.0.0") -> Listener:
    return Listener(protocol=protocol, address=address, port=port, inode="0")


def _choose(
    *taken: Listener,
    site: Site | None = None,
    kept: Ports | None = None,
    running: tuple[str, ...] = (),
) -> tuple[Ports, list[str]]:
    said: list[str] = []
    return ports.choose(site or _site(), kept, running, taken, say=said.append), said


def test_the_usual_ports_where_they_are_free() -> None:
    assert _choose() == (USUAL, [])


def test_others_where_the_usual_ones_are_taken_and_that_is_said() -> None:
    chosen, said = _choose(_on(80), _on(8080), _on(53, "udp"))
    assert (chosen.http, chosen.dns) == (8081, 5300)
    assert said == [
        "port 80 is taken: gateway gets another one",
        "port 53 is taken: dns gets another one",
    ]


def test_a_listener_on_another_address_does_not_matter() -> None:
    chosen, said = _choose(_on(53, "udp", "127.0.0.53"), _on(80, "udp"))
    assert (chosen, said) == (USUAL, [])


def test_what_was_chosen_before_is_kept() -> None:
    """URLs stay the same when port 80 has become free since."""
    kept = Ports(http=8081, https=443, dns=5300, etcd_peer=2380)
    assert _choose(kept=kept) == (kept, [])


def test_a_running_part_holds_its_own_ports() -> None:
    kept = Ports(http=8081, https=8443, dns=5300, etcd_peer=2381)
    taken = (_on(8081), _on(8443), _on(5300, "udp"), _on(2379), _on(2381))
    assert _choose(*taken, kept=kept, running=("gateway", "dns", "etcd")) == (kept, [])


def test_a_kept_port_that_somebody_took_meanwhile_is_given_up() -> None:
    kept = Ports(http=8081, https=443, dns=53, etcd_peer=2380)
    chosen, said = _choose(_on(8081), _on(80), kept=kept)
    assert chosen.http == 8080
    assert said == ["port 8081 is taken: gateway gets another one"]


def test_ports_that_site_yml_names_are_taken_as_they_are() -> None:
    site = _site(gateway={"http_port": 8888}, dns={"port": 5555})
    chosen, _ = _choose(_on(80), site=site)
    assert (chosen.http, chosen.dns) == (8888, 5555)


def test_a_named_port_that_is_taken_is_the_operators_to_mend() -> None:
    with pytest.raises(SiteConfigError, match="gateway/http_port: port 8888 is taken") as caught:
        _choose(_on(8888), site=_site(gateway={"http_port": 8888}))
    assert "auto" in caught.value.hint


@pytest.mark.parametrize(
    ("section", "port"),
    [
        ({"etcd": {"endpoints": ["http://127.0.0.1:2999"]}}, 2999),
        ({"registry": {"address": "127.0.0.1:5999"}}, 5999),
    ],
)
def test_ports_of_etcd_and_registry_are_looked_at(section: dict[str, Any], port: int) -> None:
    """They are named in site.yml, so there is nothing to choose."""
    with pytest.raises(SiteConfigError, match=f"port {port} is taken"):
        _choose(_on(port), site=_site(**section))
    _choose(_on(port), site=_site(**section), running=("etcd", "registry"))


def test_no_port_is_given_to_two_parts() -> None:
    """Here the registry has the one that etcd's peers would get."""
    chosen, _ = _choose(site=_site(registry={"address": "127.0.0.1:2380"}))
    assert chosen.etcd_peer == 2381


def test_an_etcd_elsewhere_is_not_looked_at() -> None:
    site = _site(etcd={"endpoints": ["https://etcd.example.org:2379"]})
    assert _choose(_on(2379), site=site)[0].etcd_peer == 2380


def test_no_free_port_is_a_lack() -> None:
    taken = [_on(80), *(_on(port) for port in range(8080, 8180))]
    with pytest.raises(CapacityError, match="gateway: none of the ports 80, 8080-8179"):
        _choose(*taken)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    ports.save(tmp_path / "ports.json", USUAL)
    assert ports.load(tmp_path / "ports.json") == USUAL


@pytest.mark.parametrize("content", ["", "{}", '{"http": 80}', "[]", '{"ssh": 22}'])
def test_a_damaged_file_is_no_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "ports.json").write_text(content)
    assert ports.load(tmp_path / "ports.json") is None


@pytest.mark.parametrize(
    ("address", "port"),
    [
        ("http://127.0.0.1:2379", 2379),
        ("127.0.0.1:5000", 5000),
        ("localhost:5000", 5000),
        ("https://etcd.example.org:2379", None),
        ("registry.example.org", None),
        (None, None),
    ],
)
def test_local_port(address: str | None, port: int | None) -> None:
    assert ports.local_port(address) == port
