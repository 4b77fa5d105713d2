"""What is said about jobs, queue items and builds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydeploy.errors import UsageError

# What a build came to → the exit code of who waited for it (hudson.model.Result).
EXIT_CODES = {"SUCCESS": 0, "UNSTABLE": 10, "FAILURE": 11, "ABORTED": 12, "NOT_BUILT": 13}

CORE_FILE = "FileParameterDefinition"
QueueState = Literal["waiting", "blocked", "buildable", "stuck", "pending", "left", "cancelled"]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter that a job defines; `kind` is Jenkins' class, `StringParameterDefinition`."""

    name: str
    kind: str
    description: str = ""
    choices: tuple[str, ...] = ()

    @property
    def is_file(self) -> bool:
        """Also those of the plug-in file-parameters: stashedFile, base64File."""
        return self.kind.endswith(CORE_FILE)

    @property
    def is_password(self) -> bool:
        return self.kind == "PasswordParameterDefinition"

    @property
    def is_boolean(self) -> bool:
        return self.kind == "BooleanParameterDefinition"


@dataclass(frozen=True, kw_only=True)
class Build:
    """One build; `result` is none until it has ended."""

    job: str
    number: int
    url: str
    is_building: bool
    result: str | None = None
    queue_id: int | None = None

    @property
    def has_ended(self) -> bool:
        return not self.is_building and self.result is not None

    @property
    def exit_code(self) -> int:
        """Of whoever waited for it; a result that Jenkins has not is a failure."""
        return EXIT_CODES.get(self.result or "", EXIT_CODES["FAILURE"])


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job, or a folder of jobs (also a multibranch project).  `parameters` in Jenkins' order."""

    name: str  # in full: `folder/job`; a branch as Jenkins writes it, `feature%2Fx`
    url: str
    is_folder: bool = False
    is_buildable: bool = True
    is_parameterized: bool = False
    parameters: tuple[Parameter, ...] = ()
    children: tuple[str, ...] = ()  # of a folder, in full
    last_build: Build | None = None


@dataclass(frozen=True, kw_only=True)
class QueueItem:
    """A build that waits.  `why` is Jenkins' reason; `number` is known once it has left."""

    id: int
    state: QueueState
    why: str = ""
    number: int | None = None
    job_url: str = ""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A build that is wanted.  Values are texts; files are by parameter: (name, content).

    `open` are the parameters whose values stand where others can read them.
    """

    job: str
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    files: Mapping[str, tuple[str, bytes]] = field(default_factory=dict, repr=False)
    open: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Triggered:
    """A build that was asked for.

    `is_merged`: Jenkins put it together with one that waited already.  `is_repeat`: an earlier
    trigger with the same idempotency key had asked for it.
    """

    job: str
    queue_id: int
    number: int | None = None
    is_merged: bool = False
    is_repeat: bool = False

    @property
    def is_own(self) -> bool:
        """Whether it came about by this request, and nobody else had asked for it before."""
        return not (self.is_merged or self.is_repeat)


def job_name(text: str) -> str:
    """The full name of a job, `folder/job`; UsageError when it cannot be one.

    Everything in it is quoted when it becomes part of a URL; what would lead elsewhere is refused.
    """
    name = text.strip("/")
    parts = name.split("/")
    if "://" in text:
        problem = "is a URL"
    elif not name or any(part in ("", ".", "..") for part in parts):
        problem = "has a part that is empty, `.` or `..`"
    elif re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", name):
        problem = "has a control character in it"
    else:
        return name
    raise UsageError(
        f"{text!r} is not the name of a job: it {problem}",
        hint="write folder/job as `pydeploy jobs` shows it; a branch as project/feature%2Fx",
    )
