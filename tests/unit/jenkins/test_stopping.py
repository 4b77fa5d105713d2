"""Ending a build: kindly, harder only on demand, and wherever it is by then."""

from __future__ import annotations

import pytest

from pydeploy.clients.jenkins import Jenkins, is_of_job
from pydeploy.errors import UsageError
from pydeploy.jenkins import stopping
from pydeploy.jenkins.values import Triggered
from tests.unit.jenkins.fake import FakeJenkins, Job

ASKED = Triggered(job="hello", queue_id=42)


def asked(fake: FakeJenkins, jenkins: Jenkins, job: Job) -> Job:
    fake.jobs["hello"] = job
    jenkins.build("hello", is_parameterized=False)
    return job


def running(fake: FakeJenkins, jenkins: Jenkins, **options: object) -> Job:
    job = asked(fake, jenkins, Job(will_be="", **options))  # type: ignore[arg-type]
    fake.start(fake.items[42])
    return job


def test_a_build_that_stops_is_asked_once(fake: FakeJenkins, jenkins: Jenkins) -> None:
    """And is told as it ended."""
    job = running(fake, jenkins)
    assert "ABORTED" == stopping.stop(jenkins, "hello", 1, is_hard=True).result
    assert ["stop"] == job.builds[0].asked_to


def test_a_build_that_does_not_stop_is_left_running(fake: FakeJenkins, jenkins: Jenkins) -> None:
    """Without `--hard`, nothing harder is done."""
    job = running(fake, jenkins, ends_at="term")
    found = stopping.stop(jenkins, "hello", 1, each=0.1)
    assert not found.has_ended
    assert ["stop"] == job.builds[0].asked_to


@pytest.mark.parametrize(
    ("ends_at", "ways"), [("term", ["stop", "term"]), ("kill", ["stop", "term", "kill"])]
)
def test_hard_goes_one_step_after_the_other(
    fake: FakeJenkins, jenkins: Jenkins, ends_at: str, ways: list[str]
) -> None:
    """Each gets its time."""
    job = running(fake, jenkins, ends_at=ends_at)
    assert stopping.stop(jenkins, "hello", 1, is_hard=True, each=0.1).has_ended
    assert ways == job.builds[0].asked_to


def test_what_is_no_pipeline_knows_no_harder_way(fake: FakeJenkins, jenkins: Jenkins) -> None:
    """404 there is no failure; it is said."""
    running(fake, jenkins, ends_at="kill", is_pipeline=False)
    said: list[str] = []
    found = stopping.stop(jenkins, "hello", 1, is_hard=True, each=0.1, say=said.append)
    assert not found.has_ended
    assert "only a pipeline can be ended harder" == said[-1]


def test_a_build_that_has_ended_is_left_alone(fake: FakeJenkins, jenkins: Jenkins) -> None:
    """Nothing is sent."""
    job = running(fake, jenkins)
    job.builds[0].is_building, job.builds[0].result = False, "SUCCESS"
    assert "SUCCESS" == stopping.stop(jenkins, "hello", 1).result
    assert [] == job.builds[0].asked_to


def test_what_waits_is_taken_out_of_the_queue(fake: FakeJenkins, jenkins: Jenkins) -> None:
    """No build came of it."""
    asked(fake, jenkins, Job(states=("blocked",)))
    assert stopping.stop_triggered(jenkins, ASKED) is None
    assert "cancelled" == fake.items[42].state


def test_another_jobs_item_is_left_alone(fake: FakeJenkins, jenkins: Jenkins) -> None:
    """A number is easily mistaken: exit 64, and whose it is."""
    asked(fake, jenkins, Job(states=("blocked",)))
    for name in ("hell", "docs/hello"):
        with pytest.raises(UsageError, match="queue item 42 is not of") as wrong:
            stopping.stop_triggered(jenkins, Triggered(job=name, queue_id=42))
        assert "/ci/job/hello/" in wrong.value.hint
    assert [] == fake.posts("cancel")


@pytest.mark.parametrize(
    ("path", "job", "is_so"),
    [
        ("ci/job/hello/", "hello", True),
        ("job/hello", "hello", True),
        ("job/docs/job/hello/", "docs/hello", True),
        ("job/docs/job/hello/", "hello", False),
        ("job/p/job/feature%252Fx/", "p/feature%2Fx", True),
        ("job/hello/", "hell", False),
        ("", "hello", False),
    ],
)
def test_a_jobs_url_is_told_whatever_its_root_is(path: str, job: str, is_so: bool) -> None:
    """Jenkins writes the root that it believes in; a job of the same name may be in a folder."""
    assert is_so == is_of_job(f"https://elsewhere.example/{path}", job)


@pytest.mark.parametrize("states", [("left",), ("blocked", "left"), ("expired",)])
def test_what_left_the_queue_meanwhile_is_stopped(
    fake: FakeJenkins, jenkins: Jenkins, states: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long ago, just now (Jenkins refuses to cancel it then), or so long ago that it is unknown."""
    job = asked(fake, jenkins, Job(states=states, will_be=""))
    if states[0] == "blocked":
        cancel = Jenkins.cancel

        def too_late(self: Jenkins, queue_id: int) -> None:
            fake.look_at(fake.items[42])
            cancel(self, queue_id)

        monkeypatch.setattr(Jenkins, "cancel", too_late)
    found = stopping.stop_triggered(jenkins, ASKED)
    assert found is not None
    assert "ABORTED" == found.result
    assert ["stop"] == job.builds[0].asked_to


@pytest.mark.parametrize("state", ["waiting", "left", "numbered"])
def test_what_others_asked_for_too_is_told(fake: FakeJenkins, jenkins: Jenkins, state: str) -> None:
    """By its causes: of a job without parameters, Jenkins says it in no other way."""
    asked(fake, jenkins, Job(states=("waiting", "waiting"), will_be=""))
    mine = Triggered(job="hello", queue_id=42)
    assert not stopping.is_shared(jenkins, mine)
    assert not jenkins.build("hello", is_parameterized=False).is_merged
    if state != "waiting":
        fake.items[42].states = ["left"]
        fake.look_at(fake.items[42])
    number = 1 if state == "numbered" else None
    assert stopping.is_shared(jenkins, Triggered(job="hello", queue_id=42, number=number))
    fake.items.clear()
    assert not stopping.is_shared(jenkins, mine)  # nobody knows; the build is looked for by others
