"""Is a release healthy?"""

from __future__ import annotations

from typing import Any

import pytest

from pydeploy.deploy import health
from tests.unit.deploy.samples import a_plan, state, tcp


def verdict(*, has_port: bool = False, **keys: Any) -> tuple[str, str]:
    found = health.judge(state(**keys), has_port=has_port)
    return (found.verdict, found.why)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, ("up", "")),
        ({"health": "healthy"}, ("up", "")),
        ({"health": "starting"}, ("waiting", "is starting")),
        (
            {"health": "unhealthy", "last_probe": "x" * 400 + "refused"},
            ("waiting", f"is unhealthy (its check last said: {'x' * 293}refused)"),
        ),
        ({"status": "created"}, ("waiting", "is created")),
        ({"status": "paused"}, ("waiting", "is paused")),
        (
            {"status": "created", "error": "no such device"},
            ("broken", "could not be started: no such device"),
        ),
        ({"status": "restarting", "restarts": 4}, ("waiting", "is restarting")),
        (
            {"status": "restarting", "restarts": 5, "exit_code": 3},
            ("broken", "was restarted 5 times; it exits with 3"),
        ),
        (
            {"restarts": 5, "exit_code": 0},
            ("broken", "was restarted 5 times; it exits with 0"),
        ),
        ({"restarts": 4}, ("up", "")),
    ],
)
def test_what_has_not_ended(keys: dict[str, Any], expected: tuple[str, str]) -> None:
    """Running without a check is up, with one only when healthy; a crash loop is broken."""
    assert expected == verdict(**keys)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, ("done", "")),
        ({"exit_code": 1}, ("broken", "exited with 1")),
        ({"has_port": True}, ("broken", "exited with 0, although it publishes a port")),
        ({"has_port": True, "exit_code": 2}, ("broken", "exited with 2")),
        (
            {"is_oom_killed": True, "exit_code": 137},
            ("broken", "was killed because it needed more memory than its limit"),
        ),
        ({"restart_policy": "on-failure"}, ("done", "")),
        (
            {"restart_policy": "on-failure", "exit_code": 1},
            ("waiting", "exited with 1 and is started again"),
        ),
        (
            {"restart_policy": "on-failure", "exit_code": 1, "restarts": 5},
            ("broken", "exited with 1"),
        ),
        ({"restart_policy": "always"}, ("waiting", "exited with 0 and is started again")),
        (
            {"restart_policy": "unless-stopped", "exit_code": 1, "has_port": True},
            ("waiting", "exited with 1 and is started again"),
        ),
        ({"status": "dead", "exit_code": 1}, ("broken", "exited with 1")),
    ],
)
def test_what_has_ended(keys: dict[str, Any], expected: tuple[str, str]) -> None:
    """A one-shot that exits 0 is done; whoever publishes a port must not end."""
    assert expected == verdict(**{"status": "exited", **keys})


def inspected(**state_keys: Any) -> dict[str, Any]:
    return {
        "Id": "c0ffee",
        "State": {"Status": "running", "ExitCode": 0, "Pid": 42, **state_keys},
        "HostConfig": {"RestartPolicy": {"Name": ""}},
        "NetworkSettings": {"Networks": {"a": {"IPAddress": ""}, "b": {"IPAddress": "10.0.0.2"}}},
        "RestartCount": 2,
    }


def test_reading_docker_inspect() -> None:
    """The JSON of the engine, as far as health goes."""
    found = health.of(inspected(), "web")
    assert (
        state(identity="c0ffee", pid=42, restarts=2, restart_policy="no", address="10.0.0.2")
        == found
    )


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (None, ("", "")),
        ({"Status": "none"}, ("", "")),
        ({"Status": "starting", "Log": None}, ("starting", "")),
        (
            {"Status": "unhealthy", "Log": [{"Output": "old"}, {"Output": " new\n"}]},
            ("unhealthy", "new"),
        ),
    ],
)
def test_reading_health(raw: Any, expected: tuple[str, str]) -> None:
    """Without a check it is empty; of its log the last output counts."""
    found = health.of(inspected(Health=raw), "web")
    assert expected == (found.health, found.last_probe)


def test_a_container_without_networks() -> None:
    """Has no address; nothing fails."""
    raw = inspected()
    del raw["NetworkSettings"]
    assert "" == health.of(raw, "web").address


PLAN = a_plan({"web": {"ports": tcp(80)}, "db": {}, "init": {}})


def test_a_release_is_settled_when_all_are_up_or_done() -> None:
    """Of the services, the one-shot is done and the others are up."""
    found = health.overall(PLAN, [state("web"), state("db"), state("init", status="exited")])
    assert (True, False, ()) == (found.is_settled, found.is_done, found.missing)


def test_a_service_without_a_container_is_missing() -> None:
    """Compose has not started it yet."""
    found = health.overall(PLAN, [state("web"), state("db")])
    assert (False, ("init",)) == (found.is_settled, found.missing)


def test_waiting_and_broken_are_told_apart() -> None:
    """And told in one sentence each."""
    states = [
        state("web", health="starting"),
        state("db", status="exited", exit_code=1),
        state("init", status="exited", exit_code=2),
    ]
    found = health.overall(PLAN, states)
    assert not found.is_settled
    assert "web is starting" == health.sentence(found.waiting)
    assert "db exited with 1; init exited with 2" == health.sentence(found.broken)


def test_all_done_is_completed() -> None:
    """Every container has exited 0; a port on one of them would forbid it."""
    plan = a_plan({"a": {}, "b": {}})
    states = [state("a", status="exited"), state("b", status="exited")]
    assert health.overall(plan, states).is_done
    assert not health.overall(a_plan({"a": {"ports": tcp(80)}}), states[:1]).is_done
