"""A site that upgrades itself: what it will change is said, and nobody who asks is turned away."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench import load
from tests.integration.platform.parts import get, site_ports
from tests.integration.support.cli import Cli, Result
from tests.integration.support.repositories import WEB, repository
from tests.integration.support.waiting import eventually

ROOT = Path(__file__).parents[3]
NAME = f"grow{os.getpid()}"


@dataclass(frozen=True)
class Clone(Cli):
    """pydeploy out of a folder of its own, whose platform/ a test may change."""

    folder: Path = Path()

    def __call__(self, *arguments: object, env: Any = None, timeout: float = 300) -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "pydeploy", "--site", str(self.site_file), *map(str, arguments)],
            cwd=self.folder, capture_output=True, text=True, timeout=timeout,
            env=os.environ | dict(env or {}),
        )  # fmt: skip
        return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def ports() -> dict[str, str]:
    return site_ports()


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory, ports: dict[str, str]) -> Iterator[Clone]:
    clone = tmp_path_factory.mktemp("clone")
    for part in ("pydeploy", "platform", "requirements"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, clone / part, ignore=ignored)
    # Images of this version would else take the place of everybody's on this engine.
    version = clone / "pydeploy" / "__init__.py"
    version.write_text(version.read_text().replace('__version__ = "', '__version__ = "0.0.'))
    file = clone / "site.yml"
    file.write_text(
        yaml.safe_dump(
            {
                "site": NAME,
                "compose_prefix": NAME,
                "domains": ["deploy.deepin.test"],
                "state_dir": str(clone / "state"),
                "etcd": {"endpoints": [f"http://127.0.0.1:{ports['PYDEPLOY_ETCD_CLIENT_PORT']}"]},
                "engines": {"local": {"ports": "18000-18099", "subnets": "10.209.0.0/24"}},
                "gateway": {
                    "bind": "127.0.0.1",
                    "http_port": int(ports["PYDEPLOY_GATEWAY_HTTP_PORT"]),
                },
                "dns": {"port": int(ports["PYDEPLOY_DNS_PORT"])},
                "registry": {"address": f"127.0.0.1:{ports['PYDEPLOY_REGISTRY_PORT']}"},
            }
        )
    )
    cli = Clone(file, clone)
    yield cli
    cli("remove", "10020")
    cli("down", "--purge", "--force")


def _containers() -> dict[str, str]:
    label = f"label=com.docker.compose.project=pydeploy-{NAME}"
    form = '{{.Label "com.docker.compose.service"}} {{.ID}} {{.Names}}'
    argv = ["docker", "ps", "--all", "--filter", label, "--format", form]
    lines = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
    assert f"pydeploy-{NAME}-gateway-1" in {line.split()[2] for line in lines}
    return {line.split()[0]: line.split()[1] for line in lines}


def _change(clone: Clone, file: str, old: str, new: str) -> None:
    path = clone.folder / "platform" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def _kinds(told: dict[str, Any]) -> dict[str, str]:
    return {one["part"]: one["change"] for one in told["changes"]}


def test_an_upgrade_loses_no_request(
    cli: Clone, ports: dict[str, str], tmp_path: Path, python_image: str
) -> None:
    """gateway, etcd, gateway-sync and registry are others afterwards; a request that was on its
    way meanwhile is answered, and a deploy right after it works."""
    first = cli.ok("up")
    assert {"new"} == set(_kinds(first).values())
    repo = repository(tmp_path / "web", WEB)
    cli.ok("deploy", repo, "--change", 10020, "--patchset", 1)
    before = _containers()
    _change(cli, "gateway/haproxy.cfg", "timeout http-request 10s", "timeout http-request 11s")
    _change(cli, "etcd/entrypoint.sh", "--snapshot-count 10000", "--snapshot-count 10001")
    _change(cli, "registry/config.yml", "version: 0.1", "version: 0.1 # another")
    (cli.folder / "pydeploy" / "scaffold.py").open("a").write("\n# another\n")
    dry = cli.ok("up", "--dry-run")
    assert before == _containers()
    wanted = {"etcd", "registry", "gateway", "gateway-sync"}
    assert wanted == {part for part, kind in _kinds(dry).items() if kind == "image changed"}
    assert any("no request is lost" in one["effect"] for one in dry["changes"])
    host = "10020.deploy.deepin.test"
    target = load.Target(port=int(ports["PYDEPLOY_GATEWAY_HTTP_PORT"]), host=host, rate=100)
    slow = _Slow(target.port, host)
    with load.running(target, 240) as load_:
        slow.start()
        done = cli.ok("up")
        cli.ok("deploy", repo, "--change", 10020, "--patchset", 2)
        slow.stop()
    failed = [one.failure for one in load_.sent if one.failure]
    assert [] == failed
    assert len(load_.sent) > 500
    assert [] == slow.failed
    assert slow.count > 2
    assert _kinds(dry) == _kinds(done)
    after = _containers()
    assert wanted == {part for part in before if before[part] != after[part]}
    again = cli.ok("up")
    assert {"unchanged"} == set(_kinds(again).values())
    assert after == _containers()
    (snapshot,) = (cli.folder / "state" / NAME / "snapshots").glob("*.db")
    assert snapshot.stat().st_size > 1000


class _Slow:
    """Requests that take two seconds each, one after the other."""

    def __init__(self, port: int, host: str) -> None:
        self.count, self.failed = 0, list[str]()
        self._port, self._host = port, host
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        import http.client

        while not self._stop.is_set():
            self.count += 1
            try:
                with closing(
                    http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
                ) as one:
                    one.request("GET", "/slow?s=2", headers={"Host": self._host})
                    status = one.getresponse().status
                if status != 200:
                    self.failed.append(str(status))
            except OSError as problem:
                self.failed.append(repr(problem))


def test_a_gateway_that_does_not_come_up_leaves_the_old_one(
    cli: Clone, ports: dict[str, str]
) -> None:
    """Its last lines say why; the old one serves on, and mending it is another `up`."""
    cli.ok("up")
    before = _containers()
    _change(cli, "gateway/haproxy.cfg", "    maxconn 4000", "    no-such-keyword 4000")
    error = cli.fails(6, "up")
    assert "no-such-keyword" in error["logs"]
    assert before == _containers()
    port = int(ports["PYDEPLOY_GATEWAY_HTTP_PORT"])
    assert 404 == get(port, "unknown.deploy.deepin.test").status
    _change(cli, "gateway/haproxy.cfg", "    no-such-keyword 4000", "    maxconn 4000")
    assert "unchanged" == _kinds(cli.ok("up"))["gateway"]
    assert before == _containers()


def test_an_up_that_dies_while_a_gateway_takes_over(cli: Clone, ports: dict[str, str]) -> None:
    """Two are left: the next `up` ends with one, which follows the routes."""
    cli.ok("up")
    _change(cli, "gateway/haproxy.cfg", "    maxconn 4000", "    maxconn 3999")
    up = subprocess.Popen(
        [sys.executable, "-m", "pydeploy", "--site", str(cli.site_file), "up"],
        cwd=cli.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    eventually(lambda: len(_gateways()) == 2, 60)
    up.kill()
    up.wait()
    assert 2 == len(_gateways())
    cli.ok("up")
    assert [f"pydeploy-{NAME}-gateway-1"] == _gateways()
    port = int(ports["PYDEPLOY_GATEWAY_HTTP_PORT"])
    assert 404 == get(port, "unknown.deploy.deepin.test").status
    assert "unchanged" == _kinds(cli.ok("up", "--dry-run"))["gateway"]


def _gateways() -> list[str]:
    filters = [f"label=com.docker.compose.project=pydeploy-{NAME}"]
    filters.append("label=com.docker.compose.service=gateway")
    argv = ["docker", "ps", "--all", "--format", "{{.Names}}"]
    argv += [word for one in filters for word in ("--filter", one)]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split()
