"""Every way in which a command can end badly, in one tree.

    PydeployError                     exit  fault
    ├── ConfigError                      2  author     pydeploy.yml or a flag's value is wrong
    │   └── SiteConfigError              2  operator   site.yml is wrong
    ├── LayoutError                      2  author     the repository is not in the layout
    ├── PolicyError                      2  author     the change asks for what is not allowed
    ├── TrustError                       2  none       somebody has to let the change through first
    ├── BuildError                       3  author     the image does not build
    ├── DeployError                      4  author     it does not become healthy
    ├── CapacityError                    5  operator   no free port or subnet, lock held too long
    ├── ServiceError                     6  operator   Docker, etcd, Jenkins, ... do not answer
    └── UsageError                      64  caller     wrong flags or arguments

    Interrupted                        130  none       Ctrl-C; 143 when terminated
    Superseded                           0  none       no error: somebody wished for something newer
    Fenced                               -  none       never leaves: a write was not ours any more

A build of Jenkins that ends badly is no failure of ours: `trigger --wait` exits with UNSTABLE 10,
FAILURE 11, ABORTED 12, NOT_BUILT 13 (pydeploy/jenkins/values.py).

A message says what is wrong and where; `hint` says what to do next; `logs` are the last
lines of whatever failed.  Anything else that is raised is a bug (exit 1).
"""

from __future__ import annotations

from typing import Any, Literal

Fault = Literal["author", "operator", "caller", "none"]


class _Described(BaseException):
    """What a result tells of a failure."""

    exit_code: int = 1
    fault: Fault = "none"
    is_printed = False  # set by a command that has put it into its own JSON

    def __init__(self, message: str, *, hint: str = "", logs: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.logs = logs

    @property
    def kind(self) -> str:
        """The class of this tree that it is; clients have finer ones, which callers tell apart."""
        return next(one.__name__ for one in type(self).__mro__ if one.__module__ == __name__)

    def as_dict(self) -> dict[str, Any]:
        """The `error` object of a result: class, message, hint, fault, exit_code, logs."""
        return {
            "class": self.kind,
            "message": self.message,
            "hint": self.hint,
            "fault": self.fault,
            "exit_code": self.exit_code,
            "logs": self.logs,
        }


class PydeployError(_Described, Exception):
    """Base of all expected failures."""


class ConfigError(PydeployError):
    exit_code = 2
    fault: Fault = "author"


class SiteConfigError(ConfigError):
    fault = "operator"


class LayoutError(PydeployError):
    exit_code = 2
    fault: Fault = "author"


class PolicyError(PydeployError):
    exit_code = 2
    fault: Fault = "author"


class TrustError(PydeployError):
    """The change is not at fault, nor is the operator: somebody whom site.yml names has to look."""

    exit_code = 2


class BuildError(PydeployError):
    exit_code = 3
    fault = "author"


class DeployError(PydeployError):
    exit_code = 4
    fault = "author"


class CapacityError(PydeployError):
    exit_code = 5
    fault = "operator"


class ServiceError(PydeployError):
    """A system we depend on does not answer; `service` names it (docker, etcd, gateway, ...).

    `is_passing`: it is away, so that the same may well work later.
    """

    exit_code = 6
    fault = "operator"

    def __init__(
        self,
        message: str,
        *,
        service: str,
        hint: str = "",
        logs: str = "",
        is_passing: bool = False,
    ) -> None:
        super().__init__(message, hint=hint, logs=logs)
        self.service = service
        self.is_passing = is_passing


class UsageError(PydeployError):
    exit_code = 64
    fault = "caller"


class Interrupted(_Described):
    """Ctrl-C or SIGTERM.  The undo of what was begun has run by the time this reaches the top.

    No Exception, as KeyboardInterrupt is none: whoever handles a failure and goes on with the
    next thing must not go on after this.
    """

    exit_code = 130

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"interrupted by signal {signal_number}")
        self.exit_code = 128 + signal_number


class Superseded(Exception):
    """Somebody wished for something newer (or the lock was lost to them): stop, undo, succeed."""

    def __init__(self, by: str) -> None:
        super().__init__(f"superseded by {by}")
        self.by = by


class Fenced(Exception):
    """A write was refused: the lock or the wish on which it was conditional is no longer ours.

    Never reaches the boundary: whoever works for a wish asks it why (`Wish.verdict`).
    """
