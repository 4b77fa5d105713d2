"""Keys, records, audit and identity."""

from __future__ import annotations

import json
import os
import re
import time
from datetime import UTC, datetime

import pytest

from pydeploy.config.site import Site
from pydeploy.errors import ServiceError
from pydeploy.state import audit, store
from pydeploy.state.keys import Keys, last
from pydeploy.state.records import Environment, Gateway, PortClaim, Release, Route
from pydeploy.state.store import Store
from tests.unit.etcd_server import free_ports

KEYS = Keys("/pydeploy/v1")
ENVIRONMENT = Environment(
    name="10020", service="hello", state="running", created="2026-01-31T12:00:00Z", updated="x"
)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (KEYS.wanted("10020"), "wanted/10020"),
        (KEYS.environment("10020"), "environments/10020"),
        (KEYS.port("local", 20000), "ports/local/20000"),
        (KEYS.ports("local"), "ports/local/"),
        (KEYS.ports(), "ports/"),
        (KEYS.subnet("local", "10.213.0.32/27"), "subnets/local/10.213.0.32_27"),
        (KEYS.subnets("local"), "subnets/local/"),
        (KEYS.route("10020.deploy.test"), "routes/10020.deploy.test"),
        (KEYS.route(), "routes/"),
        (KEYS.gateway("a"), "gateways/a"),
        (KEYS.lock("10020"), "locks/10020"),
        (KEYS.work("10020"), "work/10020/"),
        (KEYS.work(), "work/"),
        (KEYS.build("abc"), "builds/abc"),
        (KEYS.log("10020"), "logs/10020"),
        (KEYS.audit("x"), "audit/x"),
    ],
)
def test_keys(key: str, expected: str) -> None:
    """Schema v1 of docs/architecture.md; a prefix ends in a slash, so none covers another."""
    assert f"/pydeploy/v1/{expected}" == key


def test_the_last_part_of_a_key() -> None:
    """The name that the key stands for."""
    assert "10020.deploy.test" == last(KEYS.route("10020.deploy.test"))


def test_records_come_back_as_they_were() -> None:
    """JSON without the fields that say nothing."""
    assert ENVIRONMENT == Environment.read(ENVIRONMENT.text())
    assert "change" not in json.loads(ENVIRONMENT.text())


def test_an_older_agent_reads_a_newer_ones_record() -> None:
    """Unknown fields are ignored."""
    text = json.dumps({**json.loads(ENVIRONMENT.text()), "invented_later": [1]})
    assert ENVIRONMENT == Environment.read(text)


def test_a_newer_agent_reads_an_older_ones_record() -> None:
    """Fields that are missing have defaults."""
    old = '{"name": "1-1", "attempt": 3, "engine": "local", "revision": "abc", "model": {}}'
    assert ((), {}, None) == (
        (release := Release.read(old)).ports,
        release.networks,
        release.patchset,
    )


def test_reading_everything_of_a_kind(store: Store) -> None:
    """By name; an environment that is not there is None."""
    route = Route(environment="10020")
    gateway = Gateway(applied=5, address="127.0.0.1", http_port=80)
    for key, record in [
        (store.keys.environment("10020"), ENVIRONMENT),
        (store.keys.route("10020.a"), route),
        (store.keys.gateway("one"), gateway),
        (store.keys.port("local", 20000), PortClaim()),
    ]:
        store.etcd.put(key, record.text())
    assert {"10020": ENVIRONMENT} == store.environments()
    assert {"10020.a": route} == store.routes()
    assert {"one": gateway} == store.gateways()
    assert (ENVIRONMENT, None) == (store.environment("10020"), store.environment("1002"))


def test_who_is_busy(store: Store) -> None:
    """Whoever holds a lock, and whoever works without needing one yet; each once."""
    assert set() == store.busy_names()
    for key in (store.keys.lock("1"), store.keys.lock("build-a"), *_of_two_agents(store)):
        store.etcd.put(key, "{}")
    assert {"1", "2", "build-a"} == store.busy_names()


def _of_two_agents(store: Store) -> list[str]:
    return [f"{store.keys.work(name)}{agent}" for name in ("1", "2") for agent in ("a", "b")]


def test_waiting_for_a_change(store: Store) -> None:
    """What came since the revision is no longer waited for; nothing is waited for at most so long.

    A change of something else is none.
    """
    revision = store.etcd.put(store.keys.route("a"), "{}")
    store.etcd.put(store.keys.gateway("a"), "{}")
    began = time.monotonic()
    store.wait_for_change(store.keys.gateway(), revision, 5)
    assert time.monotonic() - began < 1
    began = time.monotonic()
    store.wait_for_change(store.keys.route(), revision, 0.3)
    assert 0.25 < time.monotonic() - began < 1


def test_connecting_sends_nothing() -> None:
    """A command that needs no state must not fail because etcd is away."""
    (port,) = free_ports(1)
    site = Site.model_validate(
        {"etcd": {"endpoints": [f"http://127.0.0.1:{port}"], "prefix": "/other/v1"}}
    )
    assert "/other/v1/locks/1" == store.connect(site, {}).keys.lock("1")


def test_the_password_comes_from_the_environment() -> None:
    """And from nowhere else."""
    site = Site.model_validate({"etcd": {"username": "me"}})
    opened = store.connect(site, {"PYDEPLOY_ETCD_PASSWORD": "geheim"})
    assert {"name": "me", "password": "geheim"} == opened.etcd._login


def test_time_is_written_in_utc() -> None:
    """As everywhere in the records; text order is time order."""
    assert "2026-01-31T12:00:00Z" == store.timestamp(datetime(2026, 1, 31, 12, tzinfo=UTC))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", store.timestamp())


def test_who_we_are() -> None:
    """For people who wonder who holds a lock; CI may say it better than the account."""
    assert re.fullmatch(rf"[^@]+@[^:]+:{os.getpid()}", store.whoami({}))
    assert store.whoami({"PYDEPLOY_USER": "jenkins"}).startswith("jenkins@")


# -- audit ------------------------------------------------------------------------------


def test_an_act_is_noted_for_30_days(store: Store) -> None:
    """Who did what, to what, with which result; in the order of time; it goes by itself."""
    audit.record(store, "deploy", "10020", "running", release="10020-1")
    audit.record(store, "remove", "10020", "removed")
    found = store.etcd.range(store.keys.audit()).kvs
    entries = [json.loads(kv.value) for kv in found]
    assert ["deploy", "remove"] == [entry["action"] for entry in entries]
    assert ("10020", "running", "10020-1") == tuple(
        entries[0][key] for key in ("environment", "result", "release")
    )
    assert entries[0]["who"].endswith(f":{os.getpid()}")
    left = store.etcd.call("lease/timetolive", {"ID": str(found[0].lease)})
    assert str(30 * 86400) == left["grantedTTL"]


def test_a_note_that_is_lost_does_not_fail_the_act(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was done was done."""

    def away(_: int) -> int:
        raise ServiceError("away", service="etcd")

    monkeypatch.setattr(store.etcd, "grant", away)
    audit.record(store, "deploy", "10020", "running")
