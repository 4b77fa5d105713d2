"""Durations as people write them: `90s`, `15m`, `2h`, `3d`, `1w`, or combined `1h30m`."""

from __future__ import annotations

import re

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_TEXT = re.compile(r"(?:[0-9]+[smhdw])+|[0-9]+")
_PART = re.compile(r"([0-9]+)([smhdw]?)")
_MOST = 10 * 366 * 86400


def parse(text: str | int) -> int:
    """Seconds of `text`; a bare number is seconds.  ValueError says what would be accepted."""
    if isinstance(text, int) and not isinstance(text, bool):
        seconds = text
    elif isinstance(text, str) and _TEXT.fullmatch(text):
        seconds = sum(_number(digits) * _UNITS[unit or "s"] for digits, unit in _PART.findall(text))
    else:
        raise ValueError(f"{text!r} is not a duration; write for example 90s, 15m, 2h, 3d")
    if seconds <= 0:
        raise ValueError(f"{text!r} is not a duration above zero")
    if seconds > _MOST:
        raise ValueError("a duration of more than ten years is more than clocks and leases hold")
    return seconds


def _number(digits: str) -> int:
    return int(digits.lstrip("0")[:20] or 0)  # longer is beyond _MOST, and int() refuses very long


def show(seconds: float) -> str:
    """The two largest units: `2d 3h`, `5m 10s`, `42s`."""
    left = int(seconds)
    if left < 0:
        return f"-{show(-left)}"
    parts = []
    for unit in ("w", "d", "h", "m", "s"):
        count, left = divmod(left, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"
