"""What both doors to Gerrit promise alike: one contract, the real server."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pydeploy.clients.gerrit import door
from pydeploy.clients.gerrit.model import TAG, Gerrit, NotFound, Refused, Review
from pydeploy.clients.gerrit.ssh import Ssh
from pydeploy.config.site import Gerrit as Settings
from pydeploy.errors import ServiceError
from tests.integration.gerrit.conftest import DOORS, credentials, settings
from tests.integration.support.gerrit_server import BOT, GerritServer

UGLY = [
    pytest.param("quotes \" ' ` and \\ backslashes", id="quotes"),
    pytest.param("lines\n\nand  spaces\n * and more", id="newlines"),
    pytest.param("$(touch /tmp/x) `id` ${HOME} ; rm -rf ~ && x | y > z", id="shell"),
    pytest.param("emoji 😀 👩‍🚀", id="emoji"),
    pytest.param("right to left: שלום עולם مرحبا", id="rtl"),
    pytest.param("long " + "äß" * 2500, id="10 kB"),
    pytest.param("--json -m x --verified +1", id="options"),
]


@pytest.fixture(params=DOORS)
def opened(request: pytest.FixtureRequest, gerrit: GerritServer) -> Gerrit:
    return door.opened(
        Settings.model_validate(settings(gerrit)), credentials(gerrit, request.param)
    )


def test_it_says_who_we_are(opened: Gerrit) -> None:
    opened.ping()
    assert BOT[0] == opened.account().username


def test_a_change_is_read_as_it_is_now(opened: Gerrit, gerrit: GerritServer) -> None:
    """Its current patchset, our messages and votes, and nobody else's."""
    change = gerrit.change()
    change.commit()
    change.do("revisions/current/review", {"message": "not ours", "labels": {"Code-Review": 1}})
    opened.review(change.number, 1, Review(message="first"))
    opened.review(change.number, 2, Review(message="second\n\nmore", labels={"Verified": -1}))
    found = opened.change(change.number)
    assert (2, change.revision) == (found.patchset, found.revision)
    assert ("demo", "master", True) == (found.gerrit_project, found.branch, found.is_open)
    assert [(1, "first"), (2, "second\n\nmore")] == [
        (one.patchset, one.text) for one in found.messages
    ]
    assert {"Verified": -1} == found.votes


@pytest.mark.parametrize(("action", "status"), [("abandon", "ABANDONED"), ("submit", "MERGED")])
def test_a_closed_change_is_not_open(
    opened: Gerrit, gerrit: GerritServer, action: str, status: str
) -> None:
    change = gerrit.change()
    review = {"labels": {"Code-Review": 2}}
    change.do("revisions/current/review", review)
    opened.review(change.number, 1, Review(message="", labels={"Verified": 1}))
    change.do(action)
    found = opened.change(change.number)
    assert (status, False) == (found.status, found.is_open)


@pytest.mark.parametrize("text", UGLY)
def test_what_is_said_arrives_as_it_is(opened: Gerrit, gerrit: GerritServer, text: str) -> None:
    """No shell and no server splits or reads it."""
    change = gerrit.change()
    opened.review(change.number, 1, Review(message=text))
    assert [text] == [one.text for one in opened.change(change.number).messages]
    assert not Path("/tmp/x").exists()


@pytest.mark.parametrize(
    "subject", [one.values[0] for one in UGLY], ids=[str(one.id) for one in UGLY]
)
def test_subjects_may_be_what_they_like(opened: Gerrit, gerrit: GerritServer, subject: str) -> None:
    """A change is found by its number, whatever else it says of itself."""
    change = gerrit.change(subject)
    assert change.number == opened.change(change.number).number
    assert {"Verified": 1} == opened.review(
        change.number, 1, Review(message="m", labels={"Verified": 1})
    )


def test_the_tag_and_the_labels(opened: Gerrit, gerrit: GerritServer) -> None:
    """Labels come back as Gerrit took them; the tag says that a robot spoke."""
    change = gerrit.change()
    labels = {"Verified": 1, "Nonesuch": 1}

    assert {"Verified": 1} == opened.review(
        change.number, 1, Review(message="x", labels=labels, notify="NONE")
    )
    assert TAG == change.details()["messages"][-1]["tag"]


def test_a_vote_out_of_range_does_not_come_back(opened: Gerrit, gerrit: GerritServer) -> None:
    change = gerrit.change()
    taken = opened.review(change.number, 1, Review(message="x", labels={"Verified": 2}))
    assert 2 not in taken.values()


def test_what_is_not_there(opened: Gerrit, gerrit: GerritServer) -> None:
    """NotFound for a change, Refused for what is asked of one."""
    with pytest.raises(NotFound):
        opened.change(99999)
    with pytest.raises(Refused):
        opened.review(99999, 1, Review(message="x"))
    with pytest.raises(Refused):
        opened.review(gerrit.change().number, 7, Review(message="x"))


def test_a_vote_on_a_closed_change_is_refused(opened: Gerrit, gerrit: GerritServer) -> None:
    """Gerrit says no, and the message alone passes."""
    change = gerrit.change()
    change.do("abandon")
    with pytest.raises(Refused):
        opened.review(change.number, 1, Review(message="x", labels={"Verified": 1}))
    opened.review(change.number, 1, Review(message="x"))
    assert ["x"] == [one.text for one in opened.change(change.number).messages]


# -- ssh --------------------------------------------------------------------------------


@pytest.fixture
def agent(gerrit: GerritServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An ssh-agent that holds the bot's key, and no other way to it."""
    printed = subprocess.run(["ssh-agent", "-s"], check=True, capture_output=True, text=True).stdout
    facts = dict(
        part.split("=", 1) for part in printed.replace(";", "\n").split("\n") if "=" in part
    )
    monkeypatch.setenv("SSH_AUTH_SOCK", facts["SSH_AUTH_SOCK"])
    subprocess.run(["ssh-add", "-q", str(gerrit.key)], check=True)
    yield
    os.kill(int(facts["SSH_AGENT_PID"]), 15)


def test_an_agent_has_the_key(agent: None, gerrit: GerritServer) -> None:
    ssh = Ssh("127.0.0.1", port=gerrit.ssh_port, username=BOT[0], known_hosts=gerrit.known_hosts)
    assert gerrit.change().number == ssh.change(gerrit.change().number - 1).number


def test_the_configuration_of_ssh_counts(
    gerrit: GerritServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name, port, user, key and host key of it; the account is who it says."""
    config = tmp_path / "config"
    config.write_text(
        f"Host review\n  HostName 127.0.0.1\n  Port {gerrit.ssh_port}\n  User {BOT[0]}\n"
        f"  IdentityFile {gerrit.key}\n  UserKnownHostsFile {gerrit.known_hosts}\n"
    )
    wrapper = tmp_path / "ssh"
    wrapper.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {config} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    ssh = Ssh("review")
    assert BOT[0] == ssh.account().username
    assert gerrit.change().number == ssh.change(gerrit.change().number - 1).number


def test_an_unknown_host_is_not_trusted(gerrit: GerritServer, tmp_path: Path) -> None:
    """Nobody is asked, nothing is sent, and the hint says how to come to know it."""
    ssh = Ssh(
        "127.0.0.1",
        port=gerrit.ssh_port,
        username=BOT[0],
        key=gerrit.key,
        known_hosts=tmp_path / "empty",
    )
    with pytest.raises(ServiceError, match="Host key verification failed") as caught:
        ssh.ping()
    assert "known_hosts" in caught.value.hint


def test_a_key_that_is_not_let_in(gerrit: GerritServer, tmp_path: Path) -> None:
    key = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    ssh = Ssh(
        "127.0.0.1",
        port=gerrit.ssh_port,
        username=BOT[0],
        key=key,
        known_hosts=gerrit.known_hosts,
    )
    with pytest.raises(ServiceError, match="Permission denied"):
        ssh.ping()
