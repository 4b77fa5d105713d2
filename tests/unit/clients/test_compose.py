"""Compose's command lines."""

from __future__ import annotations

from pathlib import Path

from pydeploy.clients import compose


def test_config() -> None:
    """One file, one env file, nothing that Compose looks for by itself."""
    argv = compose.config(
        project="p", directory=Path("/d"), file=Path("/d/f.yml"), env_file=Path("/d/.env")
    )
    assert argv == (
        "docker", "compose", "--ansi", "never", "--project-name", "p",
        "--project-directory", "/d", "--file", "/d/f.yml", "--env-file", "/d/.env",
        "config", "--format", "json",
    )  # fmt: skip
