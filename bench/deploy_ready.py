"""What a deploy of a ready image takes on top of `docker compose up` and waiting for health.

    python -m bench.deploy_ready

pydeploy and compose take turns: the same image, health check, limits and kind of network, each
time a new environment.  Compose is followed by a tight poll of the engine until the container is
healthy; nothing that a person could run by hand sees it earlier.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker

from bench import figures, live
from bench.figures import Figure
from bench.live import Live
from pydeploy.deploy.model import START_INTERVAL
from tests.integration.platform.parts import free_port
from tests.integration.support.repositories import repository

TITLE = "deploy of a ready image"
ROUNDS = 10
LIMIT = 0.5  # seconds
_POLL = 0.02  # seconds
COMPOSE = """
services:
  web:
    build: .
    command: ["python3", "/app/server.py"]
    ports: ["8080"]
    healthcheck:
      test: ["CMD", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080"]
      interval: 10s
      timeout: 2s
"""


def measure(site: Live) -> list[Figure]:
    root = repository(
        site.folder / "ready",
        COMPOSE,
        Dockerfile=f"FROM {live.IMAGE}\nCOPY source /app\n",
    )
    _commit(root)
    # Once for each before the clock runs: the image is built, and both have been in memory.
    first = site.run("deploy", root, "--name", "ready")
    (image,) = first["images"]
    raw = _Raw(site, image["ref"])
    raw.up_and_down(0)
    ours: list[float] = []
    theirs: list[float] = []
    steps: list[dict[str, float]] = []
    for number in range(1, ROUNDS + 1):
        figures.wait_until_quiet()
        began = time.perf_counter()
        result = site.run("deploy", root, "--name", f"ready-{number}")
        ours.append(time.perf_counter() - began)
        steps.append(result["timings_s"])
        if [one["digest"] for one in result["images"]] != [image["digest"]]:
            raise SystemExit("the image was not ready: it was built anew")
        site.run("remove", f"ready-{number}")
        theirs.append(raw.up_and_down(number))
    site.run("remove", "ready")
    return list(_figures(ours, theirs, steps))


def _commit(root: Path) -> None:
    """A checkout is a git repository: to find out its revision is part of what a deploy costs."""
    author = ("-c", "user.name=bench", "-c", "user.email=bench@bench.example")
    for arguments in (("init", "--quiet"), ("add", "."), (*author, "commit", "--quiet", "-m", "x")):
        subprocess.run(["git", *arguments], cwd=root, check=True)


def _figures(
    ours: list[float], theirs: list[float], steps: list[dict[str, float]]
) -> Iterator[Figure]:
    deploy, compose = statistics.median(ours), statistics.median(theirs)
    yield Figure(
        what="pydeploy deploy",
        value=deploy,
        unit="s",
        raw=compose,
        note=f"median of {ROUNDS}; {_spread(ours)}; compose {_spread(theirs)}",
    )
    yield Figure(what="on top of compose", value=deploy - compose, unit="s", bound=LIMIT)
    for step in ("check", "build", "start", "switch", "total"):
        yield Figure(
            what=f"  {step}", value=statistics.median(one[step] for one in steps), unit="s"
        )


def _spread(values: list[float]) -> str:
    return f"{min(values):.2f} to {max(values):.2f} s"


class _Raw:
    """The same service for compose alone, with what pydeploy puts on every container."""

    def __init__(self, site: Live, image: str) -> None:
        self._file = Path(site.folder, "raw.json")
        self._project = f"{site.site.site}-raw"
        self._labels = {"io.pydeploy.site": site.site.site}  # so that it goes with the site
        self._image = image
        self._engine = docker.from_env().api

    def up_and_down(self, number: int) -> float:
        """Seconds from the start of `docker compose up -d` until healthy; then it is removed."""
        self._file.write_text(json.dumps(self._model(number)))
        figures.wait_until_quiet()
        began = time.perf_counter()
        self._compose("up", "--detach", "--no-build", "--pull", "never", "--quiet-pull")
        self._wait_healthy()
        took = time.perf_counter() - began
        self._compose("down", "--volumes", "--timeout", "5")
        return took

    def _wait_healthy(self) -> None:
        until = time.monotonic() + 60
        while (
            self._engine.inspect_container(f"{self._project}-web-1")["State"]["Health"]["Status"]
            != "healthy"
        ):
            if time.monotonic() > until:
                raise SystemExit("compose's container did not become healthy")
            time.sleep(_POLL)

    def _compose(self, *arguments: str) -> None:
        argv = ["docker", "compose", "-p", self._project, "-f", str(self._file), *arguments]
        subprocess.run(argv, check=True, capture_output=True)

    def _model(self, number: int) -> dict[str, Any]:
        service = {
            "image": self._image,
            "command": ["python3", "/app/server.py"],
            "ports": [f"127.0.0.1:{free_port()}:8080"],
            "labels": self._labels,
            "healthcheck": {
                "test": ["CMD", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080"],
                "interval": "10s",
                "timeout": "2s",
                "start_period": "60s",
                "start_interval": START_INTERVAL,
            },
            "mem_limit": "256m",
            "memswap_limit": "256m",
            "cpus": 2,
            "pids_limit": 128,
            "security_opt": ["no-new-privileges:true"],
            "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
        }
        subnet = f"10.228.{number}.0/27"
        network = {"labels": self._labels, "ipam": {"config": [{"subnet": subnet}]}}
        return {"services": {"web": service}, "networks": {"default": network}}


if __name__ == "__main__":
    live.main(TITLE, measure)
