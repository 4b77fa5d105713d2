"""A site of its own for the benchmarks, by `pydeploy up`, of which nothing is left behind."""

from __future__ import annotations

import compileall
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

import pydeploy
from bench import figures
from bench.figures import Figure
from pydeploy.config import site as site_config
from pydeploy.config.site import Site
from pydeploy.platform import lifecycle
from pydeploy.state import store
from pydeploy.state.store import Store
from tests.integration.platform.parts import free_port
from tests.integration.support import leftovers

# The console script of the environment that runs us: what people and agents call.
PYDEPLOY = str(Path(sys.executable).with_name("pydeploy"))
DOMAIN = "deploy.localhost"
IMAGE = "pydeploy-test/python:1"  # debian:bookworm-slim with Python, the tests' as well
_PREFIX = "bench"


@dataclass(frozen=True)
class Live:
    """A running site and the command line on it."""

    file: Path
    folder: Path  # for repositories and other files of a benchmark

    @cached_property
    def site(self) -> Site:
        return site_config.load(str(self.file), {})

    @property
    def store(self) -> Store:
        return store.connect(self.site)

    @property
    def http_port(self) -> int:
        return lifecycle.chosen_ports(self.site).http

    def argv(self, *arguments: object) -> list[str]:
        return [PYDEPLOY, "--site", str(self.file), *map(str, arguments)]

    def run(self, *arguments: object) -> Any:
        """The JSON of a command that must succeed."""
        done = subprocess.run(self.argv(*arguments, "--json"), capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"pydeploy {arguments} exited {done.returncode}\n{done.stderr}")
        return json.loads(done.stdout)


@contextmanager
def running() -> Iterator[Live]:
    """A site that is up for the block, on free ports, with its own names on the engine."""
    name = f"{_PREFIX}{os.getpid()}"
    leftovers.erase_dead(_PREFIX)
    _compile_package()
    _make_image()
    with tempfile.TemporaryDirectory(prefix="pydeploy-bench-") as folder:
        live = Live(_site_file(Path(folder), name), Path(folder))
        try:
            _must(live.argv("up"))
            yield live
        finally:
            leftovers.erase(name)
            _must(live.argv("down", "--purge", "--force"))


def _site_file(folder: Path, name: str) -> Path:
    file = folder / "site.yml"
    settings = {
        "site": name,
        "compose_prefix": name,
        "domains": [DOMAIN],
        "state_dir": str(folder / "state"),
        "etcd": {"endpoints": [f"http://127.0.0.1:{free_port()}"]},
        "engines": {"local": {"ports": "28500-28999", "subnets": "10.227.0.0/16"}},
        "gateway": {"bind": "127.0.0.1", "http_port": free_port(), "https_port": free_port()},
        "dns": {"port": free_port()},
        "registry": {"address": f"127.0.0.1:{free_port()}", "namespace": name},
        "limits": {"memory": "256m", "pids": 128},
    }
    file.write_text(yaml.safe_dump(settings))
    return file


def _make_image() -> None:
    if subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True).returncode == 0:
        return
    dockerfile = (
        "FROM debian:bookworm-slim\n"
        "RUN apt-get update -qq && apt-get install -qqy --no-install-recommends python3 "
        "&& rm -rf /var/lib/apt/lists/*\n"
    )
    argv = ["docker", "buildx", "build", "--load", "--tag", IMAGE, "-"]
    subprocess.run(argv, input=dockerfile, text=True, check=True)


def _must(argv: Sequence[str]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)} exited {done.returncode}\n{done.stdout}{done.stderr}")


def _compile_package() -> None:
    """What is measured is an installed package: compiled, also where Python may not write."""
    compileall.compile_dir(Path(pydeploy.__file__).parent, quiet=1)


def main(title: str, measure: Callable[[Live], list[Figure]]) -> None:
    """Run one benchmark on a site of its own; exit 1 when a bound is missed."""
    figures.warn_if_busy()
    with running() as live:
        found = measure(live)
    sys.exit(not figures.report(title, found))
