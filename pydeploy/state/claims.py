"""Claims of host ports and subnets: created with create_revision = 0, so nobody gets one twice.

A claim has no lease, because a lease would free what a running container still uses.  It goes
by `let_go`, after the container is gone and every live gateway has forgotten the port.  Ports
are chosen at random, so that a freed one is not the next one given out.
"""

from __future__ import annotations

import ipaddress
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydeploy.clients import etcd as ops
from pydeploy.clients.etcd import Compare
from pydeploy.config.site import Engine
from pydeploy.errors import CapacityError, Fenced
from pydeploy.state.keys import last
from pydeploy.state.records import PortClaim, SubnetClaim
from pydeploy.state.store import Store

T = TypeVar("T")
FOREIGN_KEPT = 600  # seconds for which a port held by something foreign is not tried again
_BLIND_TRIES = 6  # guesses before all claims are read


@dataclass(frozen=True, kw_only=True)
class Claimant:
    """For whom to claim.  `still` are the conditions without which nothing may be claimed."""

    engine: str
    environment: str
    release: str
    token: int
    still: tuple[Compare, ...] = ()
    is_kept: bool = False  # for the environment, whatever release runs


def claim_ports(
    store: Store,
    engine: Engine,
    claimant: Claimant,
    wants: Sequence[tuple[str, int]],
    *,
    is_free: Callable[[int], bool] = lambda _: True,
    chance: random.Random | None = None,
) -> list[int]:
    """A host port for each (service, container port); CapacityError when the range is full.

    `is_free` looks at the engine's host: a port that something foreign holds is noted and skipped.
    """
    picker = _Picker(list(engine.port_range), chance or random.Random())  # noqa: S311 (no secret)
    prefix = store.keys.ports(claimant.engine)

    def claim_one(want: tuple[str, int]) -> int:
        while True:
            port = picker.pick(lambda: {int(last(kv.key)) for kv in store.etcd.range(prefix).kvs})
            if port is None:
                raise _exhausted(store, f"port in {engine.ports}", prefix, PortClaim)
            if not is_free(port):
                note_foreign_port(store, claimant.engine, port)
                continue
            value = PortClaim(
                environment=claimant.environment,
                release=claimant.release,
                service=want[0],
                container_port=want[1],
                token=claimant.token,
                kept=claimant.is_kept,
            )
            if _create(store, store.keys.port(claimant.engine, port), value.text(), claimant):
                return port

    return [claim_one(want) for want in wants]


def claim_subnets(
    store: Store,
    engine: Engine,
    claimant: Claimant,
    networks: Sequence[str],
    *,
    taken: Iterable[str] = (),
    chance: random.Random | None = None,
) -> dict[str, str]:
    """A subnet (CIDR) for each network name; `taken` are networks of others on that engine."""
    picker = _Picker(_free_subnets(engine, taken), chance or random.Random())  # noqa: S311 (no secret)
    prefix = store.keys.subnets(claimant.engine)

    def claim_one(network: str) -> str:
        while True:
            subnet = picker.pick(
                lambda: {last(kv.key).replace("_", "/") for kv in store.etcd.range(prefix).kvs}
            )
            if subnet is None:
                raise _exhausted(store, f"subnet in {engine.subnets}", prefix, SubnetClaim)
            value = SubnetClaim(
                environment=claimant.environment,
                release=claimant.release,
                network=network,
                token=claimant.token,
                kept=claimant.is_kept,
            )
            if _create(store, store.keys.subnet(claimant.engine, subnet), value.text(), claimant):
                return subnet

    return {network: claim_one(network) for network in networks}


def _free_subnets(engine: Engine, taken: Iterable[str]) -> list[str]:
    """Every subnet of the pool that overlaps with none that is taken.

    By number: comparing each with each takes seconds on an engine with many networks.
    """
    pool = ipaddress.IPv4Network(engine.subnets)
    first, size = int(pool.network_address), 1 << (32 - engine.subnet_prefix)
    used: set[int] = set()
    for one in taken:
        other = ipaddress.IPv4Network(one)
        if other.overlaps(pool):
            low = max(int(other.network_address) - first, 0)
            high = min(int(other.broadcast_address) - first, pool.num_addresses - 1)
            used.update(range(low // size, high // size + 1))
    return [
        f"{ipaddress.IPv4Address(first + number * size)}/{engine.subnet_prefix}"
        for number in range(pool.num_addresses // size)
        if number not in used
    ]


def note_foreign_port(store: Store, engine: str, port: int) -> None:
    """Remember for a while that something that is not ours holds `port`."""
    _note(store, store.keys.port(engine, port), PortClaim(foreign=True).text())


def note_foreign_subnet(store: Store, engine: str, subnet: str) -> None:
    """The same of a network (CIDR)."""
    _note(store, store.keys.subnet(engine, subnet), SubnetClaim(foreign=True).text())


def _note(store: Store, key: str, value: str) -> None:
    lease = store.etcd.grant(FOREIGN_KEPT)
    answer = store.etcd.txn([ops.equal(key, "CREATE", 0)], [ops.put(key, value, lease=lease)])
    if not answer.succeeded:  # it is claimed: then it is ours
        store.etcd.revoke(lease)


def let_go(
    store: Store, engine: str, is_ours: Callable[[str, PortClaim | SubnetClaim], bool]
) -> int:
    """Delete the claims (key, value) that `is_ours` says; returns how many.

    A claim that changed meanwhile stays.
    """
    gone = 0
    for key, mod_revision, claim in held(store, engine):
        if not claim.foreign and is_ours(key, claim):
            answer = store.etcd.txn([ops.equal(key, "MOD", mod_revision)], [ops.delete(key)])
            gone += answer.succeeded
    return gone


def held(store: Store, engine: str) -> list[tuple[str, int, PortClaim | SubnetClaim]]:
    """(key, mod revision, claim) of everything that is claimed on `engine`."""
    ports = store.etcd.range(store.keys.ports(engine)).kvs
    subnets = store.etcd.range(store.keys.subnets(engine)).kvs
    return [(kv.key, kv.mod_revision, PortClaim.read(kv.value)) for kv in ports] + [
        (kv.key, kv.mod_revision, SubnetClaim.read(kv.value)) for kv in subnets
    ]


class _Picker(Generic[T]):
    """Random candidates: blind at first, then without those that are known to be taken."""

    def __init__(self, candidates: list[T], chance: random.Random) -> None:
        self._left = candidates
        self._chance = chance
        self._tries = 0

    def pick(self, taken: Callable[[], set[T]]) -> T | None:
        self._tries += 1
        if self._tries == _BLIND_TRIES:
            known = taken()
            self._left = [one for one in self._left if one not in known]
        if not self._left:
            return None
        position = self._chance.randrange(len(self._left))
        self._left[position], self._left[-1] = self._left[-1], self._left[position]
        return self._left.pop()


def _create(store: Store, key: str, value: str, claimant: Claimant) -> bool:
    """True when the claim is ours; Fenced when we may no longer claim."""
    answer = store.etcd.txn(
        [ops.equal(key, "CREATE", 0), *claimant.still], [ops.put(key, value)], [ops.fetch(key)]
    )
    if answer.succeeded:
        return True
    if not answer.ranges[0]:
        raise Fenced(key)
    return False


def _exhausted(
    store: Store, what: str, prefix: str, kind: type[PortClaim] | type[SubnetClaim]
) -> CapacityError:
    claims = [kind.read(kv.value) for kv in store.etcd.range(prefix).kvs]
    holders = Counter(claim.environment or "(foreign)" for claim in claims).most_common(5)
    biggest = ", ".join(f"{name} ({count})" for name, count in holders) or "nobody"
    return CapacityError(
        f"no free {what}: {len(claims)} are taken; the biggest holders are {biggest}",
        hint="remove environments that are not needed (`pydeploy status`, `pydeploy remove`), run "
        "`pydeploy prune`, or widen the range in site.yml",
    )
