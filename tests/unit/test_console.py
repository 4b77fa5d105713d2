"""What people and scripts see."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydeploy import console
from pydeploy.errors import UsageError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@contextmanager
def terminal() -> Iterator[Terminal]:
    """stdout and stderr are one terminal."""
    screen = Terminal()
    with redirect_stdout(screen), redirect_stderr(screen):
        yield screen


@pytest.mark.parametrize(
    "evil",
    [
        "\x1b[2J",  # clear the screen
        "\x1b]0;title\x07",  # set the window's title
        "\x9b2J",  # the same as ESC [, in one character
        "\rpassword:",  # write over the line
        "\x08\x08",
        "\x7f",
        "\u202egnp.exe",  # right-to-left override
        "\u2066\u2069",
        "\u200f\u061c",  # marks that turn what stands beside them
        "\u2028",  # a line break that no line count sees
        "\x0b\x0c\x85",
        "\udce4",  # a byte that was no UTF-8: print() would fail on it
    ],
)
def test_untrusted_text_cannot_drive_a_terminal(evil: str) -> None:
    """Every character that does more than stand there is replaced; the rest can be read."""
    shown = console.safe(f"before {evil} after")
    assert shown.startswith("before \ufffd") or "\ufffd" in shown
    assert not set(shown) & set("\x1b\x9b\r\x08\x7f\u202e\u2066\u2069\u200f\u061c\u2028\udce4\x85")


@given(st.text())
def test_what_is_safe_stays_so_and_can_be_printed(text: str) -> None:
    """Nothing but tab and line feed below the space; encodes; a second pass changes nothing."""
    shown = console.safe(text)
    assert all(letter in "\t\n" or letter >= " " for letter in shown)
    assert shown == console.safe(shown.encode().decode())


def test_text_of_people_is_left_alone() -> None:
    """Umlauts, Chinese, emoji with joiners, tabs and Windows line ends."""
    assert "größe\t深度\n👩‍💻 e\u0301\n" == console.safe("größe\t深度\r\n👩‍💻 e\u0301\n")


def test_narration_goes_to_stderr_and_data_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """A script that reads stdout never sees a word of narration."""
    console.say("narrated")
    console.warn("careful\x1b")
    console.out("data")
    assert ("data\n", "narrated\nwarning: careful\ufffd\n") == capsys.readouterr()


def test_colours_only_on_a_terminal() -> None:
    """Our own colour reaches the terminal; an escape inside the text does not."""
    with terminal() as screen:
        console.warn("careful\x1b[2J")
    assert "\x1b[33mwarning:\x1b[0m careful\ufffd[2J\n" == screen.getvalue()


def test_a_step_says_its_beginning_and_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    """With the time that it took, so that a log shows where the time went."""
    with console.step("build"):
        pass
    assert "• build\n✓ build 0.0s\n" == capsys.readouterr().err


def test_a_step_that_fails_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """Also when it was interrupted; the failure goes on."""
    with pytest.raises(KeyboardInterrupt), console.step("build\x1b"):
        raise KeyboardInterrupt
    assert "• build\ufffd\n✗ build\ufffd 0.0s\n" == capsys.readouterr().err


def test_steps_on_a_terminal_have_colours() -> None:
    """The marks are coloured, the text is plain."""
    with terminal() as screen, console.step("build"):
        pass
    assert "\x1b[36m•\x1b[0m build\n\x1b[32m✓\x1b[0m build 0.0s\n" == screen.getvalue()


def test_a_table_is_tab_separated_when_piped(capsys: pytest.CaptureFixture[str]) -> None:
    """`cut` and `awk` can read it: a cell holds neither tabs nor line breaks nor controls."""
    console.table(("NAME", "URL"), [("10020", "http://a"), ("a\tb\nc", "\x1b[2J")])
    assert "NAME\tURL\n10020\thttp://a\na b c\t\ufffd[2J\n" == capsys.readouterr().out


def test_a_table_on_a_terminal_is_drawn() -> None:
    """Cells are text, never rich's markup, and cannot drive the terminal."""
    with terminal() as screen:
        console.table(("NAME", "URL"), [("[bold]10020[/]", "\x1b[2J")])
    assert "[bold]10020[/]" in screen.getvalue()
    assert "\x1b[2J" not in screen.getvalue()


def test_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    """In the order it was made; what is not ASCII is escaped, so no encoding can break it."""
    console.out_json({"b": "ü\udce4\x1b", "a": date(2026, 1, 31)})
    text = capsys.readouterr().out
    assert {"b": "ü\udce4\x1b", "a": "2026-01-31"} == json.loads(text)
    assert text.isascii()
    assert text.index('"b"') < text.index('"a"')


# -- hiding -----------------------------------------------------------------------------------


def test_hidden_values_are_shown_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    """Not in narration, data, tables, steps; not even where JSON would escape them."""
    value = 'pass"word\\ü'
    with console.hiding([value]):
        console.say(f"a {value}")
        console.warn(f"b {value}")
        console.out(f"c {value}")
        console.table(("X",), [(value,)])
        console.out_json({"logs": [value], "ports": (1, None)})
        with console.step(f"d {value}"):
            pass
    printed = capsys.readouterr()
    assert "a ***\nwarning: b ***\n• d ***\n✓ d *** 0.0s\n" == printed.err
    assert printed.out.startswith("c ***\nX\n***\n{")
    assert {"logs": ["***"], "ports": [1, None]} == json.loads(
        printed.out.removeprefix("c ***\nX\n***\n")
    )
    console.out(value)
    assert f"{value}\n" == capsys.readouterr().out


def test_a_hidden_value_on_a_terminal() -> None:
    """Tables are drawn by another library there."""
    with terminal() as screen, console.hiding(["opensesame"]):
        console.table(("X",), [("opensesame",)])
    assert "opensesame" not in screen.getvalue()
    assert "***" in screen.getvalue()


def test_a_value_with_control_characters_is_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    """What the terminal must not get is replaced afterwards."""
    with console.hiding(["open\x1bsesame"]):
        console.say("open\x1bsesame\x1b")
    assert "***\ufffd\n" == capsys.readouterr().err


def test_lines_of_a_value_are_hidden_short_ones_are_not() -> None:
    """A program may print a key line by line; `true` would be hidden all over."""
    with console.hiding(["first-line\n  second-line  \ntrue"]):
        assert "*** and *** is true" == console.hidden("first-line and second-line is true")


def test_the_longest_value_is_hidden_first() -> None:
    """Else the end of the longer one would stay."""
    with console.hiding(["opensesame", "opensesame-key"]):
        assert "***" == console.hidden("opensesame-key")


def test_a_failure_that_leaves_the_block_says_no_value() -> None:
    """It is printed outside, at the error boundary."""
    said = "opensesame is no choice"
    with pytest.raises(UsageError) as failure, console.hiding(["opensesame"]):
        raise UsageError(said, hint=said, logs=said)
    told = failure.value.as_dict()
    assert ["*** is no choice"] * 3 == [told[one] for one in ("message", "hint", "logs")]
