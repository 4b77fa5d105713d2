"""What of ours is on an engine, by label, and how it goes: the parts without an engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest
import requests

from pydeploy.clients.docker import DockerEngine
from pydeploy.config.site import Engine
from pydeploy.deploy import belongings, inventory
from pydeploy.deploy.inventory import Inventory, Item, Scope
from pydeploy.errors import ServiceError
from tests.unit.deploy.samples import environment, release


def item(kind: str = "container", attempt: str = "7", **keys: Any) -> Item:
    labels = {
        "io.pydeploy.environment": "10020",
        "io.pydeploy.release": "10020-1",
        "io.pydeploy.attempt": attempt,
    }
    return Item(kind=kind, identity="id", name="name", labels=labels, **keys)


@pytest.mark.parametrize(
    ("scope", "labels"),
    [
        (Scope(site="s"), ["io.pydeploy.site=s"]),
        (
            Scope(site="s", environment="10020"),
            ["io.pydeploy.site=s", "io.pydeploy.environment=10020"],
        ),
        (
            Scope(site="s", environment="10020", attempt=0),
            [
                "io.pydeploy.site=s",
                "io.pydeploy.environment=10020",
                "io.pydeploy.attempt=0",
            ],
        ),
    ],
)
def test_filters(scope: Scope, labels: list[str]) -> None:
    """Always the site's label: without it nothing is ever looked at."""
    assert {"label": labels} == scope.filters()


def test_an_item_knows_whose_it_is() -> None:
    """By its labels."""
    assert ("10020", "10020-1", 7) == (
        (one := item()).environment,
        one.release,
        one.attempt,
    )


@pytest.mark.parametrize("attempt", ["", "x", "-1", "7 "])
def test_an_attempt_that_is_no_number(attempt: str) -> None:
    """Is nobody's: 0, which no token ever is."""
    assert 0 == item(attempt=attempt).attempt


def test_a_container_and_its_anonymous_volumes() -> None:
    """Volumes without a name have 64 hexadecimal digits for one and go with their container."""
    raw = {
        "Id": "c0ffee",
        "Names": ["/pd-r-10020-1-web-1"],
        "Labels": {"io.pydeploy.attempt": "7"},
        "Mounts": [
            {"Type": "volume", "Name": "a" * 64},
            {"Type": "volume", "Name": "named"},
            {"Type": "bind", "Source": "/x"},
            {"Type": "tmpfs"},
        ],
    }
    found = inventory._container(raw)
    assert ("pd-r-10020-1-web-1", 7, ("a" * 64,)) == (
        found.name,
        found.attempt,
        found.anonymous_volumes,
    )


@pytest.mark.parametrize("raw", [{"Names": None, "Labels": None}, {"Names": [], "Labels": {}}])
def test_a_container_that_is_just_going(raw: dict[str, Any]) -> None:
    """The engine lists it without a name."""
    found = inventory._container({"Id": "x", **raw})
    assert ("?", "", ()) == (found.name, found.environment, found.anonymous_volumes)


FULL = Inventory(
    containers=(item(anonymous_volumes=("a", "b")), item(attempt="8")),
    networks=(item("network"),),
    volumes=(item("volume"),),
)


def test_counts() -> None:
    """Anonymous volumes are volumes."""
    assert {"containers": 2, "networks": 1, "volumes": 3} == FULL.counts()
    assert {"containers": 0, "networks": 0, "volumes": 0} == Inventory().counts()


def test_choosing() -> None:
    """Of every kind."""
    chosen = FULL.where(lambda one: one.attempt == 7)
    assert ({"containers": 1, "networks": 1, "volumes": 3}, 3) == (
        chosen.counts(),
        len(chosen.items()),
    )


@pytest.mark.parametrize(
    ("record", "engine", "attempt"),
    [
        (environment(current=release(attempt=7)), "local", 7),
        (environment(current=release(attempt=7)), "other", 0),
        (environment(state="completed", current=release(attempt=7)), "local", 0),
        (environment(current=None), "local", 0),
        (None, "local", 0),
    ],
)
def test_what_belongs_on_an_engine(record: Any, engine: str, attempt: int) -> None:
    """The current release's attempt, while it runs there; everything else is left over."""
    assert attempt == belongings.of(record, engine).attempt


def test_which_volumes_are_still_there() -> None:
    """By name, among all of the engine; without names it is not asked."""
    asked = SimpleNamespace(volumes=lambda: {"Volumes": [{"Name": "a"}, {"Name": "c"}]})
    away = SimpleNamespace()
    empty = SimpleNamespace(volumes=lambda: {"Volumes": None})
    assert ["a"] == inventory.existing(engine(asked), ["a", "b"])
    assert [] == inventory.existing(engine(empty), ["a"])
    assert [] == inventory.existing(engine(away), [])


# -- erasing ----------------------------------------------------------------------------


class Api:
    """Notes what it is asked to do; raises what the test says."""

    def __init__(self, **refusals: Exception) -> None:
        self.done: list[tuple[str, str]] = []
        self._refusals = refusals

    def __getattr__(self, what: str) -> Callable[..., Any]:
        def act(identity: str, *_: Any, **__: Any) -> Any:
            if what in self._refusals:
                raise self._refusals[what]
            self.done.append((what, identity))
            return {"Containers": {}}

        return act


def engine(api: Any) -> DockerEngine:
    found = DockerEngine("local", Engine())
    found.__dict__["sdk"] = SimpleNamespace(api=api)
    return found


def refusal(status: int, explanation: str) -> docker.errors.APIError:
    response = requests.Response()
    response.status_code = status
    return docker.errors.APIError("refused", response=response, explanation=explanation)


def test_containers_go_before_what_they_use() -> None:
    """Then networks, then volumes, then those without a name."""
    api = Api()
    found = Inventory(
        containers=(item(anonymous_volumes=("anonymous",)),),
        networks=(item("network"),),
        volumes=(item("volume"),),
    )
    inventory.erase(engine(api), found, grace=1)
    assert [
        "stop",
        "remove_container",
        "inspect_network",
        "remove_network",
        "remove_volume",
        "remove_volume",
    ] == [what for what, _ in api.done]
    assert ("remove_volume", "anonymous") == api.done[-1]


@pytest.mark.parametrize(
    "gone",
    [refusal(404, "no such container"), refusal(409, "removal of x is already in progress")],
)
def test_what_has_gone_meanwhile_is_no_error(gone: Exception) -> None:
    """Or is going, by somebody else's hand."""
    inventory.erase(engine(Api(stop=gone, remove_container=gone)), FULL, grace=1)


@pytest.mark.parametrize(
    ("is_kept", "asked", "expected"),
    [(False, 120, 10), (True, 120, 120), (True, 3, 10), (True, None, 10)],
)
def test_what_keeps_data_has_the_time_that_it_asks_for(
    is_kept: bool, asked: int | None, expected: int
) -> None:
    """`stop_grace_period`; never less than the site's."""
    given: list[int] = []
    api = SimpleNamespace(
        inspect_container=lambda _: {"Config": {"StopTimeout": asked}},
        stop=lambda _, timeout: given.append(timeout),
        remove_container=lambda *_, **__: None,
    )
    one = item()
    labels = {**one.labels, "io.pydeploy.kept": str(is_kept).lower()}
    inventory.erase(engine(api), Inventory(containers=(replace(one, labels=labels),)), grace=10)
    assert [expected] == given


def test_what_cannot_go_is_the_operators() -> None:
    """Exit 6 with the engine's reason; an undo that meets it hides no other failure."""
    stuck = engine(Api(remove_volume=refusal(409, "volume is in use")))
    with pytest.raises(ServiceError, match="volume is in use"):
        inventory.erase(stuck, FULL, grace=1)
