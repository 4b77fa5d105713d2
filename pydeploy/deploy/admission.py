"""What must not happen to kept data, asked before anything is claimed or started."""

from __future__ import annotations

from pydeploy.deploy import inventory, kept, sweep
from pydeploy.deploy.candidate import Candidate
from pydeploy.deploy.request import Terms
from pydeploy.deploy.seeding import Source
from pydeploy.deploy.session import Session
from pydeploy.errors import ServiceError, UsageError
from pydeploy.state.records import Environment, Kept


def check(
    session: Session,
    record: Environment | None,
    candidate: Candidate,
    terms: Terms,
    source: Source | None,
) -> None:
    """UsageError where data would be lost, torn from its engine, or mixed with other data."""
    name, engine = terms.environment, session.engine.name
    there = record.kept if record else None
    if there and there.engine != engine and not terms.is_data_replaced:
        raise UsageError(
            f"{name} keeps its data on engine {there.engine}, so it cannot run on {engine}",
            hint=f"`pydeploy backup {name}`, then `pydeploy restore` it with --engine {engine}",
        )
    if there and terms.data == "fresh":
        raise UsageError(
            f"{name} keeps its data, and a release with fresh data would lose it",
            hint=f"leave it at keep; or `pydeploy remove {name} --purge-data` first",
        )
    if source:
        _check_source(record, candidate, terms, source)
    if terms.data == "keep" and record is None:
        _check_unknown(session, name)
    if there and not terms.is_data_replaced:
        _check_there(session, name, there)


def _check_source(
    record: Environment | None, candidate: Candidate, terms: Terms, source: Source
) -> None:
    if source.environment == terms.environment and source.engine is not None:
        raise UsageError("an environment cannot be its own source of data", hint="name another")
    there = record.kept.volumes if record and record.kept else {}
    if terms.data == "keep" and there and not terms.is_data_replaced:
        raise UsageError(
            f"{terms.environment} has data already ({', '.join(sorted(there))})",
            hint="leave --data-from away; `pydeploy restore --replace` puts a backup in its place; "
            f"or `pydeploy remove {terms.environment} --purge-data`",
        )
    wanted = {
        volume for one in candidate.model["services"].values() for volume in kept.named_volumes(one)
    }
    if not wanted & source.names:
        raise UsageError(
            f"{source.environment} has none of the volumes {', '.join(sorted(wanted)) or '(none)'}",
            hint=f"it has: {', '.join(sorted(source.names))}",
        )


def _check_there(session: Session, name: str, there: Kept) -> None:
    volumes = there.volumes.values()
    found = inventory.existing(session.engine, list(volumes))
    if gone := sorted(set(volumes) - set(found)):
        raise ServiceError(
            f"{name} has lost data that its record names: {', '.join(gone)}",
            service="docker",
            hint="`pydeploy restore FILE --replace` brings a backup of it back; "
            f"`pydeploy remove {name} --purge-data` lets it begin anew",
        )


def _check_unknown(session: Session, name: str) -> None:
    unknown = sweep.unknown_of(session, name, None, session.engine)
    if volumes := [item.name for item in unknown if item.kind == "volume"]:
        raise ServiceError(
            f"{name} has data that no record names: {', '.join(volumes)}; was etcd lost, or put "
            "back to an earlier day?",
            service="etcd",
            hint=f"restore etcd or a backup; or `pydeploy remove {name} --purge-data` deletes it",
        )
