"""The main job: a repository becomes a link, is replaced under the same name, and goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.integration.support.site import LiveSite

Web = Callable[..., Path]


def test_a_change_gets_a_url_that_answers(live: LiveSite, change: int, web: Web) -> None:
    """The reported URL answers through the gateway, and containers know who they are."""
    result = live.cli.ok("deploy", web(), "--change", change, "--patchset", 1, "--topic", "t")
    assert result["state"] == "running"
    assert result["environment"] == str(change)
    assert result["release"] == f"{change}-1"
    assert result["url"] == f"http://{change}.deploy.deepin.test:{live.ports.http}"
    assert result["address"] == "127.0.0.1"
    assert [port["container_port"] for port in result["ports"]] == [8080]
    assert result["images"][0]["digest"].startswith("sha256:")
    assert result["expires"] is not None
    assert set(result["timings_s"]) == {"check", "build", "start", "switch", "total"}
    answer = live.get(change)
    assert answer.status == 200
    assert answer.told["PYDEPLOY_PATCHSET"] == "1"
    assert answer.told["PYDEPLOY_CHANGE"] == str(change)
    assert answer.told["PYDEPLOY_URL"] == result["url"]
    assert live.get_host(f"{change}.deploy.localhost").status == 200


def test_the_next_patchset_takes_over_the_name(live: LiveSite, change: int, web: Web) -> None:
    """Same URL, new release, and nothing of the old one stays."""
    first = live.cli.ok("deploy", web(), "--change", change, "--patchset", 1)
    second = live.cli.ok("deploy", web(), "--change", change, "--patchset", 2)
    assert second["url"] == first["url"]
    assert live.get(change).told["PYDEPLOY_PATCHSET"] == "2"
    assert [name for name in live.containers(change) if f"{change}-1-" in name] == []
    assert len(live.containers(change)) == 1
    assert len(live.networks(change)) == 1
    ports = live.keys("ports/")
    mine = [claim for claim in ports.values() if claim["environment"] == str(change)]
    assert [claim["release"] for claim in mine] == [f"{change}-2"]


def test_an_unchanged_patchset_is_a_no_op_that_says_so(
    live: LiveSite, change: int, web: Web
) -> None:
    """Deployed again, it stays; forced, it becomes a release of its own name."""
    live.cli.ok("deploy", web(), "--change", change, "--patchset", 1)
    before = live.containers(change)
    again = live.cli.ok("deploy", web(), "--change", change, "--patchset", 1)
    assert again["is_unchanged"] is True
    assert live.containers(change) == before
    forced = live.cli.ok("deploy", web(), "--change", change, "--patchset", 1, "--force")
    assert forced["release"] == f"{change}-1-2"
    assert live.containers(change) != before


def test_remove_leaves_no_trace(live: LiveSite, change: int, web: Web) -> None:
    """Containers, networks, volumes, keys, claims and images go; the name says `removed`."""
    compose = """
    services:
      web:
        build: .
        command: ["python3", "/app/server.py"]
        volumes: ["./source:/app", "data:/data", "/anonymous"]
        ports: ["8080"]
    volumes: {data: }
    """
    result = live.cli.ok("deploy", web(compose), "--change", change, "--patchset", 1)
    (image,) = result["images"]
    assert len(live.volumes(change)) == 1
    removal = live.cli.ok("remove", change)
    assert removal["residue"] == 0
    assert removal["removed"]["containers"] == 1
    assert removal["removed"]["volumes"] == 2
    assert removal["removed"]["images"] >= 1
    assert live.containers(change) + live.networks(change) + live.volumes(change) == []
    text = {key: value for key, value in live.keys().items() if str(change) in key}
    kinds = {key.split("/")[0] for key in text}
    assert kinds <= {"routes", "wanted"}
    assert {value["state"] for key, value in text.items() if key.startswith("routes/")} == {
        "removed"
    }
    assert live.get(change).status == 410
    pulled = live.engine.api.images(name=image["ref"])
    assert pulled == []


def test_a_one_shot_ends_as_completed_with_its_log(live: LiveSite, change: int, web: Web) -> None:
    """A Compose v1 file with container_name that exits 0: success, log kept, nothing runs."""
    compose = """
    builder:
      build: .
      container_name: x
      command: ["sh", "-c", "echo built $PYDEPLOY_CHANGE"]
    """.replace("$PY", "$$PY")
    result = live.cli.ok("deploy", web(compose), "--change", change, "--patchset", 1)
    assert result["state"] == "completed"
    assert result["url"] is None
    assert live.containers(change) == []
    assert live.networks(change) == []
    logs = live.cli("logs", change)
    assert logs.stdout == f"built {change}\n"
    assert live.cli.ok("status", change)["state"] == "completed"
