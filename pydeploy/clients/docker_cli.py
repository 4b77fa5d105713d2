"""Docker's own command line, as data: what needs a pipe or a terminal, which the SDK has not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Argv = tuple[str, ...]


def execute(
    container: str,
    command: Sequence[str],
    *,
    is_fed: bool = False,
    has_terminal: bool = False,
    user: str | None = None,
    env_vars: Mapping[str, str] | None = None,
) -> Argv:
    """Run `command` in a container; `is_fed` if it reads our stdin.

    `env_vars` are no place for secrets: everybody on the machine can read an argv.
    """
    options = [
        *(["--interactive"] if is_fed else []),
        *(["--tty"] if has_terminal else []),
        *([f"--user={user}"] if user else []),
        *(f"--env={name}={value}" for name, value in (env_vars or {}).items()),
    ]
    return ("docker", "exec", *options, container, *command)


def unpause(containers: Sequence[str]) -> Argv:
    return ("docker", "unpause", *containers)


def paused(containers: Sequence[str]) -> Argv:
    """Prints those of these (full ids) that are."""
    ids = (word for one in containers for word in ("--filter", f"id={one}"))
    return ("docker", "ps", "--quiet", "--filter", "status=paused", *ids)
