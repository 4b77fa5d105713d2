"""The parts of prune and remove that need no engine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from pydeploy.deploy import failpoints, prune, remove, sweep
from pydeploy.deploy.prune import Findings
from pydeploy.deploy.remove import Removal
from pydeploy.deploy.session import Session
from pydeploy.errors import CapacityError, Fenced, Interrupted, ServiceError
from pydeploy.state import audit, claims, lock, work
from pydeploy.state import store as store_module
from pydeploy.state.records import Change, Environment, PortClaim, Route
from pydeploy.state.store import Store
from tests.unit.deploy.samples import environment, release
from tests.unit.deploy.test_session import session_on

PAST, FUTURE = "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"


def labelled(name: str, attempt: int, kind: str) -> dict[str, Any]:
    labels = {"io.pydeploy.environment": name, "io.pydeploy.attempt": str(attempt)}
    return {"Id": f"{name}-{attempt}-{kind}", "Name": name, "Names": [f"/{name}"], "Labels": labels}


@pytest.fixture
def there() -> dict[str, list[Any]]:
    """What the engine lists."""
    return {"containers": [], "networks": [], "volumes": [], "images": []}


@pytest.fixture
def erased() -> list[str]:
    """What the engine was told to remove."""
    return []


@pytest.fixture
def session(store: Store, there: dict[str, list[Any]], erased: list[str]) -> Session:
    opened = session_on(store)
    api = SimpleNamespace(
        containers=lambda **_: there["containers"],
        networks=lambda **_: there["networks"],
        volumes=lambda **_: {"Volumes": there["volumes"] or None},
        images=lambda: there["images"],
        stop=lambda *_, **__: None,
        remove_container=lambda one, **_: erased.append(one),
        inspect_network=lambda _: {},
        remove_network=erased.append,
        remove_volume=erased.append,
    )
    opened.engine.__dict__["sdk"] = SimpleNamespace(api=api)
    return opened


@pytest.fixture
def held(session: Session) -> Iterator[lock.Held]:
    key = session.store.keys.lock("10020")
    with lock.hold(session.store.etcd, key, session.holder(), wait=0) as mine:
        yield mine


def record(store: Store, one: Environment) -> None:
    store.etcd.put(store.keys.environment(one.name), one.text())


# -- what prune finds -------------------------------------------------------------------


def test_nothing_to_find(session: Session) -> None:
    """A clean site has no residue."""
    assert (Findings(), 0) == (prune.look(session), prune.look(session).residue)


@pytest.mark.parametrize(("expires", "found"), [(PAST, ("10020",)), (FUTURE, ()), (None, ())])
def test_what_has_expired(session: Session, expires: str | None, found: tuple[str, ...]) -> None:
    """Its time is over; without a time it never is."""
    record(session.store, environment(expires=expires, current=None))
    assert found == prune.look(session).expired


def test_an_end_that_comes_soon(session: Session) -> None:
    """Said once for each time of the end, however often prune runs; what has time is not."""
    soon = store_module.timestamp(store_module.now() + timedelta(minutes=90))
    later = store_module.timestamp(store_module.now() + timedelta(minutes=150))
    record(session.store, environment(expires=soon))
    record(session.store, environment("10021", expires=later))
    assert ("10020",) == prune.look(session).expiring
    assert ("10020",) == prune.prune(session)[0].expiring
    told = session.store.environment("10020")
    assert told is not None
    assert soon == told.warned
    assert () == prune.prune(session)[0].expiring
    sooner = store_module.timestamp(store_module.now() + timedelta(minutes=60))
    record(session.store, told.model_copy(update={"expires": sooner}))
    assert ("10020",) == prune.prune(session)[0].expiring
    acts = audit.read(session.store, audit.Filter(action="expiring"), limit=9)
    assert [sooner, soon] == [one["expires"] for one in acts]


def test_who_is_not_told_is_told_next_time(session: Session) -> None:
    """A lock in the way, or another prune that was faster: this one has told nobody."""
    soon = store_module.timestamp(store_module.now() + timedelta(minutes=90))
    record(session.store, environment(expires=soon))
    told: list[str] = []
    key = session.store.keys.lock("10020")
    with lock.hold(session.store.etcd, key, session.holder(), wait=0) as mine:
        prune._each(session, "10020", partial(prune._tell, told))
        assert [] == told
        prune._tell(told, session, "10020", mine)
        prune._tell(told, session, "10020", mine)
    assert ["10020"] == told


def test_leftovers(session: Session, there: dict[str, list[Any]]) -> None:
    """What does not carry the attempt of the recorded release, of every kind, by environment."""
    record(session.store, environment(current=release(attempt=7)))
    there["containers"] = [labelled("10020", 7, "c"), labelled("10020", 6, "c")]
    there["networks"] = [labelled("10020", 6, "n"), labelled("gone", 5, "n")]
    there["volumes"] = [labelled("gone", 5, "v")]
    claim(session, 20000, 5, "gone")
    claim(session, 20001, 7)
    foreign = PortClaim(foreign=True)
    session.store.etcd.put(session.store.keys.port("local", 20002), foreign.text())
    found = prune.look(session)
    assert {"10020": 2, "gone": 3} == found.orphans
    assert 5 == found.residue


@pytest.mark.parametrize(
    ("route", "hosts", "is_stray"),
    [
        (Route(environment="10020"), ("a.test",), False),
        (Route(environment="10020"), (), True),
        (Route(environment="gone"), ("a.test",), True),
        (Route(environment="gone", state="starting"), (), True),
        (Route(environment="gone", state="removed"), (), False),
        (Route(environment="gone", state="failed"), (), False),
    ],
)
def test_stray_routes(
    session: Session, route: Route, hosts: tuple[str, ...], is_stray: bool
) -> None:
    """That no record names; tombstones go by themselves."""
    record(session.store, environment(hosts=hosts, current=None))
    session.store.etcd.put(session.store.keys.route("a.test"), route.text())
    assert ({route.environment: 1} if is_stray else {}) == prune.look(session).orphans


def test_stale_images(session: Session, there: dict[str, list[Any]]) -> None:
    """Ours that no record names; foreign ones are not looked at."""
    record(session.store, environment(current=release()))
    there["images"] = [
        {"Id": "sha256:a", "RepoTags": ["pydeploy/hello/web:1"]},
        {"Id": "sha256:stale", "RepoTags": ["pydeploy/hello/web:2"]},
        {"Id": "sha256:debian", "RepoTags": ["debian:12"]},
    ]
    assert 1 == prune.look(session).images


def test_what_is_being_worked_on_is_left_alone(
    session: Session, there: dict[str, list[Any]]
) -> None:
    """Its lock says so; and images, which a build names only when it is done."""
    record(session.store, environment("busy", expires=PAST, current=None))
    there["containers"] = [labelled("busy", 6, "c")]
    there["images"] = [{"Id": "sha256:new", "RepoTags": ["pydeploy/hello/web:2"]}]
    key = session.store.keys.lock("busy")
    with lock.hold(session.store.etcd, key, session.holder(), wait=0):
        found = prune.look(session)
    assert ((), {}, 0, ("busy",)) == (found.expired, found.orphans, found.images, found.busy)


def test_findings_as_data() -> None:
    """What `--json` prints."""
    found = Findings(expired=("a",), expiring=("d",), orphans={"b": 2}, images=3, busy=("c",))
    assert {
        "expired": ["a"],
        "expiring": ["d"],
        "orphans": {"b": 2},
        "unsettled": {},
        "images": 3,
        "busy": ["c"],
        "residue": 6,
    } == found.as_dict()


@pytest.mark.parametrize(
    "failure",
    [CapacityError("locked"), ServiceError("away", service="docker"), Fenced("10020")],
)
def test_one_failure_does_not_stop_the_others(session: Session, failure: Exception) -> None:
    """It is said, and the next environment is looked at."""

    def act(*_: Any) -> None:
        raise failure

    prune._each(session, "10020", act)
    assert session.store.etcd.get(session.store.keys.lock("10020")) is None


def test_ctrl_c_stops_all(session: Session) -> None:
    """It is no failure of one environment."""

    def act(*_: Any) -> None:
        raise Interrupted(2)

    with pytest.raises(Interrupted):
        prune._each(session, "10020", act)


def test_what_is_worked_for_without_a_lock_is_left_alone(
    session: Session, there: dict[str, list[Any]]
) -> None:
    """A deploy that builds holds no lock yet; nobody takes its images."""
    record(session.store, environment("busy", expires=PAST, current=None))
    there["images"] = [{"Id": "sha256:new", "RepoTags": ["pydeploy/hello/web:2"]}]

    def act(*_: Any) -> None:
        raise AssertionError("somebody works for it")

    with work.announced(session.store, "busy", session.holder(), 60):
        found = prune.look(session)
        prune._each(session, "busy", act)
    assert ((), 0, ("busy",)) == (found.expired, found.images, found.busy)


# -- only what is older than one's own token -------------------------------------------


def claim(session: Session, number: int, token: int, name: str = "10020") -> None:
    key = session.store.keys.port("local", number)
    session.store.etcd.put(key, PortClaim(environment=name, token=token).text())


def claimed(session: Session) -> list[int]:
    return [one.token for _, _, one in claims.held(session.store, "local")]


def of_attempts(there: dict[str, list[Any]], *attempts: int) -> None:
    for kind in ("containers", "networks", "volumes"):
        there[kind] = [labelled(f"{one}-{kind}", one, kind) for one in attempts]


def test_a_sweep_touches_nothing_newer(
    session: Session, there: dict[str, list[Any]], erased: list[str]
) -> None:
    """Of attempts 6 to 10 under token 9, with 7 on record: 6 and 8 go."""
    of_attempts(there, 6, 7, 8, 9, 10)
    for number, token in enumerate((6, 7, 8, 9, 10)):
        claim(session, 20000 + number, token)
    claim(session, 20009, 6, "other")
    counts = sweep.leftovers(
        session, "10020", environment(current=release(attempt=7)), session.engine, 9
    )
    assert {"6", "8"} == {one.split("-")[0] for one in erased}
    assert {"containers": 2, "networks": 2, "volumes": 2, "claims": 2} == counts
    assert [7, 9, 10, 6] == claimed(session)


def test_a_removal_touches_nothing_newer(
    session: Session, held: lock.Held, there: dict[str, list[Any]], erased: list[str]
) -> None:
    """It may have slept: what carries its own token or a greater one is not its to take."""
    older, same, newer = held.token - 1, held.token, held.token + 1
    of_attempts(there, older, same, newer)
    for number, token in enumerate((older, same, newer)):
        claim(session, 20000 + number, token)
    removal = remove.under_lock(session, "10020", held)
    assert {str(older)} == {one.split("-")[0] for one in erased}
    assert [same, newer] == claimed(session)
    assert 1 == removal.removed["containers"] == removal.removed["claims"]
    assert removal.residue > 0


def test_a_removal_that_lost_its_lock_forgets_nothing(session: Session) -> None:
    """The record may be a newer release's by now."""
    key = session.store.keys.lock("10020")
    with lock.hold(session.store.etcd, key, session.holder(), wait=0) as late:
        pass
    record(session.store, environment())
    with pytest.raises(Fenced):
        remove._forget(session, "10020", late)
    with pytest.raises(Fenced):
        remove._erase_images(session, "10020", environment(), late)
    assert environment() == session.store.environment("10020")


def test_images_stay_while_somebody_works_for_the_environment(
    session: Session,
    held: lock.Held,
    there: dict[str, list[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may have built and not have recorded yet; what stays is prune's."""
    monkeypatch.setattr(remove, "_UNDO_TIME", 0.2 - session.site.defaults.lock_ttl)
    there["images"] = [{"Id": "sha256:a", "RepoTags": ["pydeploy/hello/web:10020-3-0123456"]}]
    with work.announced(session.store, "10020", session.holder(), 60):
        assert {} == remove._erase_images(session, "10020", environment(), held)


# -- what remove leaves -----------------------------------------------------------------


def test_residue(session: Session, there: dict[str, list[Any]]) -> None:
    """Everything of the environment that is still there, by name; a tombstone is not."""
    keys, etcd = session.store.keys, session.store.etcd
    record(session.store, environment())
    etcd.put(keys.log("10020"), "log")
    etcd.put(keys.port("local", 20000), PortClaim(environment="10020").text())
    etcd.put(keys.port("local", 20001), PortClaim(environment="other").text())
    etcd.put(keys.route("a.test"), Route(environment="10020").text())
    etcd.put(keys.route("b.test"), Route(environment="10020", state="removed").text())
    etcd.put(keys.route("c.test"), Route(environment="other").text())
    there["networks"] = [labelled("10020", 6, "n")]
    assert [
        "network 10020 on local",
        keys.port("local", 20000),
        keys.environment("10020"),
        keys.log("10020"),
        keys.route("a.test"),
    ] == remove.residue(session, "10020", {})


def test_anonymous_volumes_are_residue(session: Session, there: dict[str, list[Any]]) -> None:
    """No label would find them again, so the removal says which ones there were."""
    there["volumes"] = [{"Name": "a" * 64, "Labels": None}, {"Name": "c" * 64, "Labels": None}]
    session.engine.api.volumes = _of_the_engine(there)
    left = remove.residue(session, "10020", {"local": ["a" * 64, "b" * 64]})
    assert [f"volume {'a' * 64} on local"] == left


def _of_the_engine(there: dict[str, list[Any]]) -> Any:
    """Volumes without our labels: a filter finds none of them."""

    def volumes(filters: Any = None) -> dict[str, Any]:
        return {"Volumes": None if filters else there["volumes"]}

    return volumes


def test_routes_become_tombstones(session: Session, held: lock.Held) -> None:
    """Of this environment only; on a lease, so that they go by themselves."""
    keys, etcd = session.store.keys, session.store.etcd
    etcd.put(keys.route("a.test"), Route(environment="10020", port=1).text())
    etcd.put(keys.route("b.test"), Route(environment="other", port=2).text())
    assert 1 == remove._unroute(session, "10020", environment(), held)
    found = session.store.routes()
    assert Route(environment="10020", release="10020-3", state="removed") == found["a.test"]
    assert Route(environment="other", port=2) == found["b.test"]
    kv = etcd.get(keys.route("a.test"))
    assert kv is not None
    assert kv.lease > 0


def test_a_tombstone_is_not_renewed(session: Session, held: lock.Held) -> None:
    """Removing twice does not make "was removed" last longer."""
    keys, etcd = session.store.keys, session.store.etcd
    etcd.put(keys.route("a.test"), Route(environment="10020", state="removed").text())
    assert 0 == remove._unroute(session, "10020", None, held)


def test_who_lost_the_lock_unroutes_nothing(session: Session) -> None:
    """A removal that slept beyond its lease: somebody may have deployed since."""
    keys, etcd = session.store.keys, session.store.etcd
    key = keys.lock("10020")
    with lock.hold(etcd, key, session.holder(), wait=0) as late:
        pass
    etcd.put(keys.route("a.test"), Route(environment="10020", port=1).text())
    with lock.hold(etcd, key, session.holder(), wait=0), pytest.raises(Fenced):
        remove._unroute(session, "10020", None, late)
    assert "running" == session.store.routes()["a.test"].state


@pytest.mark.parametrize(
    ("name", "change", "number"),
    [
        ("10020", 10020, 10020),
        ("10020", None, 10020),
        ("staging", 10020, None),
        ("staging", None, None),
    ],
)
def test_whose_images_go(name: str, change: int | None, number: int | None) -> None:
    """A change's images go with its own environment, not with another that it was put into."""
    it = Change(number=change, patchset=1, revision="x") if change else None
    assert number == remove._change_of(name, environment(name, change=it))


def test_a_removal_as_data() -> None:
    """What `--json` prints; `superseded` where a newer wish came."""
    removal = Removal(environment="10020", removed={"routes": 1}, residue=1, left=("x",))
    assert {
        "environment": "10020",
        "state": "removed",
        "removed": {"routes": 1},
        "residue": 1,
        "left": ["x"],
        "backup": None,
    } == removal.as_dict()
    assert "superseded" == Removal(environment="1", superseded_by="x").as_dict()["state"]


# -- fail points ------------------------------------------------------------------------


def test_a_fail_point_that_nobody_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is passed; one that does not exist is a mistake of ours."""
    monkeypatch.delenv("PYDEPLOY_FAILPOINT", raising=False)
    for point in failpoints.POINTS:
        failpoints.reach(point)
    with pytest.raises(ValueError, match="nowhere"):
        failpoints.reach("nowhere")


def test_cancel_is_an_event(session: Session) -> None:
    """One for "newer wish" and "lock lost"."""
    assert isinstance(session.cancel, threading.Event)
