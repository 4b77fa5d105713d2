"""Rules on durations, as Compose's model writes them: `1h30m0s`, `1.5s`, `10µs`."""

from __future__ import annotations

import re
from typing import Any

from pydeploy.repository.documents import KeyPath
from pydeploy.repository.policy.rules import DROP, Rule, Scope, shown

_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(h|ms|m|s|us|µs|ns)")
_SECONDS = {"h": 3600, "m": 60, "s": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def within(low: str, high: str) -> Rule:
    """Keeps a duration from `low` to `high`, with a warning where it is cut to one of them.

    Zero is what Docker takes for "not said".
    """
    least, most = _seconds(low) or 0.0, _seconds(high) or 0.0

    def rule(scope: Scope, path: KeyPath, value: Any) -> Any:
        seconds = _seconds(str(value))
        if seconds is None:
            scope.note("policy.value-not-allowed", path, f"{shown(value)} is not a duration")
            return value
        if seconds == 0 and path[-1] != "stop_grace_period":
            return DROP
        if least <= seconds <= most:
            return value
        bound = low if seconds < least else high
        scope.note("compose.duration", path, f"{shown(value)} is out of bounds, {bound} is used")
        return bound

    return rule


def _seconds(text: str) -> float | None:
    """None for what is not a duration above or equal zero."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
