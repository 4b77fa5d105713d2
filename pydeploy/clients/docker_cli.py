"""Docker's own command line, as data: what needs a pipe or a terminal, which the SDK has not."""

from __future__ import annotations

from collections.abc import Sequence

Argv = tuple[str, ...]


def execute(container: str, command: Sequence[str], *, is_fed: bool = False) -> Argv:
    """Run `command` in a container; `is_fed` if it reads our stdin."""
    return ("docker", "exec", *(("--interactive",) if is_fed else ()), container, *command)


def unpause(containers: Sequence[str]) -> Argv:
    return ("docker", "unpause", *containers)
