"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydeploy.clients.docker import DockerEngine
from pydeploy.config.site import Site
from pydeploy.platform.ports import Ports
from pydeploy.state.store import Store

Level = Literal["ok", "warning", "error"]
Fault = Literal["service", "config"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One thing that was looked at.

    An error is something that does not work; `fault` says whether a part has to be mended (exit 6)
    or site.yml (exit 2). A warning works today.
    """

    part: str
    level: Level
    message: str
    mend: str = ""
    fault: Fault = "service"


@dataclass(frozen=True, kw_only=True)
class Context:
    """What checks may look at."""

    site: Site
    store: Store
    engines: dict[str, DockerEngine]
    ports: Ports

    def local_engines(self) -> dict[str, DockerEngine]:
        """Those whose host is this machine: only there its kernel can be asked."""
        return {name: engine for name, engine in self.engines.items() if engine.is_local}


def ok(part: str, message: str) -> Verdict:
    return Verdict(part=part, level="ok", message=message)


def warning(part: str, message: str, mend: str) -> Verdict:
    return Verdict(part=part, level="warning", message=message, mend=mend)


def error(part: str, message: str, mend: str, fault: Fault = "service") -> Verdict:
    return Verdict(part=part, level="error", message=message, mend=mend, fault=fault)
