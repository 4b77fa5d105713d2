"""A command in the container of a service, with our terminal or our stdin.

Docker hands no signal on to what `docker exec` began, and leaves it running when its caller goes.
So the command and what it starts carry a mark in their environment, and whoever is interrupted
signals the processes that have it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from pydeploy import console, interrupts
from pydeploy.clients import docker_cli, shell
from pydeploy.deploy import containers
from pydeploy.deploy.session import Session
from pydeploy.errors import Interrupted, ServiceError
from pydeploy.state import audit

_MARK = "PYDEPLOY_EXEC"
# Ours, and run in the container: $1 is the mark, $2 the number of the signal.
_SIGNAL_ALL = """
for one in /proc/[0-9]*; do
    if tr '\\000' '\\n' < "$one/environ" 2>/dev/null | grep -qx "$1"; then
        kill -"$2" "${one#/proc/}"
    fi
done
"""
_SIGNAL_LIMIT = 10.0  # seconds
_NO_SHELL = (126, 127)
_NAME_MAX = 200  # of a program, in the audit


def run(
    session: Session,
    environment: str,
    service: str,
    command: Sequence[str],
    *,
    user: str | None = None,
    has_terminal: bool = False,
) -> int:
    """The exit code of `command`, or 126 or 127 where it could not be started.

    UsageError where the environment has no such service, or it does not run.
    """
    container = containers.running(session, environment, service)
    # Only the program: what follows may be a password.
    program = command[0][:_NAME_MAX]
    details = {"service": service, "program": program, "user": user or ""}
    audit.record(session.store, "exec", environment, "begun", **details)
    mark = secrets.token_hex(8)
    argv = docker_cli.execute(
        container,
        command,
        is_fed=True,
        has_terminal=has_terminal,
        user=user,
        env_vars={_MARK: mark},
    )
    env_vars = shell.scrubbed(session.engine.env_vars())
    try:
        return shell.hand_over(argv, env_vars=env_vars)
    except FileNotFoundError as missing:
        raise ServiceError(
            "there is no `docker` on PATH, which hands the terminal over",
            service="docker",
            hint="install Docker's command line on this machine",
        ) from missing
    except Interrupted as signalled:
        with interrupts.held_back():
            _signal(container, mark, signalled.exit_code - 128, user, env_vars)
        raise


def _signal(
    container: str, mark: str, number: int, user: str | None, env_vars: dict[str, str]
) -> None:
    """Hand a signal on.  As the same user: others may not read what a process has in its
    environment, not even root where it has no more rights than a container's usual ones."""
    script = ("sh", "-c", _SIGNAL_ALL, "sh", f"{_MARK}={mark}", str(number))
    argv = docker_cli.execute(container, script, user=user)
    try:
        code = shell.run(argv, env_vars=env_vars, timeout=_SIGNAL_LIMIT).code
    except shell.TimedOut:
        code = _NO_SHELL[0]
    if code in _NO_SHELL:
        console.warn("the command may still run: its container has no shell to signal it with")
