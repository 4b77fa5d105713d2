"""Backups of kept data: where they lie, how they are made, how they come back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pydeploy import console, names
from pydeploy.deploy import backup_file, freeze, kept, seeding, turn, volumes
from pydeploy.deploy.backup_file import Backup, Manifest
from pydeploy.deploy.logs import existing
from pydeploy.deploy.session import Session
from pydeploy.errors import SiteConfigError, Superseded, UsageError
from pydeploy.state import audit, store
from pydeploy.state.records import BackupRecord, Environment, Origin, Wanted

if TYPE_CHECKING:
    from pydeploy.deploy.request import Outcome

SUFFIX = ".pydeploy.tar"


def make(session: Session, name: str, to: Path | None = None) -> tuple[Path, Manifest]:
    """A backup of an environment's volumes and record; who uses them stands still meanwhile."""
    existing(session, name)
    path = to or _place(session, name)
    with turn.lock_of(session, name), console.step(f"back up {name}"):
        made = under_lock(session, existing(session, name), path)
    audit.record(session.store, "backup", name, "saved", file=str(path), bytes=made.bytes)
    return path, made


def before_removal(session: Session, record: Environment) -> Path | None:
    """The last one, if the site wants it and there is data; the caller has the lock."""
    settings = session.site.backup
    if not (settings.on_remove and record.kept and record.kept.volumes):
        return None
    path = _place(session, record.name)
    with console.step(f"back up {record.name}"):
        under_lock(session, record, path)
    return path


def under_lock(session: Session, record: Environment, path: Path) -> Manifest:
    """UsageError where there is nothing to save."""
    there = seeding.volumes_of(record)
    if record.current is None or not there:
        raise UsageError(f"{record.name} has no volumes, so there is nothing to back up")
    engine = session.engine_of(record.kept.engine if record.kept else record.current.engine)
    images = kept.images(record.current.model)
    fallback = next(iter(images.values()), None) or _some_image(record)
    labels = {names.SITE: session.site.site, names.ENVIRONMENT: record.name}
    with freeze.frozen(engine, freeze.users(engine, there.values())), ExitStack() as open_ones:
        readers: dict[str, Callable[[], Iterator[bytes]]] = {}
        for name, volume in there.items():
            one = open_ones.enter_context(
                volumes.opened(engine, volume, image=images.get(name) or fallback, labels=labels)
            )
            readers[name] = one.read
        made = backup_file.write(
            path,
            site=session.site.site,
            record=record,
            created=store.timestamp(),
            volumes=readers,
        )
    _remember_images(session, record)
    _forget_old(session, record.name, keep_also=path)
    return made


def _remember_images(session: Session, record: Environment) -> None:
    """So that they outlive the environment: else its data would come back to nothing."""
    entry = f"{record.name}.{_moment()}"
    note = BackupRecord(
        environment=record.name,
        images=record.current.images if record.current else (),
        created=store.timestamp(),
    )
    lease = session.store.etcd.grant(session.site.backup.images)
    session.store.etcd.put(session.store.keys.backup(entry), note.text(), lease=lease)


def _moment() -> str:
    return store.now().strftime("%Y%m%dT%H%M%S%f")


def _some_image(record: Environment) -> str:
    """Whichever the engine has: nothing of it runs."""
    services = record.current.model["services"] if record.current else {}
    return str(next(iter(services.values()))["image"])


def listed(session: Session, name: str | None = None) -> list[Path]:
    """The backups in the site's folder, the newest first."""
    folder = session.site.backup.folder
    if folder is None or not folder.is_dir():
        return []
    pattern = f"{name or '*'}.*{SUFFIX}"
    return sorted(folder.glob(pattern), key=lambda path: path.name.split(".")[-3], reverse=True)


def _place(session: Session, name: str) -> Path:
    folder = session.site.backup.folder
    if folder is None:
        raise SiteConfigError(
            "site.yml names no folder for backups",
            hint="set backup/folder, or say --to FILE",
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / f"{name}.{_moment()}{SUFFIX}"


def _forget_old(session: Session, name: str, keep_also: Path) -> None:
    for path in listed(session, name)[session.site.backup.keep :]:
        if path != keep_also:
            path.unlink(missing_ok=True)


# -- restore ----------------------------------------------------------------------------


def restore(
    session: Session, file: Path, name: str | None = None, *, replace: bool = False
) -> Outcome:
    """Run what a backup holds: its release by digest, on new volumes with its data.

    UsageError where the environment has data and `replace` was not said.
    """
    from pydeploy.deploy import candidate, fetching
    from pydeploy.deploy.request import Terms

    backup = Backup.open(file)
    saved = backup.record()
    target = names.environment(name=name or saved.name, change=_number(name or saved.name))
    if saved.current is None:
        raise UsageError(f"{file}: its record names no release", hint="use another backup")
    origin = Origin(action="restore", environment=saved.name, release=saved.current.name)
    asked = candidate.of_release(saved.current, saved.service, origin)
    clock = turn.Clock()
    wish = Wanted(
        generation=0,
        action="restore",
        patchset=asked.patchset,
        revision=asked.revision,
        by=store.whoami(),
    )
    try:
        with (
            turn.audited(session, "restore", target, file=str(file)),
            turn.taken(session, target, wish, clock, force=True) as mine,
        ):
            with console.step("fetch images"):
                fetching.fetch(session, asked)
            with mine.locked() as held:
                result = mine.bring_up(
                    held,
                    asked,
                    Terms(
                        environment=target,
                        data="keep" if saved.kept else "fresh",
                        expires=saved.expires,
                        is_data_replaced=replace,
                    ),
                    seeding.of_streams(
                        saved.name,
                        {one: partial(backup.volume, one) for one in backup.manifest.volumes},
                    ),
                )
    except Superseded as newer:
        return turn.superseded(target, newer, clock)
    turn.note(session, "restore", result, file=str(file))
    return result


def _number(name: str) -> int | None:
    return int(name) if name.isascii() and name.isdigit() else None
