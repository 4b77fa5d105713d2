"""Gerrit's own work by command, and trust, through both doors of a real Gerrit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pydeploy.clients.gerrit import door
from pydeploy.clients.gerrit.model import Gerrit, NotFound, Refused
from pydeploy.config.site import Gerrit as Settings
from pydeploy.config.site import TrustRule
from pydeploy.gerrit import trust
from tests.integration.gerrit.conftest import DOORS, Reporter, Reporting, credentials, settings
from tests.integration.support.gerrit_server import ADMIN, BOT, GerritServer

Open = Callable[[], Gerrit]
UGLY = 'it\'s "quoted" $(id) `id` \\ ; | & 😀 שלום --submit'


@pytest.fixture(params=DOORS)
def gate(request: pytest.FixtureRequest, gerrit: GerritServer) -> Gerrit:
    found = Settings.model_validate(settings(gerrit))
    return door.opened(found, credentials(gerrit, request.param))


@pytest.fixture(scope="module")
def rights(gerrit: GerritServer) -> None:
    """The bot may do what `docs/gerrit.md` says it needs for these commands."""
    group = gerrit.admin("GET", "/groups/Service%20Users")["id"]
    rule = {"rules": {group: {"action": "ALLOW"}}}
    permissions = dict.fromkeys(("abandon", "rebase", "submit"), rule)
    add = {"add": {"refs/heads/*": {"permissions": permissions}}}
    gerrit.admin("POST", "/projects/All-Projects/access", add)


def test_query_in_pages(gate: Gerrit, gerrit: GerritServer) -> None:
    """The newest first; text of a query is one text, whatever is in it."""
    made = [gerrit.change(project="pages").number for _ in range(3)]
    wanted = "project:pages status:open"
    assert made[::-1] == [one.number for one in gate.query(wanted, 10).changes][:3]
    two = gate.query(wanted, 2)
    assert (2, True) == (len(two.changes), two.is_more)
    either = gate.query(f"change:{made[0]} OR change:{made[1]}", 10)
    assert {made[0], made[1]} == {one.number for one in either.changes}
    assert () == gate.query("-status:open project:pages", 10).changes
    with pytest.raises(Refused) as caught:
        gate.query("status:nosuch )(", 10)
    assert 400 == caught.value.status


def test_pages_follow_each_other(
    gate: Gerrit, gerrit: GerritServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("rest", "ssh"):
        monkeypatch.setattr(f"pydeploy.clients.gerrit.{module}.PAGE", 2)
    made = {gerrit.change(project=f"paged-{type(gate).__name__}").number for _ in range(3)}
    found = gate.query(f"project:paged-{type(gate).__name__}", 10)
    assert (made, False) == ({one.number for one in found.changes}, found.is_more)


def test_show(gate: Gerrit, gerrit: GerritServer) -> None:
    change = gerrit.change(UGLY)
    change.commit()
    gerrit.admin(
        "POST",
        f"/changes/{change.number}/revisions/2/review",
        {"labels": {"Code-Review": 2}},
    )
    found = gate.show(change.number)
    assert ("demo", "master", UGLY, 2) == (
        found.gerrit_project, found.branch, found.subject, found.patchset,
    )  # fmt: skip
    assert change.revision == found.revision == found.patchsets[1].revision
    assert [ADMIN[0]] * 2 == [one.uploader.username for one in found.patchsets]
    assert [("Code-Review", 2, ADMIN[0])] == [
        (one.label, one.value, one.by.username) for one in found.approvals
    ]
    assert f"{change.number}" in found.url
    with pytest.raises(NotFound):
        gate.show(999_999)


@pytest.mark.usefixtures("rights")
def test_abandon_rebase_submit(gate: Gerrit, gerrit: GerritServer) -> None:
    """Once each; what is not possible is refused in Gerrit's words."""
    change = gerrit.change()
    gate.abandon(change.number, UGLY)
    assert "ABANDONED" == gate.show(change.number).status
    assert any(UGLY in one for one in change.said())
    with pytest.raises(Refused, match="abandoned"):
        gate.abandon(change.number, "")

    first, second = gerrit.change(), gerrit.change()
    with pytest.raises(Refused):
        gate.submit(first.number)
    for one in (first, second):
        path = f"/changes/{one.number}/revisions/1/review"
        gerrit.admin("POST", path, {"labels": {"Code-Review": 2}})
        gerrit.ask("POST", path, {"labels": {"Verified": 1}}, login=BOT)
    gate.submit(first.number)
    assert "MERGED" == gate.show(first.number).status
    gate.rebase(second.number, None)
    found = gate.show(second.number)
    assert (2, BOT[0]) == (found.patchset, found.patchsets[1].uploader.username)
    with pytest.raises(Refused):
        gate.rebase(second.number, None)


def test_by_command(report: Reporter, gerrit: GerritServer) -> None:
    """The whole command through either door, and a refusal's exit code."""
    change = gerrit.change()
    shown = json.loads(report.run("gerrit", "show", change.number, "--json").stdout)
    assert change.revision == shown["revision"]
    words = ("gerrit", "review", change.number, "--message", UGLY, "--label", "Verified=+1")
    assert {"Verified": 1} == json.loads(report.run(*words, "--json").stdout)["labels"]
    assert UGLY in change.said()[-1]
    refused = report.run("gerrit", "submit", change.number)
    assert 6 == refused.code
    assert 6 == report.run("gerrit", "show", 999_999).code
    assert 64 == report.run("gerrit", "query", "status:nosuch )(").code


# -- trust ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def group(gerrit: GerritServer) -> str:
    """Ours, with the administrator through a group in it, and visible to all."""
    gerrit.admin("PUT", "/groups/Core", {"visible_to_all": True, "members": [ADMIN[0]]})
    gerrit.admin("PUT", "/groups/CI%20Trusted", {"visible_to_all": True, "members": []})
    gerrit.admin("PUT", "/groups/CI%20Trusted/groups/Core")
    gerrit.admin("PUT", "/groups/Hidden", {"visible_to_all": False, "members": [ADMIN[0]]})
    return "CI Trusted"


def test_members(gate: Gerrit, group: str) -> None:
    """Also of the groups in it; a group that we may not see is no empty one."""
    assert {ADMIN[0]} == {one.username for one in gate.members(group)}
    for name in ("Hidden", "No Such Group"):
        with pytest.raises(Refused):
            gate.members(name)


def test_who_is_trusted(gate: Gerrit, gerrit: GerritServer, group: str) -> None:
    """By a vote of a member on the current patchset; a new one begins anew."""
    change = gerrit.change()
    rule = TrustRule.model_validate({"vote": "Code-Review+1", "by": group})

    def is_trusted(*rules: TrustRule) -> bool:
        found = gate.show(change.number)
        members = {group: gate.members(group)}
        return trust.decide(rules, found, found.patchsets[-1], members).is_trusted

    assert is_trusted(TrustRule.model_validate({"uploader": group}))
    assert not is_trusted(rule)
    vote: Any = {"labels": {"Code-Review": 1}}
    robot = f"/changes/{change.number}/revisions/current/review"
    gerrit.ask("POST", robot, vote, login=BOT)
    assert not is_trusted(rule)  # the bot is no member
    gerrit.admin("POST", robot, vote)
    assert is_trusted(rule)
    change.commit()
    assert not is_trusted(rule)


def test_an_untrusted_change_is_told_once(
    reporting: Reporting, gerrit: GerritServer, group: str, tmp_path: Path
) -> None:
    """It is not built: exit 2, before anything of it is read; after the vote it goes further."""
    change = gerrit.change(project="docs/hello")
    reporter = reporting(trust=[{"vote": "Code-Review+1", "by": group}])
    which = ("--change", change.number, "--patchset", 1)
    build = ("build", change.clone, *which, "--gerrit-project", "infra", "--json")
    refused = reporter.run(*build)
    assert 2 == refused.code
    error = json.loads(refused.stdout)["error"]
    assert "TrustError" == error["class"]
    assert "a member of CI Trusted by voting Code-Review+1 on patchset 1" in error["message"]
    result = tmp_path / "result.json"
    result.write_text(refused.stdout)
    assert ("untrusted", None) == tuple(
        reporter(change, "--result", result)[key] for key in ("phase", "vote")
    )
    assert not reporter(change, "--result", result)["is_posted"]
    assert 1 == len(change.said())
    assert 0 == change.vote()

    review = f"/changes/{change.number}/revisions/1/review"
    gerrit.admin("POST", review, {"labels": {"Code-Review": 1}})
    let_through = reporter.run(*build)
    assert "LayoutError" == json.loads(let_through.stdout)["error"]["class"]  # it was read
    assert "Gerrit says 'docs/hello', which counts" in let_through.stderr

    other = ("build", gerrit.change().clone, *which, "--json")
    contradicted = reporter.run(*other)
    assert 64 == contradicted.code
    assert "in Gerrit, but the checkout is at" in contradicted.stderr
