"""What is asked for, and what came of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydeploy import names
from pydeploy.config.service import Mode
from pydeploy.errors import UsageError
from pydeploy.state.records import Change, Environment, Image, Port


@dataclass(frozen=True, kw_only=True)
class Request:
    """One wish to deploy `root`; what Gerrit knows of the change comes in as it says it."""

    root: Path
    change: int | None = None
    patchset: int | None = None
    revision: str | None = None
    gerrit_project: str = ""
    branch: str = ""
    topic: str = ""
    owner: str = ""
    name: str | None = None
    ttl: int | None = None  # seconds
    data: Mode | None = None
    data_from: str | None = None  # an environment whose data new volumes start with
    force: bool = False

    def __post_init__(self) -> None:
        if self.change is not None and self.patchset is None:
            raise UsageError("--change without --patchset", hint="pass --patchset P")
        if self.patchset is not None and self.patchset < 1:
            raise UsageError(f"patchset {self.patchset} is not a patchset number")

    @property
    def environment(self) -> str:
        return names.environment(change=self.change, name=self.name)

    def as_change(self, revision: str) -> Change | None:
        """The change at this patchset; None for a deploy outside Gerrit."""
        if self.change is None or self.patchset is None:
            return None
        return Change(
            number=self.change,
            patchset=self.patchset,
            revision=revision,
            gerrit_project=self.gerrit_project,
            branch=self.branch,
            topic=self.topic,
            owner=self.owner,
        )


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How a candidate is to live: where, with which data, until when (None: for ever)."""

    environment: str
    data: Mode
    expires: str | None
    is_data_replaced: bool = False  # kept data goes when what comes in its place stands
    are_secrets_new: bool = False  # whoever has secrets of the site is to get today's


@dataclass(frozen=True, kw_only=True)
class Timings:
    """Seconds of each step."""

    check: float = 0.0
    build: float = 0.0
    start: float = 0.0
    switch: float = 0.0
    total: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of a deploy, as `--json` prints it."""

    environment: str
    state: Literal["running", "completed", "superseded"]
    release: str = ""
    url: str | None = None
    urls: dict[str, str] = field(default_factory=dict)
    engine: str = ""
    address: str = ""
    ports: tuple[Port, ...] = ()
    images: tuple[Image, ...] = ()
    expires: str | None = None
    is_unchanged: bool = False
    superseded_by: str = ""
    warnings: tuple[str, ...] = ()
    gaps_s: dict[str, float] = field(default_factory=dict)  # stateful service → was away
    timings_s: Timings = Timings()

    def as_dict(self) -> dict[str, Any]:
        value = asdict(self)
        value["ports"] = [port.model_dump() for port in self.ports]
        value["images"] = [image.model_dump() for image in self.images]
        value["timings_s"] = {key: round(number, 3) for key, number in value["timings_s"].items()}
        return value


def outcome(
    record: Environment,
    timings: Timings,
    *,
    gaps: dict[str, float] | None = None,
    is_unchanged: bool = False,
) -> Outcome:
    """Of a deploy that ended in `record`."""
    release = record.current
    return Outcome(
        environment=record.name,
        state=record.state,
        release=release.name if release else "",
        url=record.url,
        urls=record.urls,
        engine=release.engine if release else "",
        address=release.address if release else "",
        ports=release.ports if release else (),
        images=release.images if release else (),
        expires=record.expires,
        is_unchanged=is_unchanged,
        warnings=record.warnings,
        gaps_s=gaps or {},
        timings_s=timings,
    )
