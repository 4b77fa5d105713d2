"""Claims of ports and subnets: never twice, by whomever."""

from __future__ import annotations

import ipaddress
import itertools
import multiprocessing
import random
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pydeploy.clients import etcd as ops
from pydeploy.clients.etcd import Etcd
from pydeploy.config.site import Engine
from pydeploy.errors import CapacityError, Fenced
from pydeploy.state import claims
from pydeploy.state.claims import Claimant
from pydeploy.state.keys import Keys
from pydeploy.state.records import PortClaim, SubnetClaim
from pydeploy.state.store import Store
from tests.unit.etcd_server import EtcdServer


def engine(ports: str = "20000-20009", **more: object) -> Engine:
    return Engine.model_validate({"ports": ports, **more})


def claimant(environment: str = "10020", token: int = 7, **more: object) -> Claimant:
    return Claimant(
        engine="local",
        environment=environment,
        release=f"{environment}-1",
        token=token,
        **more,  # type: ignore[arg-type]
    )


def web(count: int) -> list[tuple[str, int]]:
    return [("web", 8080 + number) for number in range(count)]


# -- ports ------------------------------------------------------------------------------


def test_each_want_gets_a_port_of_its_own(store: Store) -> None:
    """In the order of the wants, all of the engine's range."""
    ports = claims.claim_ports(store, engine(), claimant(), web(4))
    assert 4 == len(set(ports))
    assert set(ports) <= set(range(20000, 20010))


def test_a_claim_says_for_whom(store: Store) -> None:
    """Environment, release, service, container port and the fencing token; no lease."""
    (port,) = claims.claim_ports(store, engine(), claimant(), [("web", 8080)])
    ((key, _, claim),) = claims.held(store, "local")
    assert (
        PortClaim(
            environment="10020", release="10020-1", service="web", container_port=8080, token=7
        )
        == claim
    )
    assert store.keys.port("local", port) == key
    kv = store.etcd.get(key)
    assert kv is not None
    assert 0 == kv.lease


def test_a_full_range_can_be_used_up(store: Store) -> None:
    """To the last port, although guesses miss more and more often."""
    taken = [
        claims.claim_ports(store, engine(), claimant(str(one)), web(1))[0] for one in range(10)
    ]
    assert sorted(taken) == list(range(20000, 20010))


def test_an_exhausted_range_names_the_biggest_holders(store: Store) -> None:
    """Exit 5: how many are taken, by whom most, and what to do."""
    claims.claim_ports(store, engine(), claimant("big"), web(6))
    claims.claim_ports(store, engine(), claimant("small"), web(3))
    claims.note_foreign_port(store, "local", _last_free(store))
    with pytest.raises(CapacityError) as refused:
        claims.claim_ports(store, engine(), claimant("late"), web(1))
    assert (
        "no free port in 20000-20009: 10 are taken; the biggest holders are "
        "big (6), small (3), (foreign) (1)"
    ) == refused.value.message
    assert "pydeploy prune" in refused.value.hint


def _last_free(store: Store) -> int:
    taken = {int(key.rpartition("/")[2]) for key, _, _ in claims.held(store, "local")}
    (free,) = set(range(20000, 20010)) - taken
    return free


def test_engines_have_ranges_of_their_own(store: Store) -> None:
    """The same port of another engine is another port; `a` is not `ab`."""
    for name in ("a", "ab"):
        who = Claimant(engine=name, environment="1", release="1-1", token=1)
        claims.claim_ports(store, engine("20000-20000"), who, web(1))
    assert [1, 1] == [len(claims.held(store, name)) for name in ("a", "ab")]


def test_what_something_foreign_holds_is_skipped_and_remembered(store: Store) -> None:
    """Noted on a lease of ten minutes, so that nobody tries it again and again."""
    asked: list[int] = []

    def is_free(port: int) -> bool:
        asked.append(port)
        return port == 20003

    ports = claims.claim_ports(store, engine("20000-20003"), claimant(), web(1), is_free=is_free)
    noted = {key: claim for key, _, claim in claims.held(store, "local") if claim.foreign}
    assert [20003] == ports
    assert {store.keys.port("local", port) for port in asked if port != 20003} == set(noted)
    for key in noted:
        kv = store.etcd.get(key)
        assert kv is not None
        left = store.etcd.call("lease/timetolive", {"ID": str(kv.lease)})
        assert str(claims.FOREIGN_KEPT) == left["grantedTTL"]


def test_our_own_port_is_not_noted_as_foreign(store: Store) -> None:
    """What listens on a claimed port is ours; no lease is left behind for it."""
    (port,) = claims.claim_ports(store, engine(), claimant(), web(1))
    before = len(store.etcd.call("lease/leases", {}).get("leases", []))
    claims.note_foreign_port(store, "local", port)
    ((_, _, claim),) = claims.held(store, "local")
    assert (False, before) == (
        claim.foreign,
        len(store.etcd.call("lease/leases", {}).get("leases", [])),
    )


def test_a_freed_port_is_not_the_next_one_given_out(store: Store) -> None:
    """Ports are taken at random: a stale route would seldom show somebody else's."""
    found = {
        claims.claim_ports(
            store, engine("20000-29999"), claimant(str(one)), web(1), chance=random.Random(one)
        )[0]
        for one in range(8)
    }
    ordered = sorted(found)
    assert 8 == len(found)
    assert max(right - left for left, right in itertools.pairwise(ordered)) > 1


# -- fencing ----------------------------------------------------------------------------


@pytest.mark.parametrize("condition", ["CREATE", "MOD"])
def test_a_stale_token_cannot_claim(store: Store, condition: ops.Target) -> None:
    """Who lost the lock or was superseded gets nothing, neither port nor subnet."""
    key = store.keys.lock("10020")
    old = store.etcd.put(key, "mine")
    store.etcd.delete(key)
    store.etcd.put(key, "yours")
    late = claimant(still=(ops.equal(key, condition, old),))
    with pytest.raises(Fenced):
        claims.claim_ports(store, engine(), late, web(1))
    with pytest.raises(Fenced):
        claims.claim_subnets(store, engine(), late, ["default"])
    assert [] == claims.held(store, "local")


def test_a_good_token_can(store: Store) -> None:
    """The conditions are part of each claim's transaction."""
    key = store.keys.lock("10020")
    still = (ops.equal(key, "CREATE", store.etcd.put(key, "mine")),)
    assert 1 == len(claims.claim_ports(store, engine(), claimant(still=still), web(1)))


# -- letting go -------------------------------------------------------------------------


def test_only_what_is_said_goes(store: Store) -> None:
    """By attempt: another attempt of the same environment keeps its claims."""
    claims.claim_ports(store, engine(), claimant(token=1), web(2))
    claims.claim_ports(store, engine(), claimant(token=2), web(2))
    claims.claim_subnets(store, engine(), claimant(token=1), ["default"])
    assert 3 == claims.let_go(store, "local", lambda _, claim: claim.token == 1)
    assert [2, 2] == [claim.token for _, _, claim in claims.held(store, "local")]


def test_a_foreign_note_is_nobodys_to_let_go(store: Store) -> None:
    """It goes with its lease."""
    claims.note_foreign_port(store, "local", 20000)
    assert 0 == claims.let_go(store, "local", lambda *_: True)


def test_a_claim_that_changed_hands_stays(store: Store) -> None:
    """Between looking and deleting somebody else may have got it."""
    (port,) = claims.claim_ports(store, engine(), claimant("old"), web(1))
    key = store.keys.port("local", port)

    def is_ours(_: str, claim: PortClaim | SubnetClaim) -> bool:
        store.etcd.delete(key)
        store.etcd.put(key, PortClaim(environment="new", token=9).text())
        return claim.environment == "old"

    assert 0 == claims.let_go(store, "local", is_ours)
    assert ["new"] == [claim.environment for _, _, claim in claims.held(store, "local")]


def test_a_claim_outlives_its_claimant(store: Store) -> None:
    """It has no lease: a lease would free a port whose container still runs."""
    claims.claim_ports(store, engine(), claimant(), web(1))
    ((key, _, _),) = claims.held(store, "local")
    kv = store.etcd.get(key)
    assert kv is not None
    assert 0 == kv.lease


# -- subnets ----------------------------------------------------------------------------


def test_each_network_gets_a_subnet(store: Store) -> None:
    """Of the pool, of the wanted size, and the claim says for whom."""
    found = claims.claim_subnets(store, engine(), claimant(), ["default", "back"])
    assert {"default", "back"} == set(found)
    pool = ipaddress.IPv4Network("10.213.0.0/16")
    for subnet in map(ipaddress.IPv4Network, found.values()):
        assert (27, True) == (subnet.prefixlen, subnet.subnet_of(pool))
    assert {("default", 7), ("back", 7)} == {
        (claim.network, claim.token)
        for _, _, claim in claims.held(store, "local")
        if isinstance(claim, SubnetClaim)
    }


def test_networks_of_others_are_avoided(store: Store) -> None:
    """Whatever their size: smaller, equal, larger than ours, or nowhere near."""
    small = engine(subnets="10.213.0.0/25")  # four of /27
    taken = ["10.213.0.0/30", "10.213.0.32/27", "172.17.0.0/16", "10.213.0.120/29"]
    found = claims.claim_subnets(store, small, claimant(), ["default"], taken=taken)
    assert {"default": "10.213.0.64/27"} == found
    with pytest.raises(CapacityError, match=r"no free subnet in 10\.213\.0\.0/25: 1 are taken"):
        claims.claim_subnets(store, small, claimant(), ["default"], taken=taken)


def test_a_network_that_covers_the_pool(store: Store) -> None:
    """Then there is none at all."""
    with pytest.raises(CapacityError, match="the biggest holders are nobody"):
        claims.claim_subnets(store, engine(), claimant(), ["default"], taken=["10.0.0.0/8"])


subnets = st.builds(
    lambda address, prefix: str(ipaddress.IPv4Network((address, prefix), strict=False)),
    st.integers(
        int(ipaddress.IPv4Address("10.212.255.0")), int(ipaddress.IPv4Address("10.213.8.0"))
    ),
    st.integers(18, 32),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(subnets, max_size=6))
def test_free_subnets_are_those_that_overlap_with_none(taken: list[str]) -> None:
    """The same as comparing each with each, which would take seconds on a full engine."""
    small = engine(subnets="10.213.0.0/21")
    others = [ipaddress.IPv4Network(one) for one in taken]
    pool = ipaddress.IPv4Network(small.subnets).subnets(new_prefix=27)
    expected = [str(one) for one in pool if not any(one.overlaps(other) for other in others)]
    assert expected == claims._free_subnets(small, taken)


def test_a_full_engine_does_not_slow_it_down(store: Store) -> None:
    """200 networks of ours and Docker's own: well below what a deploy may add."""
    taken = [f"10.213.{number}.0/27" for number in range(200)]
    began = time.monotonic()
    claims.claim_subnets(store, engine(), claimant(), ["default"], taken=taken)
    assert time.monotonic() - began < 0.3


# -- many at once -----------------------------------------------------------------------

_PROCESSES, _EACH = 64, 6


def _claim(url: str, prefix: str, number: int, results: multiprocessing.Queue[object]) -> None:
    store = Store(etcd=Etcd((url,), timeout=30), keys=Keys(prefix))
    who = claimant(str(number), token=number)
    settings = engine("20000-20399", subnets="10.213.0.0/20")
    ports = claims.claim_ports(store, settings, who, web(_EACH))
    results.put((ports, claims.claim_subnets(store, settings, who, ["default"])["default"]))


def test_64_processes_never_get_the_same(etcd_server: EtcdServer, store: Store) -> None:
    """384 of 400 ports and 64 of 128 subnets, at once: each is given out once."""
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    children = [
        context.Process(target=_claim, args=(etcd_server.url, store.keys.root, number, results))
        for number in range(_PROCESSES)
    ]
    for child in children:
        child.start()
    found = [results.get(timeout=25) for _ in children]
    for child in children:
        child.join(5)
    ports = Counter(port for ports, _ in found for port in ports)
    subnets = Counter(subnet for _, subnet in found)
    assert (_PROCESSES * _EACH, 1) == (len(ports), max(ports.values()))
    assert (_PROCESSES, 1) == (len(subnets), max(subnets.values()))
    assert _PROCESSES * (_EACH + 1) == len(claims.held(store, "local"))
