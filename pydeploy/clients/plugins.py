"""Docker's plugins without docker in front.

`docker compose` starts docker, which asks every plugin there is who it is and then starts the one
that was meant.  Compose's own program does the same by itself ("standalone"), 40 ms earlier, and
is one process less between us and what has to be stopped when we are.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path

# Where docker looks (cli-plugins/manager, "defaultSystemPluginDirs"), after its user's own folder.
_FOLDERS = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
)
_MORE_FOLDERS = "cliPluginsExtraDirs"  # a key of docker's config.json


def direct(argv: tuple[str, ...]) -> tuple[str, ...]:
    """`docker compose ...` as a call of Compose's own program; unchanged where it is not found."""
    docker, plugin, *rest = argv
    program = _program(plugin) if docker == "docker" else None
    return (program, *rest) if program else argv


@functools.cache
def _program(plugin: str) -> str | None:
    return find(plugin, os.environ)


def find(
    plugin: str, env_vars: Mapping[str, str], folders: tuple[str, ...] = _FOLDERS
) -> str | None:
    """The program that docker would start; None where docker's configuration has to decide."""
    home = env_vars.get("HOME", "/nonexistent")
    own = Path(env_vars.get("DOCKER_CONFIG") or f"{home}/.docker")
    try:
        if _MORE_FOLDERS in (own / "config.json").read_text(encoding="utf-8"):
            return None
    except (OSError, UnicodeDecodeError):  # there is none, or docker will say what is wrong
        pass
    found = (f"{folder}/docker-{plugin}" for folder in (f"{own}/cli-plugins", *folders))
    return next((one for one in found if os.access(one, os.X_OK)), None)
