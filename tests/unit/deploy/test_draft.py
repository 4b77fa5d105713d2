"""What an attempt will write, as pure functions; and what was asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pydeploy.config.site import Site
from pydeploy.deploy import draft
from pydeploy.deploy.plan import PortWant
from pydeploy.deploy.request import Timings, outcome
from pydeploy.errors import UsageError
from pydeploy.state.records import Route
from tests.unit.deploy.samples import (
    REVISION,
    a_candidate,
    environment,
    port,
    release,
    request,
    service,
)

SITE = Site.model_validate({"domains": ["deploy.test", "deploy.localhost"]})
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


# -- names ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("taken", "name"),
    [
        (set(), "10020-3"),
        ({"10020-2"}, "10020-3"),
        ({"10020-3"}, "10020-3-2"),
        ({"10020-3-2", "10020-3"}, "10020-3-3"),
        ({"10020-4", "10020-3"}, "10020-3-2"),
    ],
)
def test_release_names(taken: set[str], name: str) -> None:
    """Environment and version; counted up where the environment knows that release already."""
    assert name == draft.release_name("10020", "3", taken)


def test_without_a_patchset_the_revision_names_it() -> None:
    """Abbreviated as git does."""
    wish = request(change=None, patchset=None, name="docs")
    assert REVISION[:7] == a_candidate(wish).version
    assert "3" == a_candidate().version


def test_labels_of_a_change() -> None:
    """By these everything of an attempt is found again."""
    assert {
        "io.pydeploy.site": "site",
        "io.pydeploy.environment": "10020",
        "io.pydeploy.release": "10020-3",
        "io.pydeploy.attempt": "7",
        "io.pydeploy.kept": "false",
        "io.pydeploy.change": "10020",
        "io.pydeploy.patchset": "3",
    } == draft.labels(SITE, "10020", a_candidate(), "10020-3", 7)


def test_labels_outside_gerrit() -> None:
    """No change, no label of it."""
    outside = a_candidate(request(change=None, patchset=None, name="docs"))
    found = draft.labels(SITE, "docs", outside, "docs-1", 7)
    assert {"site", "environment", "release", "attempt", "kept"} == {
        key.removeprefix("io.pydeploy.") for key in found
    }


def test_containers_are_told_who_they_are() -> None:
    """Every variable is there; empty where there is nothing to say."""
    assert {
        "PYDEPLOY_URL": "http://10020.deploy.test",
        "PYDEPLOY_ENVIRONMENT": "10020",
        "PYDEPLOY_CHANGE": "10020",
        "PYDEPLOY_PATCHSET": "3",
        "PYDEPLOY_REVISION": REVISION,
    } == draft.identity("10020", a_candidate(), "http://10020.deploy.test")
    outside = a_candidate(request(change=None, patchset=None, name="docs"))
    job = draft.identity("docs", outside, None)
    assert ("", "docs", "") == (
        job["PYDEPLOY_URL"],
        job["PYDEPLOY_ENVIRONMENT"],
        job["PYDEPLOY_CHANGE"],
    )


# -- hosts and routes -------------------------------------------------------------------


def want(service: str, container_port: int) -> PortWant:
    return PortWant(service=service, container_port=container_port, protocol="tcp")


def test_the_front_has_the_environments_name_in_every_domain() -> None:
    """Further services get one of their own; a service's second port gets none."""
    web, admin, more = port(), port("admin", 9000, 20001), port("web", 8081, 20002)
    named = draft.name_ports(SITE, "10020", want("web", 8080), [admin, web, more])
    assert web == named.front
    assert {
        "10020.deploy.test": web,
        "10020.deploy.localhost": web,
        "admin--10020.deploy.test": admin,
        "admin--10020.deploy.localhost": admin,
    } == named.hosts
    assert {"web": "10020.deploy.test", "admin": "admin--10020.deploy.test"} == named.by_service


def test_where_the_planned_front_does_not_answer_http_the_first_that_does_is_it() -> None:
    """A guess is corrected by what really answers."""
    named = draft.name_ports(SITE, "10020", want("db", 5432), [port("api", 9000)])
    assert "api" == (named.front and named.front.service)


def test_without_http_there_are_no_names() -> None:
    """A port that speaks something else has an address, but no URL."""
    named = draft.name_ports(SITE, "10020", want("db", 5432), [])
    assert (None, {}, {}) == (named.front, named.hosts, named.by_service)


def test_two_services_never_share_a_name() -> None:
    """`my_web` and `my-web` are one name to people; the first keeps it."""
    ports = [port(), port("my_web", 1, 20001), port("my-web", 2, 20002)]
    named = draft.name_ports(SITE, "10020", want("web", 8080), ports)
    assert 20001 == named.hosts["my-web--10020.deploy.test"].host_port
    assert ["web", "my_web"] == list(named.by_service)


def test_routes_lead_to_the_claimed_ports() -> None:
    """host → address:port, and whose it is."""
    named = draft.name_ports(SITE, "10020", want("web", 8080), [port()])
    route = Route(environment="10020", release="10020-3", address="127.0.0.1", port=20000)
    assert {"10020.deploy.test": route, "10020.deploy.localhost": route} == draft.routes(
        release(), "10020", named
    )


# -- times ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "team", "expires"),
    [
        ({}, {}, "2026-02-03T12:00:00Z"),
        ({}, {"ttl": "1d"}, "2026-02-01T12:00:00Z"),
        ({"ttl": 3600}, {"ttl": "1d"}, "2026-01-31T13:00:00Z"),
        ({"ttl": 365 * 86400}, {}, "2026-03-02T12:00:00Z"),
        ({}, {"ttl": "365d"}, "2026-03-02T12:00:00Z"),
        ({"change": None, "patchset": None, "name": "docs"}, {"ttl": "1d"}, None),
        (
            {"change": None, "patchset": None, "name": "docs", "ttl": 3600},
            {},
            "2026-01-31T13:00:00Z",
        ),
    ],
)
def test_when_it_expires(wish: Any, team: Any, expires: str | None) -> None:
    """Flag, else the team's file, else the site's; never beyond the site's limit.  A named
    environment stays unless a time was asked for."""
    assert expires == draft.expires(SITE, request(**wish), service(**team), NOW)


@pytest.mark.parametrize(
    ("team", "seconds"), [({}, 120), ({"deadline": "10s"}, 10), ({"deadline": "2h"}, 1800)]
)
def test_until_when_it_must_be_healthy(team: Any, seconds: int) -> None:
    """The team's, else the site's; never beyond the site's limit."""
    assert seconds == draft.deadline(SITE, service(**team))


# -- request and outcome ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"patchset": None}, "--change without --patchset"),
        ({"patchset": 0}, "patchset 0 is not a patchset number"),
    ],
)
def test_a_request_that_makes_no_sense(keys: Any, said: str) -> None:
    """Is wrong usage, before anything is done."""
    with pytest.raises(UsageError, match=said):
        request(**keys)


def test_a_request_names_its_environment() -> None:
    """The change's, or the named one."""
    assert ("10020", "staging") == (request().environment, request(name="staging").environment)


def test_the_change_is_recorded_as_gerrit_says_it() -> None:
    """With the revision that was really built; outside Gerrit there is none."""
    change = request(branch="master", owner="wang", gerrit_project="docs").as_change("abc")
    assert change is not None
    assert (10020, 3, "abc", "docs", "master", "wang") == (
        change.number,
        change.patchset,
        change.revision,
        change.gerrit_project,
        change.branch,
        change.owner,
    )
    assert request(change=None, patchset=None, name="docs").as_change("abc") is None


def test_an_outcome_is_what_json_promises() -> None:
    """Every key of the contract (issue 3), plain data, times to the millisecond."""
    found = outcome(environment(), Timings(check=0.12345, total=2)).as_dict()
    assert {
        *("environment", "release", "url", "urls", "engine", "address", "ports", "images"),
        *("state", "expires", "timings_s"),
    } <= set(found)
    assert {"check": 0.123, "build": 0.0, "start": 0.0, "switch": 0.0, "total": 2} == found[
        "timings_s"
    ]
    assert [
        {"service": "web", "container_port": 8080, "protocol": "tcp", "host_port": 20000}
    ] == found["ports"]
    assert {"service", "ref", "digest"} == set(found["images"][0])
