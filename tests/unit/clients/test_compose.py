"""Compose's command line, as equalities on argv."""

from __future__ import annotations

from pathlib import Path

from pydeploy.clients import compose

FOLDER = Path("/src/repository")


def test_config_reads_the_named_files_only() -> None:
    """One compose file and one env file, named, so that compose looks for no others."""
    assert (
        *("docker", "compose", "--ansi", "never", "--project-name", "check"),
        *("--project-directory", "/src/repository", "--file", "/src/repository/a.yml"),
        *("--env-file", "/tmp/env", "config", "--format", "json"),
    ) == compose.config(
        project="check", directory=FOLDER, file=FOLDER / "a.yml", env_file=Path("/tmp/env")
    )


def test_up_takes_the_model_from_stdin_and_neither_builds_nor_pulls() -> None:
    """The model is final: no `.env`, no build, no pull; nobody waits, because we do."""
    assert (
        *("docker", "compose", "--ansi", "never", "--project-name", "pd-r-10020-1"),
        *("--project-directory", "/src/repository", "--file", "-", "--env-file", "/dev/null"),
        *("up", "--detach", "--no-build", "--pull", "never", "--quiet-pull"),
    ) == compose.up(project="pd-r-10020-1", directory=FOLDER)
