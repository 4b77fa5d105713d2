"""Docker's plugins are called without docker where docker's choice is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from pydeploy.clients import plugins


def program(folder: Path, name: str = "docker-compose", mode: int = 0o755) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return str(path)


def test_the_users_own_plugin_comes_first_as_in_docker(tmp_path: Path) -> None:
    """Then the system's folders in docker's order."""
    system = program(tmp_path / "b")
    folders = (str(tmp_path / "a"), str(tmp_path / "b"))
    assert system == plugins.find("compose", {"HOME": str(tmp_path)}, folders)
    own = program(tmp_path / ".docker" / "cli-plugins")
    assert own == plugins.find("compose", {"HOME": str(tmp_path)}, folders)
    moved = program(tmp_path / "moved" / "cli-plugins")
    env_vars = {"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path / "moved")}
    assert moved == plugins.find("compose", env_vars, folders)


def test_what_cannot_be_run_is_no_plugin(tmp_path: Path) -> None:
    """Docker skips it, too."""
    program(tmp_path / "a", mode=0o644)
    assert None is plugins.find("compose", {"HOME": str(tmp_path)}, (str(tmp_path / "a"),))


def test_docker_decides_where_its_configuration_names_more_folders(tmp_path: Path) -> None:
    """Their order is docker's business."""
    program(tmp_path / "a")
    config = tmp_path / ".docker" / "config.json"
    config.parent.mkdir()
    config.write_text('{"cliPluginsExtraDirs": ["/opt/plugins"]}')
    assert None is plugins.find("compose", {"HOME": str(tmp_path)}, (str(tmp_path / "a"),))


def test_only_the_program_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every argument stays; without a known program, docker is asked as before."""
    argv = ("docker", "compose", "--ansi", "never", "up")
    monkeypatch.setattr(plugins, "_program", lambda plugin: f"/plugins/docker-{plugin}")
    assert ("/plugins/docker-compose", "--ansi", "never", "up") == plugins.direct(argv)
    monkeypatch.setattr(plugins, "_program", {}.get)
    assert argv == plugins.direct(argv)
