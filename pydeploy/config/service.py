"""`pydeploy.yml`: what a team says about its microservice.  Optional, in the repository."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from pydeploy.config import files
from pydeploy.config.files import Section
from pydeploy.config.types import Duration
from pydeploy.errors import ConfigError

FILE_NAMES = ("pydeploy.yml", "pydeploy.yaml")
Kind = Literal["auto", "web", "worker", "job"]
Mode = Literal["fresh", "keep"]
Command = Annotated[tuple[str, ...], Field(min_length=1)]


def _status(value: Any) -> str:
    text = str(value)
    first, _, last = text.partition("-")
    if not re.fullmatch(r"[1-5][0-9]{2}(-[1-5][0-9]{2})?", text) or first > (last or first):
        raise ValueError("should be an HTTP status such as 200, or a range such as 200-399")
    return text


Status = Annotated[str, BeforeValidator(_status)]


class Front(Section):
    """The service that answers under the environment's name."""

    service: str | None = Field(None, description="a service of the compose file")
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(None, description="container port")
    path: str = Field(
        "/", pattern=r"^/[!-~]*$", description="what is asked to see whether it is healthy"
    )
    status: Status = Field("200-399", description="what counts as healthy")

    def accepts(self, status: int) -> bool:
        first, _, last = self.status.partition("-")
        return int(first) <= status <= int(last or first)


class Seed(Section):
    """What fills data that is new, run in the container of `service` once that is healthy."""

    service: str
    command: Command = Field(description="program and arguments; no shell unless you name one")


class Dump(Section):
    """How a service's data is copied by its own programs, instead of file by file."""

    command: Command = Field(description="writes everything to stdout; runs where the data is")
    load: Command = Field(description="reads it from stdin; runs where the data is wanted")


class Data(Section):
    """What happens to named volumes.  `data: keep` is short for `data: {mode: keep}`."""

    mode: Mode | None = Field(
        None, description="keep, or fresh volumes for each release; else as the environment is"
    )
    stateful: tuple[str, ...] | None = Field(
        None, description="services that stay when releases change; else those with named volumes"
    )
    seed: Seed | None = None
    dump: dict[str, Dump] = Field({}, description="by service, for `--data-from`")

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> dict[str, Any]:
        """For editors, too, one word will do."""
        return {"anyOf": [{"type": "string", "enum": ["fresh", "keep"]}, handler(core)]}

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, value: Any) -> Any:
        return {"mode": value} if isinstance(value, str) else value


class Service(Section):
    """The whole file."""

    service: str | None = Field(
        None, pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$", description="its name"
    )
    kind: Kind = Field(
        "auto", description="web answers HTTP, worker runs without a port, job ends by itself"
    )
    front: Front = Front()
    data: Data = Data()
    deadline: Duration | None = Field(None, description="until everything is healthy")
    ttl: Duration | None = Field(None, description="life of a change's environment")


def load(repository: Path) -> Service:
    """The team's file, or the defaults where there is none; ConfigError lists every problem."""
    found = [repository / name for name in FILE_NAMES if (repository / name).is_file()]
    if len(found) > 1:
        raise ConfigError(f"both {found[0].name} and {found[1].name} are there", hint="keep one")
    if not found:
        return Service()
    if repository.resolve() not in found[0].resolve().parents:
        raise ConfigError(f"{found[0].name}: is a link out of the repository")
    return files.read(found[0], Service, ConfigError)


def schema() -> dict[str, Any]:
    """The JSON schema, for editors."""
    return Service.model_json_schema()
