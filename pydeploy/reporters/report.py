"""What there is to tell of an environment, whoever is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from pydeploy.state.records import Image

Phase = Literal[
    "started",
    "deployed",
    "failed-author",
    "failed-operator",
    "untrusted",
    "aborted",
    "superseded",
    "removed",
    "promoted",
]
PHASES: tuple[Phase, ...] = get_args(Phase)

# DESIGN: deployed is well, what its author has to mend is not, all else says nothing of the change.
VOTES: dict[Phase, int] = {"deployed": 1, "failed-author": -1}
# Only what is made of the change itself speaks for or against it.
_VOTING = ("check", "build", "deploy", "verify")


_TRIED = ("failed-author", "failed-operator", "untrusted", "aborted", "removed")
_DONE = {
    "check": "checked",
    "build": "built",
    "promote": "promoted",
    "remove": "removed",
    "verify": "verified",
    "rollback": "rolled back",
    "restart": "restarted",
    "restore": "restored",
}


@dataclass(frozen=True, kw_only=True)
class Failure:
    """The `error` object of a result."""

    kind: str  # the class
    message: str
    hint: str = ""
    logs: str = ""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """In what a release differs from the one before it."""

    what: str  # `revision`, `web`
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that a message may tell; what is not known is empty."""

    phase: Phase
    environment: str
    is_named: bool = True  # else its result did not say which environment it was of
    act: str = "deploy"  # which command it was, where a result says so
    change: int | None = None
    patchset: int | None = None
    state: str = ""  # running, completed, superseded, removed
    release: str = ""
    is_unchanged: bool = False
    url: str = ""
    urls: dict[str, str] = field(default_factory=dict)  # service → URL
    images: tuple[Image, ...] = ()
    duration: float | None = None  # seconds
    expires: str = ""
    differences: tuple[Difference, ...] = ()
    previous: str = ""  # the release that they are counted from
    superseded_by: str = ""
    residue: int | None = None
    warnings: tuple[str, ...] = ()
    failure: Failure | None = None
    build_url: str = ""
    text: str = ""  # the caller's own word

    @property
    def vote(self) -> int | None:
        return VOTES.get(self.phase) if self.act in _VOTING else None

    @property
    def could_not_be(self) -> str:
        """What a failure kept from being done."""
        return _DONE.get(self.act, "deployed")

    @property
    def again(self) -> str:
        """The one command to try it again; empty where there is nothing to try."""
        if self.phase not in _TRIED:
            return ""
        if self.act in ("check", "build"):
            return f"pydeploy {self.act}"
        if self.phase != "removed" and self.act == "remove":
            return f"pydeploy remove {self.environment}"
        if self.act not in ("deploy", "remove"):
            return ""  # of what is not known here
        if self.change is None:
            return f"pydeploy deploy --name {self.environment}"
        if self.patchset is None:
            return ""
        name = "" if self.environment == str(self.change) else f" --name {self.environment}"
        return f"pydeploy deploy --change {self.change} --patchset {self.patchset}{name}"
