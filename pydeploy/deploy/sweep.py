"""Whatever a dead attempt left behind goes: the same for deploy, remove and prune.

The caller holds the environment's lock, so nobody works on it; what does not carry the attempt
of the recorded current release is left over.
"""

from __future__ import annotations

from pydeploy.clients.docker import DockerEngine
from pydeploy.deploy import gateways, inventory
from pydeploy.deploy.session import Session
from pydeploy.state import claims
from pydeploy.state.records import Environment, PortClaim, Route, SubnetClaim


def kept_attempt(record: Environment | None, engine: str) -> int:
    """The attempt whose things belong on `engine`; 0 when nothing of that environment does."""
    if record is None or record.current is None or record.state != "running":
        return 0
    return record.current.attempt if record.current.engine == engine else 0


def leftovers(
    session: Session, environment: str, record: Environment | None, engine: DockerEngine, token: int
) -> dict[str, int]:
    """Remove what no record names on `engine`; returns counts by kind.

    Only what is older than our own `token`: should we have slept beyond our lease, then whoever
    has the lock now works under a newer one.
    """
    keep = kept_attempt(record, engine.name)
    found = inventory.take(engine, session.scope(environment)).where(
        lambda item: item.attempt != keep and item.attempt < token
    )
    if found.items():
        inventory.erase(engine, found, grace=session.site.defaults.stop_grace)
    return {**found.counts(), "claims": _let_go(session, engine, environment, keep, token)}


def _let_go(session: Session, engine: DockerEngine, environment: str, keep: int, token: int) -> int:
    """Let go of older claims than ours but those of attempt `keep`; their containers are gone.

    Waits until every live gateway has forgotten the ports, else a stale route would show
    somebody else's environment.
    """

    def is_left(claim: PortClaim | SubnetClaim) -> bool:
        return claim.environment == environment and claim.token != keep and claim.token < token

    if not any(is_left(claim) for _, _, claim in claims.held(session.store, engine.name)):
        return 0
    gateways.wait_applied(session.store, newest_route(session, environment))
    return claims.let_go(session.store, engine.name, is_left)


def newest_route(session: Session, environment: str) -> int:
    """The revision of the last change to the environment's own name; 0 without a route."""
    keys = [session.store.keys.route(f"{environment}.{one}") for one in session.site.domains]
    found = [session.store.read(key, Route) for key in keys]
    return max((one[0].mod_revision for one in found if one), default=0)
