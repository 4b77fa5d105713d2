"""A console comes in pieces, cut anywhere, and survives what happens to connections."""

from __future__ import annotations

import pytest

from pydeploy.clients.jenkins import Jenkins
from pydeploy.jenkins import console
from pydeploy.jenkins.waiting import TimedOut
from tests.unit.jenkins.fake import FakeJenkins, Job
from tests.unit.jenkins.test_waiting import Clock

TEXT = "grüße 你好 🎉\n  indented\n\nlast"


@pytest.fixture
def clock() -> Clock:
    return Clock()


def started(fake: FakeJenkins, jenkins: Jenkins, *coming: bytes) -> None:
    fake.jobs["hello"] = Job(coming=coming)
    jenkins.build("hello", is_parameterized=False)
    fake.start(fake.items[42])


def followed(jenkins: Jenkins, clock: Clock) -> list[str]:
    return list(console.follow(jenkins, "hello", 1, clock.patience()))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_a_character_may_be_cut_by_any_border(
    fake: FakeJenkins, jenkins: Jenkins, clock: Clock, size: int
) -> None:
    """Each piece of the log ends wherever the build had come to."""
    raw = TEXT.encode()
    started(fake, jenkins, *(raw[at : at + size] for at in range(0, len(raw), size)))
    assert TEXT.split("\n") == followed(jenkins, clock)


def test_each_piece_is_asked_for_where_the_last_one_ended(
    fake: FakeJenkins, jenkins: Jenkins, clock: Clock
) -> None:
    """In bytes of the log, as X-Text-Size says; the body is longer, because of its line ends."""
    started(fake, jenkins, b"one\ntwo\n", b"three\n")
    assert ["one", "two", "three"] == followed(jenkins, clock)
    starts = [one.path.rpartition("=")[2] for one in fake.gets("progressiveText")]
    assert ["0", "8"] == starts


def test_a_log_that_does_not_exist_yet_is_waited_for(
    fake: FakeJenkins, jenkins: Jenkins, clock: Clock
) -> None:
    """X-Text-Size 0 and X-More-Data, without a body."""
    started(fake, jenkins, b"", b"", b"", b"one\n")
    assert ["one"] == followed(jenkins, clock)


def test_a_broken_answer_is_asked_for_again_and_nothing_comes_twice(
    fake: FakeJenkins, jenkins: Jenkins, clock: Clock
) -> None:
    """At the same offset; what was seen of it is left out."""
    started(fake, jenkins, b"first\n", "ä\n".encode() * 40_000, b"last\n")
    fake.fail("cut", "start=6$", times=3)
    found = followed(jenkins, clock)
    assert ["first", *["ä"] * 40_000, "last"] == found
    assert 4 == len(fake.gets("start=6$"))


def test_a_restart_in_between_loses_no_line(
    fake: FakeJenkins, jenkins: Jenkins, clock: Clock
) -> None:
    """Refused, starting, and then it goes on at the same offset."""
    started(fake, jenkins, b"one\n", b"two\n")
    fake.fail("drop", "start=4$", times=2)
    fake.fail("starting", "start=4$", times=2)
    assert ["one", "two"] == followed(jenkins, clock)


def test_a_log_that_began_anew_is_shown_from_its_beginning(
    fake: FakeJenkins, jenkins: Jenkins, clock: Clock
) -> None:
    """Jenkins sends all of it when the offset is beyond its end."""
    started(fake, jenkins, b"a long line of before\n", b"")
    build = fake.jobs["hello"].builds[0]

    def replace() -> None:
        if len(fake.gets("progressiveText")) == 1:
            build.log, build.coming = b"new\n", [b""]

    clock.on_sleep = replace
    assert ["a long line of before", "new"] == followed(jenkins, clock)
    assert "the console begins anew" in clock.said


def test_a_line_that_never_ends_is_shown_in_parts(
    fake: FakeJenkins, jenkins: Jenkins, clock: Clock
) -> None:
    """Else memory would be its only limit."""
    started(fake, jenkins, b"x" * 200_000, b"y" * 200_000 + b"\n")
    found = followed(jenkins, clock)
    assert len(found) > 2
    assert "x" * 200_000 + "y" * 200_000 == "".join(found)


def test_following_ends_at_the_deadline(fake: FakeJenkins, jenkins: Jenkins, clock: Clock) -> None:
    """With what came until then; and it is said, because the build goes on."""
    started(fake, jenkins, b"one\nhalf", *[b""] * 10_000)
    found: list[str] = []
    with pytest.raises(TimedOut, match="hello 1 has not ended yet") as late:
        found.extend(console.follow(jenkins, "hello", 1, clock.patience(30)))
    assert "build-log hello 1 --follow" in late.value.hint
    assert ["one", "half"] == found
    assert 30 == clock.now


def test_a_log_that_is_gone_is_not_waited_for(
    fake: FakeJenkins, jenkins: Jenkins, clock: Clock
) -> None:
    """Jenkins says of a file that is not there that more comes, also when the build has ended."""
    started(fake, jenkins, b"one\n", b"two\n", b"")
    build = fake.jobs["hello"].builds[0]
    build.is_log_gone = True
    assert [] == followed(jenkins, clock)
    assert clock.now < 20
    build.is_log_gone, build.coming = False, [b"three\n", *[b""] * 60, b"four\n"]
    build.is_building, build.result = True, None
    assert ["one", "two", "three", "four"] == followed(jenkins, clock)


def test_what_a_build_writes_at_its_end_is_shown(
    fake: FakeJenkins, jenkins: Jenkins, clock: Clock
) -> None:
    """After it is known to have ended its log is read once more."""
    started(fake, jenkins, b"one\n", *[b""] * 99)
    build = fake.jobs["hello"].builds[0]

    def end() -> None:
        if fake.gets("hello/1/api"):
            build.log, clock.on_sleep = build.log + b"last\n", lambda: None

    def finish() -> None:
        if clock.now > 3:
            build.is_building, build.result, build.coming = False, "SUCCESS", []
            build.is_always_more, clock.on_sleep = True, end

    clock.on_sleep = finish
    assert ["one", "last"] == followed(jenkins, clock)


def test_a_console_is_read_as_it_is_now(fake: FakeJenkins, jenkins: Jenkins) -> None:
    """Also of a build that runs; with bytes that are no text."""
    started(fake, jenkins, b"one\r\nt\xffwo", b"more")
    assert ["one", "t\ufffdwo"] == list(console.lines(jenkins, "hello", 1))
