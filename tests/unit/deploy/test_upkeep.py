"""What is on record runs, and comes back with its engine."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pydeploy.deploy import retire, upkeep
from pydeploy.state.records import Environment, Kept, KeptService
from pydeploy.state.store import Store
from tests.unit.deploy.samples import environment, port, release
from tests.unit.deploy.test_session import session_on


def listed(service: str, attempt: int, state: str, *, kept: bool = False) -> dict[str, Any]:
    labels = {
        "io.pydeploy.environment": "10020",
        "io.pydeploy.service": service,
        "io.pydeploy.attempt": str(attempt),
        "io.pydeploy.kept": str(kept).lower(),
    }
    return {"Id": service, "Labels": labels, "State": state}


def keeping(**keys: Any) -> Environment:
    """A front of attempt 7, a worker without a port, and a store of attempt 5."""
    store = KeptService(attempt=5, fingerprint="f", is_done=keys.pop("is_done", False))
    kept = Kept(engine="local", network="n", subnet="10.0.0.0/29", services={"store": store})
    return environment(**{"current": release(attempt=7), "kept": kept, **keys})


@pytest.mark.parametrize(
    ("one", "policy", "keys", "expected"),
    [
        (listed("store", 5, "exited", kept=True), "no", {}, True),
        (listed("store", 5, "created", kept=True), "no", {}, True),
        (listed("store", 5, "running", kept=True), "no", {}, True),
        (listed("store", 5, "running", kept=True), "always", {}, False),
        (listed("store", 5, "paused", kept=True), "no", {}, False),
        (listed("store", 5, "restarting", kept=True), "always", {}, False),
        (listed("store", 6, "exited", kept=True), "no", {}, False),
        (listed("store", 5, "exited", kept=True), "no", {"is_done": True}, False),
        (listed("store", 5, "exited", kept=True), "no", {"state": "completed"}, False),
        (listed("web", 7, "running"), "no", {}, True),
        (listed("web", 7, "running"), "on-failure", {}, False),
        (listed("web", 6, "running"), "no", {}, False),
        (listed("helper", 7, "running"), "no", {}, False),
        (listed("web", 7, "exited"), "no", {}, False),
    ],
)
def test_what_is_seen_to(
    store: Store, one: dict[str, Any], policy: str, keys: dict[str, Any], expected: bool
) -> None:
    """Data that is down, and what serves and would not come back; of what is on record only."""
    session = session_on(store)
    inspected = {
        "Id": one["Id"],
        "State": {"Status": one["State"]},
        "HostConfig": {"RestartPolicy": {"Name": policy}},
    }
    api = SimpleNamespace(containers=lambda **_: [one], inspect_container=lambda _: inspected)
    session.engine.__dict__["sdk"] = SimpleNamespace(api=api)
    found = upkeep.failing(session, session.engine, {"10020": keeping(**keys)})
    assert (["10020"] if expected else []) == found


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, {"web"}),
        ({"ports": ()}, set()),
        ({"ports": (), "settings": {"kind": "worker"}}, {"web", "helper"}),
        ({"ports": (), "settings": {"kind": "job"}}, set()),
        ({"ports": (port("helper"),)}, {"helper"}),
    ],
)
def test_who_is_started_again_after_the_engine_was(
    keys: dict[str, Any], expected: set[str]
) -> None:
    """What has an address, and all of a worker; never a job, which would begin anew for ever."""
    model = {"services": {"web": {}, "helper": {}}}
    current = release(**keys).model_copy(update={"model": model})
    assert expected == retire.lasting(environment(current=current))
    assert "store" in retire.lasting(keeping(current=current))
