"""Does what the record says still hold?  Asked before an unchanged patchset is called unchanged."""

from __future__ import annotations

from pydeploy.config.service import Front
from pydeploy.deploy import containers, gateways, retire, sweep
from pydeploy.deploy.session import Session
from pydeploy.state.records import Environment, Release


def holds(session: Session, record: Environment) -> bool:
    """True when everything of the current release runs, and its URL answers through the gateway.

    Finishes what a deploy that died after its switch has left to do.  The caller holds the lock
    and has swept.
    """
    current = record.current
    if current is None:
        return False
    if record.state == "completed":
        return True
    states = containers.of_record(session, record)
    up = {one.service for one in states if one.status == "running" and one.health != "unhealthy"}
    served = {port.service for port in current.ports}
    if record.kept:
        served |= {name for name, one in record.kept.services.items() if not one.is_done}
    if not up or not served <= up:
        return False
    if record.url and not _answers(session, record, current):
        return False
    retire.keep_running(session.engine, states, retire.lasting(record))
    return True


def _answers(session: Session, record: Environment, current: Release) -> bool:
    live = gateways.live(session.store)
    gateways.wait_applied(session.store, sweep.newest_route(session, record.name))
    front = Front(path=current.health_path, status=current.health_status)
    host = record.hosts[0]
    answer = gateways.fetch(session.site, live, host, front.path, accepts=front.accepts)
    return answer.kind == "http" and front.accepts(answer.status)
