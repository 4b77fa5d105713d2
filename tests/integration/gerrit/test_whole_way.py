"""From a push to a vote with a link that answers, and to the end of the environment."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.gerrit.conftest import Reporter, credentials, settings
from tests.integration.support.cli import Cli
from tests.integration.support.gerrit_server import GerritServer
from tests.integration.support.repositories import WEB
from tests.integration.support.site import LiveSite

Web = Callable[..., Path]


@pytest.fixture
def site(live: LiveSite, gerrit: GerritServer, tmp_path: Path) -> Cli:
    """The live site, with the real Gerrit."""
    data = yaml.safe_load(live.file.read_text())
    file = tmp_path / "site.yml"
    file.write_text(yaml.safe_dump({**data, "gerrit": settings(gerrit)}))
    return Cli(file)


def test_from_a_push_to_the_end(
    site: Cli, live: LiveSite, gerrit: GerritServer, web: Web, tmp_path: Path
) -> None:
    """Each act is told on the change, from its result or from the record."""
    change = gerrit.change()
    report = Reporter(site, credentials(gerrit, "rest"))
    result = tmp_path / "result.json"

    def deploy(patchset: int, repository: Path) -> int:
        done = site(
            "deploy", repository, "--change", change.number, "--patchset", patchset, "--json"
        )
        result.write_text(done.stdout)
        return done.code

    try:
        assert 0 == deploy(1, web())
        assert 1 == report(change, "--result", result)["vote"]
        url = json.loads(result.read_text())["url"]
        assert f"is deployed: {url}" in change.said()[-1]
        assert 200 == live.get(change.number).status

        change.commit()
        assert 0 == deploy(2, web(name="second", **{"source/more.txt": "more"}))
        said = report(change)  # of the record
        assert 1 == said["vote"]
        assert f"Against {change.number}-1:" in said["message"]
        assert "image of web" in said["message"]

        change.commit()
        broken = WEB.replace("/app/server.py", "/app/nosuch.py")
        assert 4 == deploy(3, web(broken, name="broken"))
        report(change, "--result", result)
        assert -1 == change.vote()
        assert "can't open file" in change.said()[-1]
        assert 200 == live.get(change.number).status  # patchset 2 serves on

        removed = site("remove", change.number, "--json")
        assert 0 == removed.code, removed.stderr
        result.write_text(removed.stdout)
        change.do("abandon")
        said = report(change, "--result", result)
        assert None is said["vote"]
        assert "residue: 0" in change.said()[-1]
        assert "removed" == report(change)["phase"]  # of the wish, because no record is left
    finally:
        site("remove", change.number)


def test_a_promotion_is_told_without_a_vote(
    site: Cli, gerrit: GerritServer, web: Web, tmp_path: Path, live: LiveSite
) -> None:
    change = gerrit.change()
    report = Reporter(site, credentials(gerrit, "ssh"))
    result = tmp_path / "result.json"
    name = f"staging-{change.number}"
    try:
        site.ok("deploy", web(), "--change", change.number, "--patchset", 1)
        result.write_text(site("promote", change.number, "--to", name, "--json").stdout)
        said: Any = report(change, "--result", result)
        assert None is said["vote"]
        assert f"Change {change.number} now runs in {name}: http" in change.said()[-1]
    finally:
        site("remove", change.number, name, "--purge-data")
