"""What commands that change an environment have in common at their end."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pydeploy import __main__, cli
from pydeploy.clients.gerrit import door
from pydeploy.clients.gerrit.model import Change
from pydeploy.config.site import Gerrit, Site
from pydeploy.deploy import deploy, promote, remove, session
from pydeploy.deploy.remove import Removal
from pydeploy.deploy.request import Outcome
from pydeploy.errors import DeployError, ServiceError
from pydeploy.reporters import outbox
from pydeploy.reporters.gerrit import Word
from pydeploy.state.store import Store
from tests.unit.reporters.doors import Fake

AWAY = ServiceError("Gerrit does not answer", service="gerrit", is_passing=True)
NOW = Change(
    number=1, gerrit_project="x", branch="master", status="NEW", patchset=3, revision="abc"
)
COMMANDS: dict[str, list[str]] = {
    "deploy": ["deploy", "--name", "docs"],
    "promote": ["promote", "10020", "--to", "docs"],
    "remove": ["remove", "docs"],
}


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, store: Store, tmp_path: Path) -> Site:
    """Where these commands do nothing, well."""
    one = Site(gerrit=Gerrit(url="http://gerrit.test"))
    opened = SimpleNamespace(site=one, store=store)
    done = Outcome(environment="docs", state="running", url="http://docs.test")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "load_site", lambda: one)
    monkeypatch.setattr(session, "open_session", lambda *_: opened)
    monkeypatch.setattr(session, "open_session_of", lambda *_: opened)
    monkeypatch.setattr(deploy, "deploy", lambda *_: done)
    monkeypatch.setattr(promote, "promote", lambda *_, **__: done)
    monkeypatch.setattr(remove, "remove", lambda *_, **__: Removal(environment="docs"))
    monkeypatch.setattr(remove, "data_at_stake", lambda *_: [])
    return one


@pytest.mark.parametrize("command", COMMANDS)
def test_what_waits_goes_out_at_the_end(
    monkeypatch: pytest.MonkeyPatch, site: Site, store: Store, command: str
) -> None:
    """Nobody has to call `report` for it."""
    fake = Fake([AWAY], [])
    monkeypatch.setattr(door, "opened", lambda *_: fake)
    word = Word(phase="deployed", change=1, patchset=3, message="it runs", vote=1)
    assert outbox.say(site, store, word).is_kept
    assert 0 == __main__.run(COMMANDS[command])
    assert [word] == [one.word for one in outbox._entries(store)]  # it fails nothing
    fake.changes, fake.answers = [NOW], [{"Verified": 1}]
    assert 0 == __main__.run(COMMANDS[command])
    assert [{"Verified": 1}] == [one.labels for one in fake.reviews]


@pytest.mark.parametrize("command", ["promote", "deploy"])
def test_a_result_says_which_command_it_was(
    site: Site, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert 0 == __main__.run([*COMMANDS[command], "--json"])
    assert command == json.loads(capsys.readouterr().out)["step"]


def test_a_promotion_that_fails_says_so_too(
    monkeypatch: pytest.MonkeyPatch, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """One document; else its report would be taken for a deploy's."""

    def fails(*_: Any, **__: Any) -> None:
        raise DeployError("it does not answer")

    monkeypatch.setattr(promote, "promote", fails)
    assert 4 == __main__.run([*COMMANDS["promote"], "--json"])
    told = json.loads(capsys.readouterr().out)
    assert ("promote", "DeployError") == (told["step"], told["error"]["class"])
