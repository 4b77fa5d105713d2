"""Whatever a dead attempt left behind goes: the same for deploy, remove and prune.

The caller holds the environment's lock, so nobody works on it; what its record does not name is
left over.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydeploy import console, names
from pydeploy.clients.docker import DockerEngine
from pydeploy.deploy import belongings, freeze, gateways, inventory
from pydeploy.deploy.inventory import Inventory, Item
from pydeploy.deploy.session import Session
from pydeploy.state import claims
from pydeploy.state.records import Environment, PortClaim, Route, SubnetClaim


def leftovers(
    session: Session, environment: str, record: Environment | None, engine: DockerEngine, token: int
) -> dict[str, int]:
    """Remove what no record names on `engine`, and let go on what stands still.

    Returns counts by kind.  Only what is older than our own `token`: should we have slept beyond
    our lease, then whoever has the lock now works under a newer one.
    """
    thawed = freeze.thaw(engine, session.scope(environment))
    found = _erase(session, environment, record, engine, token)
    counts = {**found.counts(), "claims": _let_go(session, environment, record, engine, token)}
    return {**counts, "thawed": thawed} if thawed else counts


def erase(session: Session, record: Environment, engine: DockerEngine, *, before: int) -> None:
    """Remove what `record` does not name, of attempts before `before`."""
    _erase(session, record.name, record, engine, before)


def let_go(session: Session, record: Environment, engine: DockerEngine, *, before: int) -> None:
    """Let go of the claims that `record` does not name; their containers are gone."""
    _let_go(session, record.name, record, engine, before)


def _erase(
    session: Session, environment: str, record: Environment | None, engine: DockerEngine, token: int
) -> Inventory:
    belongs = belongings.of(record, engine.name)
    there = inventory.take(engine, session.scope(environment))
    records = {environment: record} if record else {}
    unknown = unknown_data(session, records, engine.name, there)
    found = there.where(
        lambda item: not belongs.has(item) and item.attempt < token and item not in unknown
    )
    if found.items():
        inventory.erase(engine, found, grace=session.site.defaults.stop_grace)
    if unknown:
        console.warn(
            f"{environment}: data that no record names was left as it is ({_names(unknown)}); "
            + (
                "was etcd put back to an earlier day? `docker volume rm` deletes it"
                if record
                else f"`pydeploy remove {environment} --purge-data` deletes it"
            )
        )
    return found


def unknown_data(
    session: Session, records: Mapping[str, Environment], engine: str, there: Inventory
) -> list[Item]:
    """Kept things of which etcd knows nothing at all: no record, no claim of their attempt.

    A deploy that died before its record has left its claims.  Where they are missing, too, etcd
    was lost or put back to an earlier day, and this may be somebody's only data.  Of an
    environment that has a record that is said of volumes only, because an earlier record can name
    the rest, or it can be made again.
    """
    suspects = [
        item
        for item in there.items()
        if item.is_kept and _is_unnamed(records.get(item.environment), engine, item)
    ]
    if not suspects:
        return []
    known = {(claim.environment, claim.token) for _, _, claim in claims.held(session.store, engine)}
    return [item for item in suspects if (item.environment, item.attempt) not in known]


def _is_unnamed(record: Environment | None, engine: str, item: Item) -> bool:
    if record is None:
        return True
    is_data = item.kind == "volume" and names.VOLUME in item.labels
    return (
        is_data
        and item.name not in record.discarded
        and not belongings.of(record, engine).has(item)
    )


def unknown_of(
    session: Session, environment: str, record: Environment | None, engine: DockerEngine
) -> list[Item]:
    """Such things of one environment."""
    there = inventory.take(engine, session.scope(environment, is_kept=True))
    records = {environment: record} if record else {}
    return unknown_data(session, records, engine.name, there)


def _names(items: list[Item]) -> str:
    return ", ".join(item.name for item in items if item.kind == "volume") or "no volumes"


def _let_go(
    session: Session, environment: str, record: Environment | None, engine: DockerEngine, token: int
) -> int:
    """Waits until every live gateway has forgotten the ports, else a stale route would show
    somebody else's environment."""
    belongs = belongings.of(record, engine.name)

    def is_left(key: str, claim: PortClaim | SubnetClaim) -> bool:
        is_ours = claim.environment == environment and claim.token < token
        return is_ours and not belongs.has_claim(key, claim)

    if not any(is_left(key, claim) for key, _, claim in claims.held(session.store, engine.name)):
        return 0
    gateways.wait_applied(session.store, newest_route(session, environment))
    return claims.let_go(session.store, engine.name, is_left)


def newest_route(session: Session, environment: str) -> int:
    """The revision of the last change to the environment's own name; 0 without a route."""
    keys = [session.store.keys.route(f"{environment}.{one}") for one in session.site.domains]
    found = [session.store.read(key, Route) for key in keys]
    return max((one[0].mod_revision for one in found if one), default=0)
