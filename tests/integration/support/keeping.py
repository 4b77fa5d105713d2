"""A microservice that keeps data: a front, and a store with rows on a volume."""

from __future__ import annotations

import http.client
import subprocess
from pathlib import Path
from typing import Any

from tests.integration.support.repositories import PYTHON, repository
from tests.integration.support.site import LiveSite

PROGRAM = Path(__file__).with_name("keeper.py").read_text()
COMPOSE = f"""
services:
  web:
    image: {PYTHON}
    command: ["python3", "/app/keeper.py", "front"]
    volumes: ["./source:/app"]
    ports: ["8080"]
    depends_on: {{store: {{condition: service_healthy}}}}
  store:
    image: {PYTHON}
    command: ["python3", "/keeper.py", "store"]
    configs: [{{source: program, target: /keeper.py}}]
    environment: {{MARK: "@MARK@"}}
    volumes: ["rows:/data"]
    healthcheck:
      test: ["CMD", "python3", "-c", "import socket; socket.create_connection(('127.0.0.1', 9000))"]
      interval: 2s
configs: {{program: {{file: ./keeper.py}}}}
volumes: {{rows: {{}}}}
"""


def written(root: Path, mark: str = "1", team: str = "") -> Path:
    """The repository; another `mark` is another definition of the store, `team` is pydeploy.yml."""
    files = {"keeper.py": PROGRAM, "source/keeper.py": PROGRAM, "pydeploy.yml": team}
    return repository(root, COMPOSE.replace("@MARK@", mark), **files)


def rows(live: LiveSite, name: object) -> list[str]:
    answer = live.get(name, "/rows")
    assert 200 == answer.status, answer.body
    return answer.body.split()


def add(live: LiveSite, name: object, row: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", live.ports.http, timeout=10)
    host = f"{name}.{live.site.domains[0]}"
    connection.request("POST", f"/rows?row={row}", headers={"Host": host})
    assert 200 == connection.getresponse().status
    connection.close()


def container_of(live: LiveSite, name: str, service: str, *more: Any) -> str:
    done = subprocess.run(
        [
            "docker", *more, "ps", "--quiet", "--no-trunc",
            "--filter", f"label=io.pydeploy.site={live.site.site}",
            "--filter", f"label=io.pydeploy.environment={name}",
            "--filter", f"label=io.pydeploy.service={service}",
        ],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    (found,) = done.stdout.split()
    return found
