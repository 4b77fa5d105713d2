"""Following a build through the queue to its result, with a deadline."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pydeploy.clients.jenkins import Jenkins
from pydeploy.clients.jenkins_answers import Away
from pydeploy.errors import ServiceError
from pydeploy.jenkins import following, waiting
from pydeploy.jenkins.values import EXIT_CODES, Build, Triggered
from pydeploy.jenkins.waiting import Patience, TimedOut
from tests.unit.jenkins.fake import FakeJenkins, Job


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self, on_sleep: Callable[[], None] = lambda: None) -> None:
        self.now = 0.0
        self.said: list[str] = []
        self.on_sleep = on_sleep

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.on_sleep()

    def patience(self, seconds: float = 600.0) -> Patience:
        return Patience(
            deadline=seconds, say=self.said.append, clock=lambda: self.now, sleep=self.sleep
        )


@pytest.fixture
def clock() -> Clock:
    return Clock()


def queued(fake: FakeJenkins, jenkins: Jenkins, *states: str) -> Triggered:
    """A build of `hello` whose item goes through these states."""
    fake.jobs.setdefault("hello", Job()).states = states
    return Triggered(job="hello", queue_id=jenkins.build("hello", is_parameterized=False).queue_id)


def test_every_state_of_the_queue_is_told_once(
    fake: FakeJenkins, jenkins: Jenkins, clock: Clock
) -> None:
    """With Jenkins' own reason; a quiet period that counts down is one piece of news."""
    asked = queued(
        fake,
        jenkins,
        *("waiting", "waiting", "blocked", "blocked", "buildable", "stuck", "pending", "left"),
    )
    assert 1 == waiting.for_number(jenkins, asked, clock.patience())
    assert [
        "in the queue, waiting: quiet period",
        "in the queue, blocked: Build #7 is already in progress (ETA: 3 min)",
        "in the queue, buildable: Waiting for next available executor on ‘linux’",
        "in the queue, stuck: ‘agent-7’ is offline",
        "in the queue, pending",
    ] == clock.said


def test_a_cancelled_item_is_a_failure(fake: FakeJenkins, jenkins: Jenkins, clock: Clock) -> None:
    """No build came of it; somebody wanted it so."""
    asked = queued(fake, jenkins, "blocked", "cancelled")
    with pytest.raises(ServiceError, match="was cancelled while it waited"):
        waiting.for_number(jenkins, asked, clock.patience())


def test_an_expired_item_is_found_among_the_builds(
    fake: FakeJenkins, jenkins: Jenkins, clock: Clock
) -> None:
    """Five minutes after it left, Jenkins knows only the build's queueId."""
    other = queued(fake, jenkins, "expired")
    waiting.for_number(jenkins, other, clock.patience())
    asked = queued(fake, jenkins, "waiting", "expired")
    queued(fake, jenkins, "expired")
    assert 2 == waiting.for_number(jenkins, asked, clock.patience())


def test_an_item_that_is_nowhere_is_said(fake: FakeJenkins, jenkins: Jenkins, clock: Clock) -> None:
    """Not at once: it may not have been visible yet. Not at the deadline either: it never comes."""
    asked = queued(fake, jenkins, "gone")
    with pytest.raises(ServiceError, match="is gone, and none of its last 100 builds") as gone:
        waiting.for_number(jenkins, asked, clock.patience())
    assert not isinstance(gone.value, TimedOut)
    assert 30 <= clock.now < 40


def test_the_deadline_says_why_it_waits(fake: FakeJenkins, jenkins: Jenkins, clock: Clock) -> None:
    """Jenkins' reason, and how to take it out of the queue."""
    asked = queued(fake, jenkins, "stuck")
    with pytest.raises(TimedOut, match=r"still waits .*‘agent-7’ is offline") as late:
        waiting.for_number(jenkins, asked, clock.patience(60))
    assert 60 == clock.now
    assert f"--queue-id {asked.queue_id}" in late.value.hint
    assert ("ServiceError", 6) == (late.value.kind, late.value.exit_code)


@pytest.mark.parametrize("result", EXIT_CODES)
def test_every_result_has_its_exit_code(
    fake: FakeJenkins, jenkins: Jenkins, clock: Clock, result: str
) -> None:
    """SUCCESS 0, UNSTABLE 10, FAILURE 11, ABORTED 12, NOT_BUILT 13."""
    fake.jobs["hello"] = Job(will_be=result)
    asked = queued(fake, jenkins, "left")
    build = following.follow(jenkins, asked, clock.patience())
    assert (result, EXIT_CODES[result]) == (build.result, build.exit_code)
    assert [0, 10, 11, 12, 13] == list(EXIT_CODES.values())


def test_a_result_that_nobody_knows_is_no_success() -> None:
    """Whatever a plug-in may invent."""
    build = Build(job="x", number=1, url="", is_building=False, result="ODD")
    assert 11 == build.exit_code


def test_a_result_before_the_end_is_none_yet(
    fake: FakeJenkins, jenkins: Jenkins, clock: Clock
) -> None:
    """Pipelines set it while their later stages run."""
    fake.jobs["hello"] = Job(will_be="")
    asked = queued(fake, jenkins, "left")
    waiting.for_number(jenkins, asked, clock.patience())
    fake.jobs["hello"].builds[0].result = "UNSTABLE"
    with pytest.raises(TimedOut, match="hello 1 has not ended") as late:
        waiting.for_result(jenkins, "hello", 1, clock.patience(30))
    assert "pydeploy stop-build hello 1" in late.value.hint


@pytest.mark.parametrize("what", ["build", "job"])
def test_what_is_deleted_meanwhile_is_no_fault_of_the_callers(
    fake: FakeJenkins, jenkins: Jenkins, clock: Clock, what: str
) -> None:
    """Exit 6, not 64: it was there."""
    fake.jobs["hello"] = Job(will_be="")
    asked = queued(fake, jenkins, "left")

    def delete() -> None:
        if what == "job":
            fake.jobs.clear()
        else:
            fake.jobs["hello"].builds.clear()

    clock.on_sleep = delete
    with pytest.raises(ServiceError, match="hello 1 is gone: it was deleted") as gone:
        following.follow(jenkins, asked, clock.patience())
    assert ("ServiceError", 6) == (gone.value.kind, gone.value.exit_code)


def test_a_restart_of_jenkins_is_waited_for(
    fake: FakeJenkins, jenkins: Jenkins, clock: Clock
) -> None:
    """Longer than one request is tried; said once."""
    asked = queued(fake, jenkins, "waiting", "left")
    fake.fail("starting", times=8)
    fake.fail("drop", times=4)
    build = following.follow(jenkins, asked, clock.patience())
    assert "SUCCESS" == build.result
    assert 1 == sum("waiting for it" in line for line in clock.said)


@pytest.mark.parametrize("kind", ["proxy 429", "proxy 500"])
def test_a_no_that_passes_ends_no_wait(
    fake: FakeJenkins, jenkins: Jenkins, clock: Clock, kind: str
) -> None:
    """Too many requests, or a proxy in trouble; Jenkins' own 500 is another thing."""
    asked = queued(fake, jenkins, "left")
    fake.fail(kind, "hello/1/api", times=3)
    assert "SUCCESS" == following.follow(jenkins, asked, clock.patience()).result


def test_who_is_told_to_come_later_comes_later(
    fake: FakeJenkins, jenkins: Jenkins, clock: Clock
) -> None:
    """Retry-After, as far as the deadline lets."""
    asked = queued(fake, jenkins, "left")
    fake.fail("later 100", "queue/item")
    assert 1 == waiting.for_number(jenkins, asked, clock.patience())
    assert 100 <= clock.now < 102
    fake.fail("later 9999", "hello/1/api", times=9)
    with pytest.raises(Away):
        waiting.for_result(jenkins, "hello", 1, clock.patience(200))
    assert 200 <= clock.now < 202


def test_a_jenkins_that_stays_away_is_not_waited_for_ever(
    fake: FakeJenkins, jenkins: Jenkins, clock: Clock
) -> None:
    """The deadline holds for that, too."""
    asked = queued(fake, jenkins, "left")
    fake.fail("drop", times=10_000)
    with pytest.raises(ServiceError, match="does not answer"):
        following.follow(jenkins, asked, clock.patience(60))
    assert 60 <= clock.now < 61


def test_who_follows_hears_of_the_start_with_the_number(
    fake: FakeJenkins, jenkins: Jenkins, clock: Clock
) -> None:
    """So that a key can be told, and people can look."""
    asked = queued(fake, jenkins, "left")
    heard: list[tuple[Triggered, Build]] = []
    following.follow(jenkins, asked, clock.patience(), on_start=lambda *one: heard.append(one))
    ((with_number, build),) = heard
    assert (1, 1) == (with_number.number, build.number)
