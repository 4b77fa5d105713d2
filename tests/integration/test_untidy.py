"""Repositories as they are: each kind of untidiness deploys as its author meant it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.integration.support.repositories import WEB
from tests.integration.support.site import LiveSite

Web = Callable[..., Path]
SERVER = '["python3", "/app/server.py"]'


def test_slow_health_and_dependencies(live: LiveSite, change: int, web: Web) -> None:
    """A health check that passes after 8 s, though it gives up after 2; others wait for it."""
    compose = f"""
    services:
      store:
        image: pydeploy-test/python:1
        command: ["sh", "-c", "sleep 8; touch /ready; sleep 1000"]
        init: true
        healthcheck: {{test: ["CMD", "test", "-e", "/ready"], interval: 1s, retries: 2}}
      migrate:
        image: pydeploy-test/python:1
        command: ["true"]
        depends_on: {{store: {{condition: service_healthy}}}}
      web:
        image: pydeploy-test/python:1
        command: {SERVER}
        volumes: ["./source:/app"]
        ports: ["80:8080"]
        container_name: fixed
        depends_on: {{migrate: {{condition: service_completed_successfully}}}}
    """
    result = live.cli.ok("deploy", web(compose), "--change", change, "--patchset", 1)
    assert result["state"] == "running"
    assert live.get(change).status == 200
    assert live.cli.ok("status", change)["health"] == "3/3 up"


def test_ports_that_are_not_http(live: LiveSite, change: int, web: Web) -> None:
    """It runs, has claimed ports and no URL."""
    program = "nc.py"
    listener = (
        "import socketserver\n"
        "class H(socketserver.StreamRequestHandler):\n"
        "    def handle(self):\n"
        "        while self.rfile.readline(): self.wfile.write(b'-ERR\\r\\n')\n"
        "socketserver.ThreadingTCPServer(('0.0.0.0', 6379), H).serve_forever()\n"
    )
    compose = """
    services:
      store:
        image: pydeploy-test/python:1
        command: ["python3", "/app/nc.py"]
        init: true
        volumes: ["./source:/app"]
        ports: ["6379", "5353/udp"]
    """
    root = web(compose, **{f"source__{program}": listener})
    result = live.cli.ok("deploy", root, "--change", change, "--patchset", 1)
    assert result["state"] == "running"
    assert result["url"] is None
    assert [port["protocol"] for port in result["ports"]] == ["tcp", "udp"]
    assert live.cli("url", change).code == 64


def test_a_worker_without_ports(live: LiveSite, change: int, web: Web) -> None:
    """A restart policy says that it is meant to run for ever."""
    compose = """
    services:
      worker:
        image: pydeploy-test/python:1
        command: ["sh", "-c", "echo working; sleep 1000"]
        init: true
        restart: always
    """
    result = live.cli.ok("deploy", web(compose), "--change", change, "--patchset", 1)
    assert result["state"] == "running"
    assert "working" in live.cli("logs", change).stdout


def test_env_files_profiles_secrets_configs_and_build_arguments(
    live: LiveSite, change: int, web: Web
) -> None:
    """What the repository holds reaches the container without the checkout."""
    compose = f"""
    services:
      web:
        build:
          context: ./image
          dockerfile: Special.Dockerfile
          target: final
          args: {{FLAVOUR: "${{FLAVOUR:-none}}"}}
        command: {SERVER}
        volumes: ["./source:/app:ro", "./source/one.txt:/etc/one.txt"]
        env_file: ["./web.env"]
        secrets: [token]
        configs: [{{source: settings, target: /etc/settings.ini}}]
        ports: ["8080"]
      debug:
        image: pydeploy-test/python:1
        profiles: [debug]
    secrets: {{token: {{file: ./token.txt}}}}
    configs: {{settings: {{file: ./settings.ini}}}}
    """
    root = web(
        compose,
        **{
            "image__Special.Dockerfile": (
                "FROM pydeploy-test/python:1 AS final\nARG FLAVOUR\nRUN echo $FLAVOUR > /flavour\n"
                "FROM final AS unused\nRUN false\n"
            ),
            ".env": "FLAVOUR=vanilla\n",
            "web.env": "FROM_FILE=yes\n",
            "token.txt": "not-so-secret",
            "settings.ini": "[a]\n",
            "source__one.txt": "one",
        },
    )
    live.cli.ok("deploy", root, "--change", change, "--patchset", 1)
    (container,) = live.containers(change)
    script = "cat /flavour /etc/one.txt /etc/settings.ini /run/secrets/token; echo $FROM_FILE"
    shown = subprocess.run(
        ["docker", "exec", container, "sh", "-c", script],
        check=True,
        capture_output=True,
        text=True,
    )
    assert shown.stdout.split() == ["vanilla", "one[a]", "not-so-secretyes"]
    mounts = subprocess.run(
        ["docker", "inspect", "--format", "{{json .Mounts}}", container],
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(mounts.stdout) == []


def test_agent_variables_do_not_reach_a_change(live: LiveSite, change: int, web: Web) -> None:
    """A compose file that names a secret of the agent gets nothing."""
    compose = WEB + '    environment: {PYDEPLOY_STOLEN: "${AGENT_SECRET:-nothing}", PYDEPLOY_B: }\n'
    compose = compose.replace("PYDEPLOY_B: }", "PYDEPLOY_B: '$AGENT_SECRET'}")
    result = live.cli(
        "deploy", web(compose), "--change", change, "--patchset", 1, "--json",
        env={"AGENT_SECRET": "hunter2"},
    )  # fmt: skip
    assert result.code == 0, result.stderr
    told = live.get(change).told
    assert told["PYDEPLOY_STOLEN"] == "nothing"
    assert told["PYDEPLOY_B"] == ""
    assert "hunter2" not in result.stdout + result.stderr
