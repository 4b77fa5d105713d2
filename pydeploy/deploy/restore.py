"""A backup runs again: its release by digest, on new volumes with its data."""

from __future__ import annotations

from functools import partial

from pydeploy import console, names
from pydeploy.deploy import candidate, extend, fetching, seeding, turn
from pydeploy.deploy.backup_file import Backup
from pydeploy.deploy.request import Outcome, Terms
from pydeploy.deploy.session import Session
from pydeploy.errors import Superseded, UsageError
from pydeploy.state import store
from pydeploy.state.records import Environment, Origin, Release, Wanted


def target_of(backup: Backup, name: str | None) -> str:
    """The environment to restore into: `name`, else that which was saved."""
    wanted = name or backup.record().name
    number = int(wanted) if wanted.isascii() and wanted.isdigit() else None
    return names.environment(name=wanted, change=number)


def restore(
    session: Session,
    backup: Backup,
    target: str,
    *,
    replace: bool = False,
    may_move: bool = False,
) -> Outcome:
    """UsageError where `target` has data and `replace` was not said, or would have to move."""
    saved = backup.record()
    current = saved.current
    if current is None:
        raise UsageError(f"{backup.path}: its record names no release", hint="use another backup")
    if missing := backup.manifest.missing:
        console.warn(f"{backup.path} was saved without {', '.join(missing)}, which starts empty")
    origin = Origin(action="restore", environment=saved.name, release=current.name)
    asked = candidate.of_release(current, saved.service, origin)
    clock = turn.Clock()
    file = str(backup.path)
    try:
        with (
            turn.audited(session, "restore", target, file=file),
            turn.taken(session, target, _wish(current), clock, force=True) as mine,
        ):
            with console.step("fetch images"):
                fetching.fetch(session, asked)
            with mine.locked() as held:
                there = mine.record()
                _check_engine(session, there, may_move=may_move)
                terms = Terms(
                    environment=target,
                    data="keep" if saved.kept else "fresh",
                    expires=extend.end_of_restored(session, target, there, saved),
                    is_data_replaced=replace,
                )
                streams = {one: partial(backup.volume, one) for one in backup.manifest.volumes}
                source = seeding.of_streams(saved.name, streams)
                result = mine.bring_up(held, asked, terms, source)
    except Superseded as newer:
        return turn.superseded(target, newer, clock)
    turn.note(session, "restore", result, file=file)
    return result


def _wish(release: Release) -> Wanted:
    return Wanted(
        generation=0,
        action="restore",
        patchset=release.patchset,
        revision=release.revision,
        by=store.whoami(),
    )


def _check_engine(session: Session, there: Environment | None, *, may_move: bool) -> None:
    kept, engine = there.kept if there else None, session.engine.name
    if there and kept and kept.engine != engine and not may_move:
        raise UsageError(
            f"{there.name} keeps its data on engine {kept.engine}, and would move to {engine}",
            hint=f"say --engine {engine} if it shall",
        )
