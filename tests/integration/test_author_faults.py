"""What authors get wrong: the message names the cause, shows the last lines, and harms nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.support.site import LiveSite

Web = Callable[..., Path]

BUILT = """
services:
  web:
    build: .
    command: ["python3", "/app/server.py"]
    volumes: ["./source:/app"]
    ports: ["8080"]
"""
SHORT = "deadline: 6s\n"


def _web(command: str, extra: str = "", ports: str = 'ports: ["8080"]') -> str:
    return f"""
services:
  web:
    image: pydeploy-test/python:1
    command: {command}
    volumes: ["./source:/app"]
    {ports}
    {extra}
"""


SERVER = '["python3", "/app/server.py"]'


def test_a_dockerfile_that_fails_is_exit_3_with_its_line(
    live: LiveSite, change: int, web: Web
) -> None:
    """The failing instruction and its output are named; the author's turn."""
    dockerfile = "FROM pydeploy-test/python:1\nRUN echo almost && echo gone wrong >&2 && exit 7\n"
    error = live.cli.fails(
        3, "deploy", web(BUILT, Dockerfile=dockerfile), "--change", change, "--patchset", 1
    )
    assert error["class"] == "BuildError"
    assert error["fault"] == "author"
    assert "Dockerfile:2" in error["message"]
    assert "gone wrong" in error["logs"]


@pytest.mark.parametrize(
    ("compose", "message", "log"),
    [
        pytest.param(
            _web('["sh", "-c", "echo cannot find config; exit 1"]'),
            "web exited with 1",
            "cannot find config",
            id="exits 1 at once",
        ),
        pytest.param(
            _web('["sh", "-c", "echo bye"]'), "although it publishes a port", "bye", id="exits 0"
        ),
        pytest.param(
            _web('["sh", "-c", "echo again; exit 3"]', "restart: always"),
            "web was restarted",
            "again",
            id="crash loop",
        ),
        pytest.param(
            _web(
                SERVER,
                'healthcheck: {test: ["CMD-SHELL", "echo no database; exit 1"], interval: 1s}',
            ),
            "no database",
            "listening",
            id="never healthy",
        ),
        pytest.param(
            _web('["python3", "/app/server.py", "9999"]'),
            "the container listens on 0.0.0.0:9999",
            "listening",
            id="listens on another port",
        ),
        pytest.param(
            _web('["python3", "-m", "http.server", "8080", "--bind", "127.0.0.1"]'),
            "the container listens on 127.0.0.1:8080",
            "",
            id="listens on its own loopback only",
        ),
        pytest.param(_web('["/no/such/program"]'), "/no/such/program", "", id="no such program"),
        pytest.param(
            _web('["python3", "-c", "x = bytearray(600 << 20)"]'),
            "needed more memory than its limit",
            "",
            id="out of memory",
        ),
    ],
)
def test_a_release_that_does_not_come_up_is_exit_4(
    live: LiveSite, change: int, web: Web, compose: str, message: str, log: str
) -> None:
    """The cause in the message, the container's last lines beside it, nothing left behind."""
    root = web(compose, **{"pydeploy.yml": SHORT})
    error = live.cli.fails(4, "deploy", root, "--change", change, "--patchset", 1)
    assert message in error["message"]
    assert log in error["logs"]
    assert error["fault"] == "author"
    assert error["hint"]
    assert live.containers(change) + live.networks(change) == []
    claims = [one for one in live.keys("ports/").values() if one["environment"] == str(change)]
    assert claims == []
    assert live.get(change).status == 502


def test_a_front_with_the_wrong_status_is_named(live: LiveSite, change: int, web: Web) -> None:
    """The status that came and the one that was wanted."""
    root = web(**{"pydeploy.yml": SHORT + "front: {path: /status/500}\n"})
    error = live.cli.fails(4, "deploy", root, "--change", change, "--patchset", 1)
    assert "HTTP 500, wanted 200-399" in error["message"]


def test_a_broken_patchset_leaves_the_old_one_serving(
    live: LiveSite, change: int, web: Web
) -> None:
    """Same URL, same containers, same record as before."""
    live.cli.ok("deploy", web(), "--change", change, "--patchset", 1)
    before = (live.containers(change), live.keys(f"environments/{change}"))
    broken = web(_web('["sh", "-c", "exit 1"]'), "broken")
    live.cli.fails(4, "deploy", broken, "--change", change, "--patchset", 2)
    assert (live.containers(change), live.keys(f"environments/{change}")) == before
    assert live.get(change).told["PYDEPLOY_PATCHSET"] == "1"


def test_all_layout_and_policy_problems_are_exit_2_and_change_nothing(
    live: LiveSite, change: int, web: Web
) -> None:
    """Nothing is built or started of a change that the policy refuses."""
    hostile = _web(SERVER, "privileged: true")
    error = live.cli.fails(2, "deploy", web(hostile), "--change", change, "--patchset", 1)
    assert error["class"] == "PolicyError"
    assert "policy.privileged" in error["message"]
    assert live.containers(change) == []


def test_pydeploy_yml_that_names_a_missing_service_is_exit_2(
    live: LiveSite, change: int, web: Web
) -> None:
    """Before anything is built; the services that exist are named."""
    root = web(**{"pydeploy.yml": "front: {service: wbe}\n"})
    error = live.cli.fails(2, "deploy", root, "--change", change, "--patchset", 1)
    assert "'wbe' is not a service" in error["message"]
    assert "web" in error["message"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--change", "1"], "without --patchset"),
        (["--name", "Bad_Name"], "may only contain"),
        (["--name", "a--b"], "reserved"),
        ([], "neither a change nor a name"),
    ],
)
def test_wrong_arguments_are_exit_64(
    live: LiveSite, web: Web, arguments: list[str], message: str
) -> None:
    """With what to pass instead."""
    error = live.cli.fails(64, "deploy", web(), *arguments)
    assert message in error["message"]
