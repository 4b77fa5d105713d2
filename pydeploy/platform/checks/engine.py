"""Do the engines answer, and are engine, Compose and Buildx recent enough?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydeploy.clients import shell
from pydeploy.platform import place
from pydeploy.platform.checks.verdict import Context, Verdict, error, ok

ENGINE = (25, 0)  # the first with start_interval: readiness within a fraction of a second
COMPOSE = (2, 20)
BUILDX = (0, 12)
_NUMBERS = re.compile(r"(\d+)\.(\d+)")


def check(context: Context) -> Iterator[Verdict]:
    for name, engine in context.engines.items():
        with engine.answering():
            found = str(engine.sdk.version()["Version"])
        what = f"engine {name!r} {found}"
        if _version(found) < ENGINE:
            yield error("engine", f"{what} is older than {_text(ENGINE)}", "upgrade it")
        else:
            yield ok("engine", f"{what} at {engine.host}")
    yield from _client("Compose", ("docker", "compose", "version", "--short"), COMPOSE)
    yield from _client("Buildx", ("docker", "buildx", "version"), BUILDX)


def _client(name: str, argv: tuple[str, ...], least: tuple[int, int]) -> Iterator[Verdict]:
    mend = f"sudo {place.sources() / 'engine.sh'}"
    try:
        done = shell.run(argv, timeout=20)
    except (FileNotFoundError, shell.TimedOut):
        yield error("engine", "the docker client is missing or hangs", mend)
        return
    if done.code != 0:
        yield error("engine", f"the docker client has no {name}", mend)
        return
    match = _NUMBERS.search(done.stdout.rpartition(" v")[2] or done.stdout)
    found = match[0] if match else "?"
    if match and _version(found) < least:
        yield error("engine", f"{name} {found} is older than {_text(least)}", "upgrade it")
    else:
        yield ok("engine", f"{name} {found}")


def _version(text: str) -> tuple[int, int]:
    match = _NUMBERS.search(text)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _text(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
