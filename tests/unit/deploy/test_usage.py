"""What a container uses, as an engine of cgroup v1 or v2 says it."""

from __future__ import annotations

from typing import Any

from pydeploy.deploy import usage
from pydeploy.deploy.usage import Usage

LABELS = {"io.pydeploy.environment": "10020", "io.pydeploy.service": "web"}
INSPECTED = {"RestartCount": 2, "State": {"OOMKilled": True}}


def answer(second: str, cpu: int, **keys: Any) -> dict[str, Any]:
    return {
        "read": f"2026-03-01T12:00:{second}Z",
        "cpu_stats": {"cpu_usage": {"total_usage": cpu}},
        **keys,
    }


def a_usage(environment: str, memory: int, engine: str = "local") -> Usage:
    after = answer("01", 0, memory_stats={"usage": memory, "limit": 100})
    labels = LABELS | {"io.pydeploy.environment": environment}
    return usage.of(engine, labels, answer("00", 0), after, {"State": {}})


def test_all_of_it() -> None:
    """Percent of one processor between two samples; memory without what can be dropped."""
    after = answer(
        "02.500000000",
        3_000_000_000,
        memory_stats={"usage": 900, "limit": 1000, "stats": {"inactive_file": 100}},
        networks={"eth0": {"rx_bytes": 1, "tx_bytes": 2}, "eth1": {"rx_bytes": 3, "tx_bytes": 4}},
        blkio_stats={
            "io_service_bytes_recursive": [
                {"op": "read", "value": 5},
                {"op": "Write", "value": 6},
                {"op": "Total", "value": 11},
            ]
        },
        pids_stats={"current": 7},
    )
    before = answer("00.500000000", 0)
    assert Usage(
        engine="local",
        environment="10020",
        service="web",
        cpu=150.0,
        memory=800,
        memory_limit=1000,
        network_in=4,
        network_out=6,
        block_read=5,
        block_write=6,
        processes=7,
        restarts=2,
        is_oom_killed=True,
    ) == usage.of("local", LABELS, before, after, INSPECTED)


def test_memory_as_cgroup_v1_says_it() -> None:
    """The cache has another name there."""
    memory = {"usage": 900, "stats": {"total_inactive_file": 100}}
    found = usage.of("e", LABELS, answer("00", 0), answer("01", 0, memory_stats=memory), INSPECTED)
    assert 800 == found.memory


def test_what_is_being_started_anew() -> None:
    """The engine says zeros, and the year 1; that is no use at all, and no failure."""
    nothing = {"read": "0001-01-01T00:00:00Z", "cpu_stats": {"cpu_usage": {}}, "networks": None}
    for before in (nothing, answer("00", 5)):
        found = usage.of("e", LABELS, before, nothing, INSPECTED)
        assert (0.0, 0, 0) == (found.cpu, found.memory, found.processes)


def test_sums() -> None:
    """By environment or engine, the biggest first."""
    found = [a_usage("a", 1), a_usage("b", 5), a_usage("a", 2, engine="far")]
    by_environment = usage.sums(found, "environment")
    assert [("b", 1, 5, 100), ("a", 2, 3, 200)] == [
        (name, one["containers"], one["memory"], one["memory_limit"])
        for name, one in by_environment.items()
    ]
    assert {"local": 6, "far": 2} == {
        name: one["memory"] for name, one in usage.sums(found, "engine").items()
    }
