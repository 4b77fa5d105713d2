"""Is a release healthy?  Pure judgement on the states of its containers.

Healthy: every container with a health check is healthy, every one-shot has exited 0, every
other one is running.  A one-shot is a container that publishes no port and exits 0 without a
restart policy that would start it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydeploy import console
from pydeploy.deploy.plan import Plan

CRASHES_ALLOWED = 5  # restarts by its own policy until a container counts as crash-looping
Verdict = Literal["waiting", "up", "done", "broken"]


@dataclass(frozen=True, kw_only=True)
class ContainerState:
    """What `docker inspect` says of one container, as far as health goes."""

    service: str
    identity: str
    status: str  # created, running, restarting, exited, dead
    health: str  # healthy, unhealthy, starting, or empty without a check
    exit_code: int
    restarts: int
    restart_policy: str
    is_oom_killed: bool
    error: str  # why the engine could not start it
    last_probe: str  # output of the last health check
    address: str  # in its first network; empty while it does not run
    pid: int
    has_tty: bool = False
    stop_grace: int = 0  # seconds between SIGTERM and SIGKILL that it asks for; 0 where it does not


def of(inspected: dict[str, Any], service: str) -> ContainerState:
    """From the JSON of `docker inspect`."""
    state = inspected["State"]
    health = state.get("Health") or {}
    log = health.get("Log") or []
    networks = inspected.get("NetworkSettings", {}).get("Networks") or {}
    addresses = [one.get("IPAddress") for one in networks.values() if one.get("IPAddress")]
    return ContainerState(
        service=service,
        identity=inspected["Id"],
        status=state["Status"],
        health=health.get("Status", "") if health.get("Status") != "none" else "",
        exit_code=state.get("ExitCode", 0),
        restarts=inspected.get("RestartCount", 0),
        restart_policy=inspected["HostConfig"]["RestartPolicy"]["Name"] or "no",
        is_oom_killed=bool(state.get("OOMKilled")),
        error=state.get("Error", ""),
        last_probe=console.hidden(log[-1]["Output"] if log else "").strip(),
        address=addresses[0] if addresses else "",
        pid=state.get("Pid", 0),
        stop_grace=(inspected.get("Config") or {}).get("StopTimeout") or 0,
    )


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Of one container: waiting, up (runs and is healthy), done (one-shot), or broken and why."""

    state: ContainerState
    verdict: Verdict
    why: str = ""


def judge(state: ContainerState, *, has_port: bool) -> Judgement:
    def is_(verdict: Verdict, why: str = "") -> Judgement:
        return Judgement(state=state, verdict=verdict, why=why)

    if state.status == "running" and state.restarts < CRASHES_ALLOWED:
        if state.health in ("", "healthy"):
            return is_("up")
        probe = f" (its check last said: {state.last_probe[-300:]})" if state.last_probe else ""
        return is_("waiting", f"is {state.health}{probe}")
    if state.status in ("exited", "dead"):
        return _judge_exited(state, has_port, is_)
    if state.restarts >= CRASHES_ALLOWED:
        return is_(
            "broken", f"was restarted {state.restarts} times; it exits with {state.exit_code}"
        )
    if state.error:
        return is_("broken", f"could not be started: {state.error}")
    return is_("waiting", f"is {state.status}")


def _judge_exited(state: ContainerState, has_port: bool, is_: Any) -> Judgement:
    verdict: Judgement
    if state.is_oom_killed:
        verdict = is_("broken", "was killed because it needed more memory than its limit")
    elif state.exit_code == 0 and not has_port and state.restart_policy in ("no", "on-failure"):
        verdict = is_("done")
    elif _is_started_again(state):
        verdict = is_("waiting", f"exited with {state.exit_code} and is started again")
    elif state.exit_code == 0:
        verdict = is_("broken", "exited with 0, although it publishes a port")
    else:
        verdict = is_("broken", f"exited with {state.exit_code}")
    return verdict


def _is_started_again(state: ContainerState) -> bool:
    if state.restart_policy == "on-failure":
        return state.exit_code != 0 and state.restarts < CRASHES_ALLOWED
    return state.restart_policy in ("always", "unless-stopped")


@dataclass(frozen=True, kw_only=True)
class Overall:
    """Of a whole release."""

    judgements: tuple[Judgement, ...]
    missing: tuple[str, ...]  # services without a container yet

    @property
    def broken(self) -> tuple[Judgement, ...]:
        return tuple(one for one in self.judgements if one.verdict == "broken")

    @property
    def waiting(self) -> tuple[Judgement, ...]:
        return tuple(one for one in self.judgements if one.verdict == "waiting")

    @property
    def is_settled(self) -> bool:
        """Every container is up or done."""
        return not (self.missing or self.broken or self.waiting)

    @property
    def is_done(self) -> bool:
        """Every container has exited 0."""
        return self.is_settled and all(one.verdict == "done" for one in self.judgements)


def overall(plan: Plan, states: Iterable[ContainerState]) -> Overall:
    with_port = {port.service for port in plan.ports}
    judgements = tuple(judge(state, has_port=state.service in with_port) for state in states)
    present = {one.state.service for one in judgements}
    return Overall(
        judgements=judgements,
        missing=tuple(name for name in plan.services if name not in present),
    )


def sentence(judgements: Sequence[Judgement]) -> str:
    """`web exited with 1; db is unhealthy`."""
    return "; ".join(f"{one.state.service} {one.why}" for one in judgements)
