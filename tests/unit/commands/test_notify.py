"""`pydeploy notify` and `pydeploy report`: what they print, and what never."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pydeploy.__main__ import run
from tests.unit.reporters.chat_server import SECRET, ChatServer

SITE = """
etcd: {endpoints: ["http://127.0.0.1:1"], timeout: 1s}
gerrit: {url: "http://127.0.0.1:1", timeout: 1s}
chat:
  - {name: team, kind: slack}
  - {name: ops, kind: mattermost, webhook_variable: OPS}
"""
DEPLOYED = {"environment": "10020", "state": "running", "url": "http://10020.deploy.deepin.test"}


@pytest.fixture
def server() -> Iterator[ChatServer]:
    one = ChatServer().serve()
    yield one
    one.shutdown()
    one.server_close()


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: ChatServer) -> None:
    (tmp_path / "site.yml").write_text(SITE)
    (tmp_path / "result.json").write_text(json.dumps(DEPLOYED))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYDEPLOY_SITE", str(tmp_path / "site.yml"))
    monkeypatch.setenv("PYDEPLOY_CHAT_WEBHOOK", server.url("slack"))
    monkeypatch.setenv("OPS", server.url("mattermost"))
    monkeypatch.setenv("BUILD_URL", "http://jenkins.deepin.test/job/x/7/")
    for name in ("PASSWORD", "TOKEN", "SSH_KEY", "USERNAME"):
        monkeypatch.delenv(f"PYDEPLOY_GERRIT_{name}", raising=False)


def test_all_chats_are_told(server: ChatServer, capsys: pytest.CaptureFixture[str]) -> None:
    """Which, on stderr; with a result the link and the build go along."""
    assert 0 == run(["notify", "It runs", "--result", "result.json"])
    assert ["slack", "mattermost"] == [one.kind for one in server.told]
    assert (
        "It runs\n10020: http://10020.deploy.deepin.test\nBuild: http://jenkins.deepin.test/job/x/7/"
        == server.told[1].body["text"]
    )
    assert "team: told\nops: told\n" in capsys.readouterr().err


def test_one_chat_is_told(server: ChatServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run(["notify", "x", "--to", "ops", "--json"])
    assert {
        "name": "ops",
        "kind": "mattermost",
        "is_sent": True,
        "is_kept": False,
        "error": None,
    } == json.loads(capsys.readouterr().out)["chats"][0]


def test_a_chat_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 64, and which there are."""
    assert 64 == run(["notify", "x", "--to", "nosuch"])
    assert "choose of: team, ops" in capsys.readouterr().err


def test_what_fails_is_said_without_the_address(
    server: ChatServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """One JSON document with each chat and the error; the others are told."""
    server.script.answers = [(404, {}, f"no_service {SECRET}")]
    assert 6 == run(["notify", "x", "--json"])
    printed = capsys.readouterr()
    told = json.loads(printed.out)
    assert [False, True] == [one["is_sent"] for one in told["chats"]]
    assert "chat 'team' refused the message: HTTP 404" in told["error"]["message"]
    assert SECRET not in printed.out + printed.err


def test_a_variable_that_is_not_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2: the operator's."""
    monkeypatch.delenv("OPS")
    assert 2 == run(["notify", "x", "--to", "ops"])
    assert "set $OPS to its URL" in capsys.readouterr().err


def test_a_dry_run_needs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither etcd nor Gerrit nor a password: to try a template."""
    which = ["report", "--change", "10020", "--patchset", "3", "--result", "result.json"]
    assert 0 == run([*which, "--message", "by @all", "--dry-run"])
    assert (
        "10020 is deployed: http://10020.deploy.deepin.test\n\nby `@all`\n\n"
        "Build: http://jenkins.deepin.test/job/x/7/\n"
    ) == capsys.readouterr().out
    assert 0 == run([*which, "--dry-run", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (False, None, "deployed") == (told["is_posted"], told["vote"], told["phase"])


def test_a_report_without_credentials(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2: what to set."""
    assert 2 == run(["report", "--change", "1", "--result", "result.json"])
    assert "PYDEPLOY_GERRIT_PASSWORD" in capsys.readouterr().err


@pytest.mark.parametrize("vote", ["+", "yes", "1.5"])
def test_a_vote_is_a_number_or_none(vote: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert 64 == run(["report", "--change", "1", "--vote", vote])
    assert "is not a vote" in capsys.readouterr().err


def test_the_flag_knows_every_phase() -> None:
    """Help imports no reporter, so they are written twice."""
    from pydeploy.commands.report import PHASES
    from pydeploy.reporters import report

    assert PHASES == report.PHASES
