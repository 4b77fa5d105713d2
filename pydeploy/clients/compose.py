"""Docker Compose's command line, as data: pure functions that return argv.

`shell.run` executes them.  Nothing here reads a file or the process environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

Argv = tuple[str, ...]


def base(*, project: str, directory: Path, file: Path) -> Argv:
    """`docker compose` for one project; `file` is the only compose file it reads."""
    return (
        "docker", "compose",
        "--ansi", "never",
        "--project-name", project,
        "--project-directory", str(directory),
        "--file", str(file),
    )  # fmt: skip


def config(*, project: str, directory: Path, file: Path, env_file: Path) -> Argv:
    """The canonical model as JSON on stdout.  Needs no engine.

    `env_file` is the only file that variables come from; named, so that none is looked for.
    """
    start = base(project=project, directory=directory, file=file)
    return (*start, "--env-file", str(env_file), "config", "--format", "json")


def up(*, project: str, directory: Path, services: Sequence[str] = ()) -> Argv:
    """Start what the model on stdin says; its images are there, nothing is built or pulled.

    With `services` only these and whom they wait for.  No `.env` is read: the model is final.
    """
    start = base(project=project, directory=directory, file=Path("-"))
    return (
        *start, "--env-file", "/dev/null",
        "up", "--detach", "--no-build", "--pull", "never", "--quiet-pull",
        *(("--", *services) if services else ()),
    )  # fmt: skip


def create(*, project: str, directory: Path) -> Argv:
    """Make containers and networks as `up` does, and start nothing."""
    start = base(project=project, directory=directory, file=Path("-"))
    return (*start, "--env-file", "/dev/null", "create", "--no-build", "--pull", "never")
