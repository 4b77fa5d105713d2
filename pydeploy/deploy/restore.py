"""A backup runs again: its release by digest, on new volumes with its data."""

from __future__ import annotations

from functools import partial

from pydeploy import console, names
from pydeploy.deploy import candidate, extend, fetching, kept, seeding, turn, volumes
from pydeploy.deploy.backup_file import Backup
from pydeploy.deploy.request import Outcome, Terms
from pydeploy.deploy.session import Session
from pydeploy.errors import Superseded, UsageError
from pydeploy.state import store
from pydeploy.state.lock import Held
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
                _bring_the_rest(session, backup, target, held)
    except Superseded as newer:
        return turn.superseded(target, newer, clock)
    turn.note(session, "restore", result, file=file)
    return result


def _bring_the_rest(session: Session, backup: Backup, target: str, held: Held) -> None:
    """The volumes that the release does not use; an earlier one may, so they are kept, too.

    The record that names them comes last, so what dies before is swept.
    """
    record = session.store.environment(target)
    there = record.kept if record else None
    if record is None or record.current is None or there is None:
        return
    rest = [one for one in backup.manifest.volumes if one not in there.volumes]
    if not rest:
        return
    project = names.kept_project(session.site.compose_prefix, target, held.token)
    labels = {
        names.SITE: session.site.site,
        names.ENVIRONMENT: target,
        names.RELEASE: record.current.name,
        names.ATTEMPT: str(held.token),
        names.KEPT: "true",
    }
    image = volumes.some_image(
        session.engine, next(iter(kept.images(record.current.model).values()), None)
    )
    made = {name: f"{project}_{name}" for name in rest}
    for name, volume in made.items():
        volumes.make(session.engine, volume, kept.volume_labels(labels, name))
        with volumes.opened(session.engine, volume, image=image, labels=labels) as here:
            here.write(backup.volume(name))
    more = there.model_copy(update={"volumes": {**there.volumes, **made}})
    extend.write(session, record.model_copy(update={"kept": more}), held)


def _wish(release: Release) -> Wanted:
    return Wanted(
        generation=0,
        action="restore",
        patchset=release.patchset,
        revision=release.revision,
        by=store.whoami(),
    )


def _check_engine(session: Session, there: Environment | None, *, may_move: bool) -> None:
    data, engine = there.kept if there else None, session.engine.name
    if there and data and data.engine != engine and not may_move:
        raise UsageError(
            f"{there.name} keeps its data on engine {data.engine}, and would move to {engine}",
            hint=f"say --engine {engine} if it shall",
        )
