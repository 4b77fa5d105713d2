"""One real Gerrit for the test process, and a site that reports to it by either door."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.support.cli import Cli, Result
from tests.integration.support.gerrit_server import BOT, GerritServer, PushedChange, fetch_parts
from tests.unit.etcd_server import EtcdServer

DOORS = ("rest", "ssh")


@pytest.fixture(scope="session")
def gerrit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GerritServer]:
    fetch_parts()
    server = GerritServer(tmp_path_factory.mktemp("gerrit"))
    try:
        yield server.make()
    finally:
        server.stop(signal.SIGKILL)  # its site goes, too


@pytest.fixture(scope="session")
def reports_etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdServer]:
    server = EtcdServer(tmp_path_factory.mktemp("etcd")).start()
    yield server
    server.kill()


@dataclass(frozen=True)
class Reporter:
    """`pydeploy report` through one door."""

    cli: Cli
    env: dict[str, str]

    def __call__(
        self, change: PushedChange, *arguments: object, patchset: int | None = None
    ) -> Any:
        """The JSON of a report that must succeed."""
        return self.cli.ok("report", *self._which(change, patchset), *arguments, env=self.env)

    def fails(self, code: int, change: PushedChange, *arguments: object) -> dict[str, Any]:
        return self.cli.fails(code, "report", *self._which(change, None), *arguments, env=self.env)

    def run(self, *arguments: object) -> Result:
        return self.cli(*arguments, env=self.env)

    def _which(self, change: PushedChange, patchset: int | None) -> tuple[object, ...]:
        return ("--change", change.number, "--patchset", patchset or change.patchset)


def credentials(gerrit: GerritServer, door: str) -> dict[str, str]:
    if door == "rest":
        return {"PYDEPLOY_GERRIT_USERNAME": BOT[0], "PYDEPLOY_GERRIT_PASSWORD": BOT[1]}
    return {"PYDEPLOY_GERRIT_SSH_KEY": str(gerrit.key)}


def settings(gerrit: GerritServer, **more: Any) -> dict[str, Any]:
    return {
        "url": gerrit.url,
        "ssh": f"{BOT[0]}@127.0.0.1:{gerrit.ssh_port}",
        "known_hosts": str(gerrit.known_hosts),
        **more,
    }


Reporting = Callable[..., Reporter]


@pytest.fixture
def reporting(gerrit: GerritServer, reports_etcd: EtcdServer, tmp_path: Path) -> Reporting:
    """Makes a reporter for a door, with other settings of `gerrit:` if a test wants them."""

    def make(door: str = "rest", env: dict[str, str] | None = None, **more: Any) -> Reporter:
        file = tmp_path / f"site-{len(list(tmp_path.glob('site-*')))}.yml"
        site = {"etcd": {"endpoints": [reports_etcd.url]}, "gerrit": settings(gerrit, **more)}
        file.write_text(yaml.safe_dump(site))
        return Reporter(Cli(file), credentials(gerrit, door) if env is None else env)

    return make


@pytest.fixture(params=DOORS)
def report(request: pytest.FixtureRequest, reporting: Reporting) -> Reporter:
    """Each test with it is run through both doors."""
    return reporting(request.param)
