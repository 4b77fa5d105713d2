"""A report from what a command printed, or from what etcd knows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pydeploy.clients.etcd import Etcd
from pydeploy.errors import UsageError
from pydeploy.reporters import reading
from pydeploy.reporters.report import Difference, Report
from pydeploy.state.keys import Keys
from pydeploy.state.records import Change, Environment, Image, Release, Wanted
from pydeploy.state.store import Store

AWAY = Store(etcd=Etcd(("http://127.0.0.1:1",), timeout=1), keys=Keys("/x"))
DEPLOYED: dict[str, Any] = {
    "environment": "10020",
    "state": "running",
    "release": "10020-3",
    "url": "http://10020.deploy.deepin.test",
    "images": [{"service": "web", "ref": "r/web", "digest": "sha256:1"}],
    "timings_s": {"check": 1.0, "total": 4.5},
    "expires": None,
    "ports": [{"service": "web"}],
}


def read(value: Any, **more: Any) -> Report:
    return reading.of_result(
        AWAY, reading.result(json.dumps(value)), None, environment="10020", **more
    )


def test_the_result_of_a_deploy(capsys: pytest.CaptureFixture[str]) -> None:
    """All that a message needs; etcd that is away only keeps the differences from it."""
    found = read(DEPLOYED, change=10020, patchset=3)
    assert ("deployed", "10020-3", 4.5, "") == (
        found.phase,
        found.release,
        found.duration,
        found.expires,
    )
    assert (Image(service="web", ref="r/web", digest="sha256:1"),) == found.images
    assert "it is not said in what the release differs" in capsys.readouterr().err


def test_the_result_of_a_step_as_groovy_has_it() -> None:
    """Maps of text, lists joined by line feeds; what is false or empty is absent."""
    told = {
        "environment": "10020",
        "state": "running",
        "is_unchanged": "true",
        "images": {"web": "r:5000/web@sha256:1"},
        "warnings": "one\ntwo",
        "timings_s": {"total": "4.5"},
        "exit_code": "0",
    }
    found = read(told)
    assert (Image(service="web", ref="r:5000/web", digest="sha256:1"),) == found.images
    assert "remove" == read({"step": "remove", "state": "removed"}).act
    assert (True, ("one", "two"), 4.5) == (found.is_unchanged, found.warnings, found.duration)


@pytest.mark.parametrize(
    ("value", "phase"),
    [
        ({"state": "running"}, "deployed"),
        ({"state": "completed"}, "deployed"),
        ({"state": "superseded"}, "superseded"),
        ({"step": "promote", "state": "running"}, "promoted"),
        ({"step": "promote", "state": "superseded"}, "superseded"),
        ({"step": "rollback", "state": "running"}, "deployed"),
        ({"state": "removed", "residue": 0}, "removed"),
        ([{"state": "removed", "environment": "1"}], "removed"),
        ({"error": {"class": "BuildError", "fault": "author"}}, "failed-author"),
        ({"error": {"class": "ServiceError", "fault": "operator"}}, "failed-operator"),
        ({"error": {"class": "UsageError", "fault": "caller"}}, "failed-operator"),
        ({"error": {"class": "TrustError", "fault": "none"}}, "untrusted"),
        ({"error": {"class": "KeyError", "fault": "none"}}, "failed-operator"),
        ({"error": {"class": "Interrupted", "fault": "none"}, "state": "aborted"}, "aborted"),
    ],
)
def test_what_a_result_comes_to(value: Any, phase: str) -> None:
    assert phase == read(value).phase


AUTHORS = {"error": {"class": "DeployError", "fault": "author"}}


@pytest.mark.parametrize("step", ["promote", "rollback", "restart", "restore", "remove"])
@pytest.mark.parametrize("value", [{"state": "running"}, AUTHORS])
def test_only_what_is_made_of_the_change_votes(step: str, value: Any) -> None:
    """A promotion that fails says nothing against it."""
    assert read({**value, "step": step}).vote is None


def test_whether_the_environment_was_said() -> None:
    """A failure may be of any."""
    assert read(DEPLOYED).is_named
    assert not read(AUTHORS).is_named


@pytest.mark.parametrize(
    ("value", "vote"),
    [
        ({"state": "running"}, 1),
        ({"state": "running", "step": "deploy"}, 1),
        (AUTHORS, -1),
        ({**AUTHORS, "step": "check"}, -1),
    ],
)
def test_a_change_that_is_deployed_is_voted_on(value: Any, vote: int) -> None:
    assert vote == read(value).vote


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cannot be read"),
        ("{", "cannot be read"),
        ("7", "cannot be read"),
        ('{"images": 7}', "images"),
        ('{"urls": ["x"]}', "urls"),
        ('{"state": "built"}', "'built'"),
        ("{}", "a state that is known"),
        ("[{}, {}]", "2 environments"),
    ],
)
def test_what_is_no_result_is_the_caller_s_fault(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        _ = reading.result(text).phase


# -- the record -------------------------------------------------------------------------


def release(name: str, attempt: int, **more: Any) -> Release:
    facts = {"engine": "local", "revision": name, "model": {"services": {"web": {"image": name}}}}
    return Release.model_validate({"name": name, "attempt": attempt, **facts, **more})


@pytest.fixture
def recorded(store: Store) -> Store:
    """10020 runs patchset 3."""
    put, keys = store.etcd.put, store.keys
    image = Image(service="web", ref="r", digest="sha256:1")
    before, now = release("10020-2", 7, images=(image,)), release("10020-3", 12)
    record = Environment(
        name="10020",
        service="web",
        state="running",
        url="http://10020.deploy.deepin.test",
        change=Change(number=10020, patchset=3, revision="10020-3"),
        current=now,
        created="2026-01-01T00:00:00Z",
        updated="2026-01-01T00:00:00Z",
    )
    put(keys.environment("10020"), record.text())
    for one in (before, now):
        put(keys.release("10020", one.name), one.text())
    return store


def test_what_runs(recorded: Store) -> None:
    """Release, link and what is new in it; the patchset is the record's."""
    found = reading.of_record(recorded, None, environment="10020", change=10020)
    assert ("deployed", 3, "10020-3", "10020-2") == (
        found.phase,
        found.patchset,
        found.release,
        found.previous,
    )
    assert (
        Difference(what="revision", before="10020-2", after="10020-3"),
        Difference(what="image of web", before="sha256:1", after=""),
    ) == found.differences


def test_the_first_release_differs_from_nothing(recorded: Store) -> None:
    assert ("", ()) == reading.differences(recorded, "10020", "10020-2")
    assert ("", ()) == reading.differences(recorded, "10020", "nosuch")


def test_another_model_is_a_difference() -> None:
    """That it is another; `pydeploy diff` shows in what."""
    other = release("b", 2, model={"services": {"web": {"image": "a", "command": "x"}}})
    assert "compose model" == reading.compare(release("a", 1), other)[-1].what


def test_what_was_asked_of_an_older_patchset(recorded: Store) -> None:
    assert "superseded" == reading.of_record(recorded, None, environment="10020", patchset=2).phase


def test_of_a_newer_patchset_nothing_is_known(recorded: Store) -> None:
    """It may have failed: only its result tells."""
    with pytest.raises(UsageError, match="runs patchset 3, not 4"):
        reading.of_record(recorded, None, environment="10020", patchset=4)


def test_what_is_gone_was_removed_if_somebody_wished_so(store: Store) -> None:
    with pytest.raises(UsageError, match="nothing is known of 10020"):
        reading.of_record(store, None, environment="10020")
    wish = Wanted(generation=2, action="remove")
    store.etcd.put(store.keys.wanted("10020"), wish.text())
    assert "removed" == reading.of_record(store, None, environment="10020").phase
    assert "started" == reading.of_record(store, "started", environment="10020").phase
