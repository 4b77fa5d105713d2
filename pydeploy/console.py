"""What people see: narration on stderr, data on stdout; colours on a terminal only."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pydeploy.errors import PydeployError

# C0 and C1 but tab and line feed, what changes the direction of text or breaks lines unseen, and
# the surrogates that stand for bytes which are no text.
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)

_SHORTEST = 6  # characters of a value that is hidden: `true` would be all over
_hidden: tuple[str, ...] = ()  # for the time of `hiding`; a process runs one command
_collected: list[Any] | None = None  # for the time of `collecting`


def safe(text: str) -> str:
    """`text` without control characters: a change's log must not drive the terminal."""
    return _CONTROL.sub("\ufffd", text.replace("\r\n", "\n"))


@contextmanager
def hiding(values: Iterable[str]) -> Iterator[None]:
    """Whatever is printed in the block shows `***` in place of these values.

    Line by line, because what prints them may break them up; short ones are no secrets.  A failure
    that leaves the block, to be printed outside, says them neither.
    """
    global _hidden
    before = _hidden
    lines = {line.strip() for value in values for line in (value, *value.splitlines())}
    _hidden = (*before, *sorted((one for one in lines if len(one) >= _SHORTEST), key=len)[::-1])
    try:
        yield
    except PydeployError as failure:
        failure.message, failure.hint = hidden(failure.message), hidden(failure.hint)
        failure.logs = hidden(failure.logs)
        raise
    finally:
        _hidden = before


def hidden(text: str) -> str:
    """`text` without the values that are being hidden."""
    for value in _hidden:
        text = text.replace(value, "***")
    return text


def shown(text: str) -> str:
    """`text` as it may be shown: hidden first, because `safe` could change a value."""
    return safe(hidden(text))


def say(text: str) -> None:
    """One line of narration."""
    _narrate(shown(text))


def warn(text: str) -> None:
    _narrate(f"{_paint('warning:', '33')} {shown(text)}")


def _narrate(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def out(text: str) -> None:
    """Data: what a script reads."""
    print(hidden(text), flush=True)


@contextmanager
def collecting() -> Iterator[list[Any]]:
    """What `out_json` is given in the block comes into this list, and not on stdout."""
    global _collected
    before, _collected = _collected, []
    try:
        yield _collected
    finally:
        _collected = before


def out_json(value: Any) -> None:
    """One JSON document on stdout, or into the list of `collecting`."""
    if _collected is not None:
        _collected.append(_hidden_in(value))
        return
    print(json.dumps(_hidden_in(value), indent=2, sort_keys=False, default=str), flush=True)


def _hidden_in(value: Any) -> Any:
    """Before JSON escapes what is in the texts; names stay."""
    if isinstance(value, str):
        return hidden(value)
    if isinstance(value, Mapping):
        return {key: _hidden_in(one) for key, one in value.items()}
    return [_hidden_in(one) for one in value] if isinstance(value, (list, tuple)) else value


@contextmanager
def step(text: str) -> Iterator[None]:
    """`• text` at the start, `✓ text 1.2s` or `✗ text 1.2s` at the end."""
    started = time.monotonic()
    line = shown(text)
    _narrate(f"{_paint('•', '36')} {line}")
    try:
        yield
    except BaseException:
        _narrate(f"{_paint('✗', '31')} {line} {time.monotonic() - started:.1f}s")
        raise
    _narrate(f"{_paint('✓', '32')} {line} {time.monotonic() - started:.1f}s")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on stdout; tab-separated where stdout is not a terminal."""
    if not sys.stdout.isatty():
        out("\t".join(columns))
        for row in rows:
            out("\t".join(shown(cell).replace("\t", " ").replace("\n", " ") for cell in row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        grid.add_column(column, no_wrap=True)
    for row in rows:
        grid.add_row(*(Text(shown(cell)) for cell in row))
    # On a narrow terminal the lines run on: a URL that was cut is of no use.
    console = Console()
    width = console.measure(grid, options=console.options.update(width=10_000)).maximum
    Console(width=max(width, console.width)).print(grid, soft_wrap=True)


def _paint(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if sys.stderr.isatty() else text
