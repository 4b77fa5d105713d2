"""Durations in and out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydeploy import durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("15m", 900),
        ("2h", 7200),
        ("3d", 259200),
        ("1w", 604800),
        ("1h30m", 5400),
        ("45", 45),
        (45, 45),
        ("0m1s", 1),
        ("0" * 30 + "5s", 5),
    ],
)
def test_parses(text: str | int, seconds: int) -> None:
    """A number with a unit, several of them, or a bare number of seconds."""
    assert seconds == durations.parse(text)


@pytest.mark.parametrize(
    "text",
    ["", "s", "-3d", "3 d", "3D", "3.5h", "1h-", "h1", "3d\n", "²", "٣d", "٣", "1e3", "soon"],
)
def test_refuses_what_is_not_a_duration(text: str) -> None:
    """The message repeats what was written and shows what would be accepted."""
    with pytest.raises(ValueError, match=r"is not a duration; write for example 90s, 15m"):
        durations.parse(text)


@pytest.mark.parametrize("value", [True, False, None, 1.5, ["1d"]])
def test_refuses_other_types(value: object) -> None:
    """YAML's `true` is an int in Python, but no second."""
    with pytest.raises(ValueError, match="is not a duration"):
        durations.parse(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", [0, "0", "0s", -1])
def test_refuses_what_is_not_above_zero(text: str | int) -> None:
    """A time to live of nothing would remove at once."""
    with pytest.raises(ValueError, match="above zero"):
        durations.parse(text)


@pytest.mark.parametrize("text", ["99999w", "9" * 30, "9" * 5000 + "d"])
def test_refuses_what_no_clock_can_hold(text: str) -> None:
    """Waiting and leases have limits; ten years is more than anybody means."""
    with pytest.raises(ValueError, match="more than ten years"):
        durations.parse(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.9, "0s"),
        (42, "42s"),
        (310, "5m 10s"),
        (183600, "2d 3h"),
        (183661, "2d 3h"),
        (604800, "1w"),
        (-90, "-1m 30s"),
    ],
)
def test_shows_the_two_largest_units(seconds: float, text: str) -> None:
    """Nobody needs the seconds of a week."""
    assert text == durations.show(seconds)


@given(st.integers(1, 10**8))
def test_shown_is_not_longer_than_it_is(seconds: int) -> None:
    """What is shown can be parsed again, and only cuts off: never more than was left."""
    again = durations.parse(durations.show(seconds).replace(" ", ""))
    assert again <= seconds < again * 2
