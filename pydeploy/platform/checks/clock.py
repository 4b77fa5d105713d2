"""Do the clocks agree? Times in records and the end of an environment are read by all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from pydeploy.platform.checks.verdict import Context, Verdict, ok, warning

_MUCH = 2.0  # seconds
_NANOSECONDS = re.compile(r"(\.\d{6})\d*")  # Python reads microseconds


def check(context: Context) -> Iterator[Verdict]:
    for name, engine in context.engines.items():
        with engine.answering():
            before = datetime.now(UTC)
            text = str(engine.sdk.info()["SystemTime"])
            after = datetime.now(UTC)
        theirs = datetime.fromisoformat(_NANOSECONDS.sub(r"\1", text))
        apart = max((before - theirs).total_seconds(), (theirs - after).total_seconds(), 0.0)
        message = f"engine {name!r}: {apart:.1f} s apart from this machine"
        if apart > _MUCH:
            yield warning("clock", message, "let both follow the same time server (chrony, ntpd)")
        else:
            yield ok("clock", message)
