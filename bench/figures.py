"""A measured number, the bound it has to keep, and the table that shows both."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_BUSY = 1.0  # processes that want a core before we have begun; of two cores, one is then not ours


@dataclass(frozen=True, kw_only=True)
class Figure:
    """`raw` is the raw tool's number in the same run, in the same unit; smaller is better unless
    `is_rate`.  A figure without a bound is shown and judges nothing."""

    what: str
    value: float
    unit: str = ""
    bound: float | None = None
    raw: float | None = None
    is_rate: bool = False
    note: str = ""

    @property
    def holds(self) -> bool | None:
        if self.bound is None:
            return None
        return self.value >= self.bound if self.is_rate else self.value <= self.bound

    def cells(self) -> tuple[str, ...]:
        sign = "≥" if self.is_rate else "≤"
        return (
            self.what,
            f"{_number(self.value)} {self.unit}".strip(),
            "" if self.bound is None else f"{sign} {_number(self.bound)} {self.unit}".strip(),
            "" if self.raw is None else f"{_number(self.raw)} {self.unit}".strip(),
            "" if not self.raw else f"{self.value / self.raw:.2f}",
            {None: "", True: "pass", False: "FAIL"}[self.holds],
            self.note,
        )


def report(title: str, figures: Sequence[Figure]) -> bool:
    """Print the table; whether every bound holds."""
    rows: list[tuple[str, ...]] = [("figure", "measured", "bound", "raw tool", "ratio", "", "note")]
    rows += [figure.cells() for figure in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    print(f"\n{title}")
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(f"  {line.rstrip()}")
    sys.stdout.flush()
    return all(figure.holds is not False for figure in figures)


def warn_if_busy() -> None:
    """Somebody else's work is in every figure then; ratios suffer less than numbers."""
    load = os.getloadavg()[0]
    if load > _BUSY:
        print(
            f"warning: the machine is busy (load {load:.1f}); repeat when it is quiet", flush=True
        )


def wait_until_quiet(limit: float = 10.0, *, share: float = 0.2) -> None:
    """Until half a second has passed in which less than `share` of the cores was in use.

    Whoever measures seconds waits for it before each turn; after `limit` seconds it begins anyway.
    """
    until = time.monotonic() + limit
    before = _ticks()
    while time.monotonic() < until:
        time.sleep(0.5)
        now = _ticks()
        all_of_it, idle = (new - old for new, old in zip(now, before, strict=True))
        if idle > (1 - share) * all_of_it:
            return
        before = now


def _ticks() -> tuple[int, int]:
    """Of all cores together: all, and those without work (proc(5), /proc/stat)."""
    fields = [int(one) for one in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(fields), fields[3] + fields[4]


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def _number(value: float) -> str:
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"
