"""Does what the record says still hold?"""

from __future__ import annotations

from typing import Any

import pytest

from pydeploy.deploy import confirm
from pydeploy.state.records import Environment, Route
from pydeploy.state.store import Store
from tests.unit.deploy.engines import Api, container
from tests.unit.deploy.samples import environment, port, release
from tests.unit.deploy.test_gateways import gateway, publish
from tests.unit.deploy.test_probe import says, serving
from tests.unit.deploy.test_session import session_on

HOST = "10020.deploy.test"


def holds(store: Store, record: Environment, api: Api) -> bool:
    session = session_on(store, domains=["deploy.test"])
    session.engine.__dict__["sdk"] = type("Sdk", (), {"api": api})()
    return confirm.holds(session, record)


def test_nothing_on_record(store: Store) -> None:
    """Nothing holds."""
    assert not holds(store, environment(current=None), Api())


def test_what_is_completed(store: Store) -> None:
    """Keeps nothing running, so there is nothing to look at."""
    assert holds(store, environment(state="completed"), Api())


@pytest.mark.parametrize(
    ("containers", "ports", "expected"),
    [
        ([container("web")], ["web"], True),
        ([container("web"), container("db", Status="exited")], ["web"], True),
        ([container("web", Health={"Status": "healthy"})], ["web"], True),
        ([container("web", Health={"Status": "unhealthy"})], ["web"], False),
        ([container("web", Status="exited")], ["web"], False),
        ([container("db")], ["web"], False),
        ([container("web")], ["web", "api"], False),
        ([], ["web"], False),
        ([container("worker")], [], True),
        ([container("worker", Status="restarting")], [], False),
        ([], [], False),
    ],
)
def test_what_has_to_run(
    store: Store, containers: list[Any], ports: list[str], expected: bool
) -> None:
    """Every service that publishes a port; something, where none does."""
    record = environment(current=release(ports=tuple(port(name) for name in ports)))
    assert expected == holds(store, record, Api(*containers))


def test_what_a_dead_deploy_left_to_do_is_done(store: Store) -> None:
    """What serves comes back after its engine was restarted; the rest is as its file says."""
    api = Api(container("web"), container("db"))
    assert holds(store, environment(), api)
    assert {"web": {"Name": "always"}} == api.updated


@pytest.mark.parametrize(
    ("status", "wanted", "expected"),
    [(200, "200-399", True), (503, "200-399", False), (401, "401", True), (200, "401", False)],
)
def test_the_url_has_to_answer(store: Store, status: int, wanted: str, expected: bool) -> None:
    """Through the gateway, with a status that the release's own front is well with."""
    current = release(health_path="/healthz", health_status=wanted)
    record = environment(url=f"http://{HOST}", hosts=(HOST,), current=current)
    revision = store.etcd.put(store.keys.route(HOST), Route(environment="10020").text())
    with serving(says(f"HTTP/1.1 {status} x\r\n\r\n".encode())) as number:
        publish(store, "a", gateway(revision, http_port=number))
        assert expected == holds(store, record, Api(container("web")))


def test_a_url_that_nothing_answers(store: Store) -> None:
    """Does not hold, although the container runs."""
    record = environment(url=f"http://{HOST}", hosts=(HOST,))
    publish(store, "a", gateway(10**9, http_port=1))
    assert not holds(store, record, Api(container("web")))
