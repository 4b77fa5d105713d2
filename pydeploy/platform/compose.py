"""docker compose for the site's own project: argv by pure functions, and one way to run it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydeploy.clients import shell
from pydeploy.config.site import Site
from pydeploy.errors import ServiceError
from pydeploy.platform import place

Argv = tuple[str, ...]
_LOCAL_SOCKET = "unix:///var/run/docker.sock"
BUILD_LIMIT = 1800.0


def base(project: str, file: str) -> Argv:
    return ("docker", "compose", "--ansi", "never", "--project-name", project, "--file", file)


def build(services: Sequence[str]) -> Argv:
    return ("build", *services)


def up(services: Sequence[str]) -> Argv:
    """Without --wait: that gives up at the first ill moment of a part, see lifecycle."""
    return ("up", "--detach", "--no-build", "--remove-orphans", *services)


def down(*, volumes: bool) -> Argv:
    return ("down", "--remove-orphans", *(("--volumes",) if volumes else ()))


def logs(service: str) -> Argv:
    return ("logs", "--no-color", "--no-log-prefix", "--tail", "30", service)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A service of the site, as compose sees it."""

    service: str
    state: str  # running, restarting, exited, ...
    health: str  # healthy, starting, unhealthy, or empty

    @property
    def is_well(self) -> bool:
        return self.state == "running" and self.health in ("healthy", "")

    @property
    def is_ill(self) -> bool:
        """Not just on its way to be well."""
        return self.state not in ("created", "running") or self.health == "unhealthy"


@dataclass(frozen=True, kw_only=True)
class Project:
    """The site's compose project on the engine of this machine."""

    site: Site
    env_vars: Mapping[str, str]

    def parts(self) -> list[Part]:
        """What there is of it, running or not."""
        text = self.run(("ps", "--all", "--format", "json"), timeout=30)
        found = [json.loads(line) for line in text.splitlines() if line.strip()]
        return [
            Part(service=one["Service"], state=one["State"], health=one.get("Health", ""))
            for one in found
        ]

    def image(self, service: str) -> str:
        """The name of a part's image."""
        model = json.loads(self.run(("config", "--format", "json"), timeout=30))
        return str(model["services"][service]["image"])

    def inspect(self, names: Sequence[str], *, kind: str = "container") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.docker((kind, "inspect", *names)))
        return found

    def docker(self, arguments: Argv, *, merge: bool = False) -> str:
        """stdout of docker itself, for what compose has no word; ServiceError when it fails.

        With `merge` what it prints to stderr, too.
        """
        done = shell.run(
            ("docker", *arguments), env_vars=self._environment(), timeout=120, merge=merge
        )
        if done.code != 0:
            raise ServiceError(
                f"docker {arguments[0]} failed",
                service="docker",
                hint="the last lines say why; `pydeploy doctor` checks each part",
                logs="\n".join(done.tail.splitlines()[-30:]),
            )
        return done.tail if merge else done.stdout

    def run(
        self,
        arguments: Argv,
        *,
        timeout: float,
        on_line: Callable[[str], None] | None = None,
    ) -> str:
        """stdout; ServiceError with the last lines when compose fails."""
        argv = (*base(place.project(self.site), str(place.sources() / "docker-compose.yml")),
                *arguments)  # fmt: skip
        try:
            done = shell.run(argv, env_vars=self._environment(), timeout=timeout, on_line=on_line)
        except FileNotFoundError as problem:
            raise _no_engine("docker is not installed") from problem
        except shell.TimedOut as problem:
            raise ServiceError(
                f"docker compose {arguments[0]} took longer than {timeout:g} s",
                service="docker",
                hint="see what the engine is busy with: `docker ps`, `docker events`",
            ) from problem
        if done.code != 0:
            raise ServiceError(
                f"docker compose {arguments[0]} of the site failed",
                service="docker",
                hint="the last lines above say why; `pydeploy doctor` checks each part",
                logs="\n".join(done.tail.splitlines()[-30:]),
            )
        return done.stdout

    def _environment(self) -> dict[str, str]:
        return shell.scrubbed({"DOCKER_HOST": engine(self.site), **self.env_vars})


def engine(site: Site) -> str:
    """The engine of this machine: the site's own parts run where `pydeploy up` is called."""
    local = (one.host for one in site.engines.values() if one.host.startswith("unix://"))
    return next(local, _LOCAL_SOCKET)


def expect_engine(site: Site) -> None:
    """ServiceError unless an engine with Compose v2 and Buildx answers."""
    host = {"DOCKER_HOST": engine(site)}
    for argv, missing in (
        (("docker", "info", "--format", "{{.ServerVersion}}"), "no Docker engine answers"),
        (("docker", "compose", "version", "--short"), "the docker client has no Compose v2"),
        (("docker", "buildx", "version"), "the docker client has no Buildx"),
    ):
        try:
            done = shell.run(argv, env_vars=shell.scrubbed(host), timeout=20)
        except (FileNotFoundError, shell.TimedOut) as problem:
            raise _no_engine(missing) from problem
        if done.code != 0:
            raise _no_engine(missing, done.tail)


def _no_engine(message: str, logs: str = "") -> ServiceError:
    return ServiceError(
        message, service="docker", logs=logs, hint=f"sudo {place.sources() / 'engine.sh'}"
    )
