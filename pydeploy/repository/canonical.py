"""Compose's canonical model, from copies of the files, with an environment of its own.

Compose gets a folder that holds only what `sources` read and looked at: the compose files as
plain JSON, the env files as they are.  It runs with a fixed process environment, so that
nothing of the agent can be interpolated, and needs no engine.  In the result the folder's
name is replaced by the repository's.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from pydeploy.clients import compose, plugins, shell
from pydeploy.errors import ServiceError
from pydeploy.repository.documents import KeyPath, dumped
from pydeploy.repository.findings import Notes, Place
from pydeploy.repository.sources import Sources
from pydeploy.repository.tree import Tree

PROJECT = "pydeploy"
TIMEOUT = 30.0
_MAX_UNSET = 50  # variables; each is looked for in every text of the files
_UNSET = re.compile(r'The \\?"(\w+)\\?" variable is not set')
_LOG_LINE = re.compile(r"time=.* level=(\w+) msg=")
_KEY_PATH = re.compile(r"\b(?:services|volumes|networks|configs|secrets)(?:\.[\w$-]+|\.\[\])+")
_SERVICE = re.compile(r'[Ss]ervice "([\w.-]+)"')
_ADDITIONAL = re.compile(r"Additional property (\S+) is not allowed")
_NO_COMPOSE = re.compile(r"is not a docker command|unknown (shorthand )?flag")


def environment() -> dict[str, str]:
    """The whole process environment of Compose; what is set here wins over a change's .env.

    HOME and PATH are fixed, so that the model does not depend on who asks.  No engine is named,
    and nothing is fetched or traced.
    """
    inherited = shell.scrubbed()
    home = inherited.get("HOME", "/nonexistent")
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/nonexistent",
        "DOCKER_CONFIG": inherited.get("DOCKER_CONFIG", os.path.join(home, ".docker")),
        "DOCKER_HOST": "unix:///nonexistent.sock",
        "COMPOSE_EXPERIMENTAL_GIT_REMOTE": "false",
        "COMPOSE_EXPERIMENTAL_OCI_REMOTE": "false",
        "OTEL_SDK_DISABLED": "true",
        "OTEL_TRACES_EXPORTER": "none",
        "LC_ALL": "C.UTF-8",
    }


def model(tree: Tree, sources: Sources, notes: Notes) -> dict[str, Any] | None:
    """The model, or None with findings; ServiceError when Compose itself is not there."""
    with tempfile.TemporaryDirectory(prefix="pydeploy-check-") as folder:
        real = Path(os.path.realpath(folder))
        main = _write(real, sources)
        finished = _run(real, main, notes, sources)
        if finished is None:
            return None
        _note_unset(finished.tail, notes, sources)
        if finished.code != 0:
            _note_refusal(finished.tail.replace(f"{real}/", ""), notes, sources)
            return None
        result: dict[str, Any] = _relocated(json.loads(finished.stdout), str(real), tree.real_root)
        return result


def _write(folder: Path, sources: Sources) -> Path:
    """Puts the copies into `folder`; returns the main file."""
    for name, document in sources.documents.items():
        data = _with_octal_modes(document.data)
        _file(folder, name).write_text(dumped(data), encoding="utf-8")
    for name, content in sources.env_files.items():
        _file(folder, name).write_bytes(content)
    _file(folder, ".env").touch()
    return folder / next(iter(sources.documents))


def _with_octal_modes(data: dict[str, Any]) -> dict[str, Any]:
    """`mode: "0400"` of configs and secrets as the number that is meant.

    Compose 2.26 takes the quoted text for a decimal number, which is another mode.
    """
    services = data.get("services")
    if not isinstance(services, dict):
        return data
    found = {name: _with_modes_of(one) for name, one in services.items()}
    return {**data, "services": found}


def _with_modes_of(service: Any) -> Any:
    if not isinstance(service, dict):
        return service
    found = dict(service)
    for kind in ("configs", "secrets"):
        if isinstance(service.get(kind), list):
            found[kind] = [_with_mode(use) for use in service[kind]]
    return found


def _with_mode(use: Any) -> Any:
    mode = use.get("mode") if isinstance(use, dict) else None
    if isinstance(mode, str) and re.fullmatch(r"0?[0-7]{3,4}", mode):
        return {**use, "mode": int(mode, 8)}
    return use


def _file(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _run(folder: Path, main: Path, notes: Notes, sources: Sources) -> shell.Finished | None:
    argv = compose.config(project=PROJECT, directory=folder, file=main, env_file=folder / ".env")
    docker = shutil.which("docker")
    if docker is None:
        raise _no_compose("docker is not installed")
    program, *arguments = plugins.direct(argv)
    env_vars = environment() | {"PWD": str(folder)}
    try:
        # By its full path: the PATH of `env_vars` is not the one that docker is found on.
        finished = shell.run(
            (docker if program == "docker" else program, *arguments),
            cwd=str(folder),
            env_vars=env_vars,
            timeout=TIMEOUT,
        )
    except shell.TimedOut:
        notes.add("compose.invalid", f"reading it took longer than {TIMEOUT:g} s", _main(sources))
        return None
    if finished.code != 0 and _NO_COMPOSE.search(finished.tail):
        raise _no_compose("Docker Compose v2 is not installed", finished.tail)
    return finished


def _no_compose(message: str, logs: str = "") -> ServiceError:
    hint = "install Docker Compose v2; `pydeploy doctor` says what is missing"
    return ServiceError(message, service="docker", hint=hint, logs=logs)


def _main(sources: Sources) -> Place:
    return Place(file=next(iter(sources.documents)))


def _note_unset(stderr: str, notes: Notes, sources: Sources) -> None:
    for name in list(dict.fromkeys(_UNSET.findall(stderr)))[:_MAX_UNSET]:
        places = (sources.place_of_text(f"${{{name}"), sources.place_of_text(f"${name}"))
        place = next((place for place in places if place.line), places[0])
        notes.add("compose.variable-unset", f"variable {name} is not set", place)


def _note_refusal(stderr: str, notes: Notes, sources: Sources) -> None:
    """Compose's own words, at the line of the key that they name."""
    lines = [line for line in stderr.splitlines() if line.strip() and not _LOG_LINE.match(line)]
    message = " ".join(lines) or "Compose gave no reason"
    notes.add("compose.invalid", message, sources.place(_key_path(message, sources)))


def _key_path(message: str, sources: Sources) -> KeyPath:
    named = _KEY_PATH.search(message)
    if named:
        extra = _ADDITIONAL.search(message)
        return (*_dotted(named[0], sources), *([extra[1]] if extra else []))
    service = _SERVICE.search(message)
    return ("services", service[1]) if service else ()


def _dotted(text: str, sources: Sources) -> KeyPath:
    """`services.my.web.ports` as a key path, though names may contain dots."""
    section, _, rest = text.partition(".")
    names = [
        name
        for document in sources.documents.values()
        for name in (document.data.get(section) or {})
        if rest == name or rest.startswith(f"{name}.")
    ]
    name = max(names, key=len, default=rest.split(".")[0])
    return (section, name, *[part for part in rest[len(name) :].split(".") if part])


def _relocated(value: Any, old: str, new: str) -> Any:
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, list):
        return [_relocated(child, old, new) for child in value]
    if isinstance(value, dict):
        return {key: _relocated(child, old, new) for key, child in value.items()}
    return value
