"""What people see: narration on stderr, data on stdout; colours on a terminal only."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def safe(text: str) -> str:
    """`text` without control characters: a change's log must not drive the terminal."""
    return _CONTROL.sub("\ufffd", text.replace("\r\n", "\n"))


def say(text: str) -> None:
    """One line of narration."""
    print(safe(text), file=sys.stderr, flush=True)


def warn(text: str) -> None:
    say(f"{_paint('warning:', '33')} {text}")


def out(text: str) -> None:
    """Data: what a script reads."""
    print(text, flush=True)


def out_json(value: Any) -> None:
    """One JSON document on stdout."""
    out(json.dumps(value, indent=2, sort_keys=False, default=str))


@contextmanager
def step(text: str) -> Iterator[None]:
    """`• text` at the start, `✓ text 1.2s` or `✗ text 1.2s` at the end."""
    started = time.monotonic()
    say(f"{_paint('•', '36')} {text}")
    try:
        yield
    except BaseException:
        say(f"{_paint('✗', '31')} {text} {time.monotonic() - started:.1f}s")
        raise
    say(f"{_paint('✓', '32')} {text} {time.monotonic() - started:.1f}s")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on stdout; tab-separated where stdout is not a terminal."""
    if not sys.stdout.isatty():
        out("\t".join(columns))
        for row in rows:
            out("\t".join(safe(cell).replace("\t", " ").replace("\n", " ") for cell in row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(*columns, box=box.SIMPLE_HEAD)
    for row in rows:
        grid.add_row(*(Text(safe(cell)) for cell in row))
    Console().print(grid)


def _paint(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if sys.stderr.isatty() else text
