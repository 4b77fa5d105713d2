"""`pydeploy report` on a real Gerrit, through both doors where it says no other."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.gerrit.conftest import Reporter, Reporting
from tests.integration.support.gerrit_server import BOT, GerritServer

URL = "http://10020.deploy.deepin.test"
DEPLOYED = {
    "environment": "10020",
    "state": "running",
    "release": "10020-1",
    "url": URL,
    "urls": {"web": URL},
    "images": [{"service": "web", "ref": "r/web", "digest": f"sha256:{'ab' * 32}"}],
    "expires": "2026-12-01T12:00:00Z",
    "timings_s": {"total": 12.3},
}


def failed(fault: str = "author", kind: str = "DeployError", **more: Any) -> dict[str, Any]:
    error = {"class": kind, "message": "web exited with 1", "fault": fault, "hint": "", "logs": ""}
    return {"error": {**error, **more}}


@pytest.fixture
def result(tmp_path: Path) -> Any:
    def write(value: Any) -> Path:
        file = tmp_path / "result.json"
        file.write_text(json.dumps(value))
        return file

    return write


def test_deployed_is_a_vote_with_the_link(
    report: Reporter, gerrit: GerritServer, result: Any
) -> None:
    """On the current patchset: +1, and what runs where."""
    change = gerrit.change()
    change.commit()
    said = report(change, "--result", result(DEPLOYED))
    assert (True, "Verified", 1) == (said["is_posted"], said["label"], said["vote"])
    assert 1 == change.vote()
    (told,) = change.said()
    assert told.startswith(f"Patch Set 2: Verified+1\n\n10020 is deployed: {URL}\n")
    for fact in ("10020-1, in 12.3 s", "web: abababababab", "stays until 2026-12-01T12:00:00Z"):
        assert fact in told


def test_what_its_author_broke_is_minus_one_with_the_last_lines(
    report: Reporter, gerrit: GerritServer, result: Any
) -> None:
    change = gerrit.change()
    logs = "".join(f"line {number}\n" for number in range(100))
    report(change, "--result", result(failed(logs=logs)))
    assert -1 == change.vote()
    (told,) = change.said()
    assert "line 99\n```" in told
    assert "line 69\n" not in told  # report.log_lines is 30
    assert f"pydeploy deploy --change {change.number} --patchset 1" in told


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("operator", "CapacityError"),
        ("operator", "ServiceError"),
        ("operator", "SiteConfigError"),
        ("caller", "UsageError"),
        ("none", "KeyError"),
        ("none", "Interrupted"),
    ],
)
def test_what_the_author_cannot_mend_has_no_vote(
    reporting: Reporting, gerrit: GerritServer, result: Any, fault: str, kind: str
) -> None:
    """A comment, so that the author knows; the change is not to blame."""
    change = gerrit.change()
    said = reporting()(change, "--result", result(failed(fault, kind)))
    assert (True, None) == (said["is_posted"], said["vote"])
    assert 0 == change.vote()
    (told,) = change.said()
    assert told.startswith("Patch Set 1:\n\n")
    assert "the author's turn" not in told


def test_a_new_vote_takes_the_place_of_the_old(
    report: Reporter, gerrit: GerritServer, result: Any
) -> None:
    """Failed, mended by a restart, deployed."""
    change = gerrit.change()
    report(change, "--result", result(failed()))
    report(change, "--result", result(DEPLOYED))
    assert 1 == change.vote()


def test_an_old_patchset_has_no_vote(report: Reporter, gerrit: GerritServer, result: Any) -> None:
    """Gerrit would take it; what has ended late is said, and no more."""
    change = gerrit.change()
    change.commit()
    said = report(change, "--result", result(failed()), patchset=1)
    assert (True, None) == (said["is_posted"], said["vote"])
    assert "not the current one" in said["why"]
    (told,) = change.said()
    assert told.startswith("Patch Set 1:\n\n")
    approvals = change.details()["labels"]["Verified"].get("all", [])
    assert [] == [one for one in approvals if one.get("value")]


def test_another_commit_than_was_built_has_no_vote(
    report: Reporter, gerrit: GerritServer, result: Any
) -> None:
    change = gerrit.change()
    other = report(change, "--revision", "0" * 40, "--result", result(DEPLOYED))
    assert None is other["vote"]
    assert 1 == report(change, "--revision", change.revision, "--result", result(DEPLOYED))["vote"]


def test_a_superseded_patchset_says_nothing(
    report: Reporter, gerrit: GerritServer, result: Any
) -> None:
    """The newer one speaks for itself."""
    change = gerrit.change()
    change.commit()
    superseded = {"environment": "10020", "state": "superseded", "superseded_by": "patchset 2"}
    said = report(change, "--result", result(superseded), patchset=1)
    assert (False, []) == (said["is_posted"], change.said())


def test_the_current_patchset_that_was_superseded_is_told_why(
    report: Reporter, gerrit: GerritServer, result: Any
) -> None:
    """By a removal, or a rollback: nothing newer speaks for it."""
    change = gerrit.change()
    superseded = {"environment": "10020", "state": "superseded", "superseded_by": "remove"}
    report(change, "--result", result(superseded))
    assert "was superseded by remove" in change.said()[0]
    assert 0 == change.vote()


@pytest.mark.parametrize("action", ["abandon", "submit"])
def test_a_closed_change_is_told_without_a_vote(
    report: Reporter, gerrit: GerritServer, result: Any, action: str
) -> None:
    change = gerrit.change()
    if action == "submit":
        change.do("revisions/current/review", {"labels": {"Code-Review": 2}})
        report(change, "--result", result(DEPLOYED))
    change.do(action)
    said = report(change, "--result", result(failed()))
    assert (True, None) == (said["is_posted"], said["vote"])
    assert said["why"] == f"the change is {'merged' if action == 'submit' else 'abandoned'}"
    assert "web exited with 1" in change.said()[-1]


def test_the_same_is_said_once(report: Reporter, gerrit: GerritServer, result: Any) -> None:
    change = gerrit.change()
    file = result(DEPLOYED)
    assert report(change, "--result", file)["is_posted"]
    again = report(change, "--result", file)
    assert (False, "it has been said already") == (again["is_posted"], again["why"])
    assert 1 == len(change.said())


def test_both_doors_know_what_the_other_has_said(
    reporting: Reporting, gerrit: GerritServer, result: Any
) -> None:
    change = gerrit.change()
    file = result(failed(logs="a\n\n\n  b `c`\n"))
    assert reporting("rest")(change, "--result", file)["is_posted"]
    assert not reporting("ssh")(change, "--result", file)["is_posted"]


def test_what_was_said_before_something_else_is_said_again(
    reporting: Reporting, gerrit: GerritServer, result: Any
) -> None:
    """Deployed, failed, deployed: each is news."""
    change, report = gerrit.change(), reporting()
    for value in (DEPLOYED, failed(), DEPLOYED):
        assert report(change, "--result", result(value))["is_posted"]
    assert 1 == change.vote()


def test_a_vote_that_somebody_took_away_comes_back(
    reporting: Reporting, gerrit: GerritServer, result: Any
) -> None:
    """Without the message, which is there."""
    change, report = gerrit.change(), reporting()
    file = result(DEPLOYED)
    report(change, "--result", file)
    change.do(f"reviewers/{BOT[0]}/votes/Verified/delete")
    assert 0 == change.vote()
    report(change, "--result", file)
    assert 1 == change.vote()
    assert 1 == sum("is deployed" in one for one in change.said())
    assert not report(change, "--result", file)["is_posted"]


def test_two_builds_that_end_at_once_say_it_once(
    reporting: Reporting, gerrit: GerritServer, result: Any
) -> None:
    """Looking and posting are one step: they take turns by a lock in etcd."""
    change, report = gerrit.change(), reporting()
    file = result(DEPLOYED)
    which = ("--change", change.number, "--patchset", 1, "--result", file)
    racing = [report.cli.start("report", *which, env=report.env) for _ in range(4)]
    assert [0] * 4 == [one.wait(120) for one in racing]
    assert 1 == len(change.said())


@pytest.mark.parametrize("label", ["Nonesuch", "Code-Review"])
def test_a_label_that_gerrit_does_not_take_is_said(
    report: Reporter, reporting: Reporting, gerrit: GerritServer, result: Any, label: str
) -> None:
    """Unknown, or with a value that we may not give: Gerrit drops it in silence, we do not."""
    change = gerrit.change()
    mine = Reporter(reporting(label=label).cli, report.env)
    vote = ("--vote", "2") if label == "Code-Review" else ()
    error = mine.fails(6, change, "--result", result(DEPLOYED), *vote)
    assert f"not the vote {label}" in error["message"]
    assert BOT[0] in error["message"]
    assert f"Label {label}" in error["hint"]
    assert "operator" == error["fault"]
    (told,) = change.said()  # the rest of it is there, and not again by the next try
    assert "is deployed" in told
    mine.fails(6, change, "--result", result(DEPLOYED), *vote)
    assert 1 == sum("is deployed" in one for one in change.said())


def test_a_change_that_is_not_there(report: Reporter, gerrit: GerritServer, result: Any) -> None:
    gone = gerrit.change()
    gone.number = 99999
    error = report.fails(6, gone, "--result", result(DEPLOYED))
    assert "knows no change 99999" in error["message"]


def test_the_end_of_a_change_that_is_gone_needs_no_telling(
    report: Reporter, gerrit: GerritServer, result: Any
) -> None:
    """It was deleted, and its environment removed: nobody is left to be told."""
    change = gerrit.change()
    gerrit.admin("DELETE", f"/changes/{change.number}")
    said = report(change, "--result", result({"environment": "10020", "state": "removed"}))
    assert (False, "the change is gone, too") == (said["is_posted"], said["why"])


def test_a_wrong_password(reporting: Reporting, gerrit: GerritServer, result: Any) -> None:
    """401: what to renew; the password itself is nowhere."""
    env = {"PYDEPLOY_GERRIT_USERNAME": BOT[0], "PYDEPLOY_GERRIT_PASSWORD": "wrong-secret"}
    done = reporting(env=env).run(
        "report", "--change", gerrit.change().number, "--result", result(DEPLOYED)
    )
    assert 6 == done.code
    assert "does not accept our credentials" in done.stderr
    assert "wrong-secret" not in done.stderr + done.stdout


def test_gerrit_that_is_away(reporting: Reporting, gerrit: GerritServer, result: Any) -> None:
    """The command succeeds, says where it should be, and the report waits."""
    change = gerrit.change()
    said = reporting(url="http://127.0.0.1:1")(change, "--result", result(DEPLOYED))
    assert (False, True) == (said["is_posted"], said["is_kept"])
    assert "Gerrit does not answer at http://127.0.0.1:1" in said["why"]
    assert {"sent": 1, "dropped": 0, "left": 0} == reporting().run(
        "report", "--flush", "--json"
    ).json
    assert 1 == change.vote()


def test_one_voter(reporting: Reporting, gerrit: GerritServer, result: Any) -> None:
    """Where gerrit-trigger votes, we say the rest; --vote says that this is so."""
    change, report = gerrit.change(), reporting(vote=False)
    assert None is report(change, "--result", result(DEPLOYED))["vote"]
    assert 0 == change.vote()
    assert (
        "vote" in report.fails(64, change, "--result", result(DEPLOYED), "--vote", "1")["message"]
    )


def test_the_caller_may_vote_otherwise(
    reporting: Reporting, gerrit: GerritServer, result: Any
) -> None:
    change, report = gerrit.change(), reporting()
    assert None is report(change, "--result", result(failed()), "--vote", "none")["vote"]
    assert 1 == report(change, "--result", result(failed()), "--vote", "1")["vote"]
    assert 0 == report(change, "--result", result(failed()), "--vote", "0")["vote"]


@pytest.mark.parametrize(
    "text",
    [
        "quotes \" ' and \\ backslashes",
        "emoji 😀 and right to left שלום",
        "long " + "äß" * 2500,
        "$(touch /tmp/x); `id` && rm -rf ~",
    ],
    ids=["quotes", "emoji, rtl", "10 kB", "shell"],
)
def test_a_word_of_the_caller_s_arrives(
    report: Reporter, gerrit: GerritServer, result: Any, text: str
) -> None:
    """A subject in it formats nothing; its letters are all there."""
    change = gerrit.change(text)
    report(change, "--result", result(DEPLOYED), "--message", f"Subject: {text}")
    told = change.said()[0].replace("`", "")
    assert text.replace("`", "") in told


def test_the_doctor_says_who_may_vote(reporting: Reporting, gerrit: GerritServer) -> None:
    """Let in, and may vote on the label of site.yml; or may not, and what to do."""
    gerrit.change()
    for label, level in (("Verified", "ok"), ("Nonesuch", "error")):
        done = reporting(label=label).run("doctor", "--json")
        checks = [one for one in done.json["checks"] if one["part"] == "gerrit"]
        assert "ci-bot is let in" in checks[0]["message"]
        assert level == checks[1]["level"], checks
    done = reporting("ssh").run("doctor", "--json")
    assert any("ci-bot is let in" in one["message"] for one in done.json["checks"])


def test_a_new_patchset_carries_nothing_over(
    reporting: Reporting, gerrit: GerritServer, result: Any
) -> None:
    """What is said of patchset 1 does not keep patchset 2 from being told the same."""
    change, report = gerrit.change(), reporting()
    report(change, "--result", result(DEPLOYED))
    change.commit()
    assert report(change, "--result", result(DEPLOYED))["is_posted"]
    assert 1 == change.vote()


def test_nothing_is_sent_by_a_dry_run(
    reporting: Reporting, gerrit: GerritServer, result: Any
) -> None:
    change = gerrit.change()
    done = reporting().run(
        "report", "--change", change.number, "--result", result(DEPLOYED), "--dry-run"
    )
    assert f"is deployed: {URL}" in done.stdout
    assert [] == change.said()


def test_no_process_of_ours_stays(reporting: Reporting, gerrit: GerritServer, result: Any) -> None:
    reporting("ssh")(gerrit.change(), "--result", result(DEPLOYED))
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    assert not [line for line in listed.splitlines() if f"-p {gerrit.ssh_port}" in line]


def test_gerrit_that_was_away_hears_it_when_it_is_back(
    reporting: Reporting, gerrit: GerritServer, result: Any
) -> None:
    """The command succeeds; the next one of any agent says it, once, if it still counts."""
    first, second = gerrit.change(), gerrit.change()
    report = reporting()
    gerrit.stop()
    try:
        for change in (first, second):
            said = report(change, "--result", result(failed()))
            assert (False, True) == (said["is_posted"], said["is_kept"])
        assert report(first, "--result", result(DEPLOYED))["is_kept"]
        assert report(first, "--phase", "started")["is_kept"]  # takes no vote with it
    finally:
        gerrit.start()
    second.commit()
    done = reporting("ssh").run("report", "--flush", "--json")
    assert {"sent": 2, "dropped": 1, "left": 0} == done.json
    assert (1, 0) == (first.vote(), second.vote())
    assert (2, 0) == (len(first.said()), len(second.said()))
