"""Backups of kept data: where they lie, and how they are made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from pydeploy import console, names
from pydeploy.clients.docker import DockerEngine
from pydeploy.deploy import backup_file, freeze, inventory, kept, seeding, turn, volumes
from pydeploy.deploy.backup_file import Manifest
from pydeploy.deploy.logs import existing
from pydeploy.deploy.session import Session
from pydeploy.errors import SiteConfigError, UsageError
from pydeploy.state import audit, store
from pydeploy.state.records import BackupRecord, Environment

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
    """The last one, if the site wants it and there is data; the caller has the lock.

    A removal that died may have erased some volumes, or all: what is left is saved beside the
    complete backups, of which none goes for it.
    """
    kept_ = record.kept
    if not (session.site.backup.on_remove and kept_ and kept_.volumes):
        return None
    there = inventory.existing(session.engine_of(kept_.engine), list(kept_.volumes.values()))
    left = {name: volume for name, volume in kept_.volumes.items() if volume in there}
    missing = kept_.volumes.keys() - left.keys()
    if not left:
        console.say(f"{record.name}: its data is gone already, so none of it is saved")
        return None
    if missing:
        console.warn(f"{record.name}: {', '.join(sorted(missing))} is gone; the rest is saved")
    path = _place(session, record.name)
    with console.step(f"back up {record.name}"):
        _save(session, record, path, left, missing)
    return path


def under_lock(session: Session, record: Environment, path: Path) -> Manifest:
    """UsageError where there is nothing to save, ServiceError where not all of it is there."""
    there = seeding.volumes_of(record)
    if record.current is None or not there:
        raise UsageError(f"{record.name} has no volumes, so there is nothing to back up")
    return _save(session, record, path, there)


def _save(
    session: Session,
    record: Environment,
    path: Path,
    there: Mapping[str, str],
    missing: Collection[str] = (),
) -> Manifest:
    """The volumes (name in the model → on the engine) and the record."""
    engine = session.engine_of(_engine_name(record))
    images = kept.images(record.current.model) if record.current else {}
    labels = {names.SITE: session.site.site, names.ENVIRONMENT: record.name}
    with freeze.frozen(engine, freeze.users(engine, there.values())), ExitStack() as open_ones:
        readers: dict[str, Callable[[], Iterator[bytes]]] = {}
        for name, volume in there.items():
            one = open_ones.enter_context(
                volumes.opened(
                    engine, volume, image=_image(engine, images.get(name)), labels=labels
                )
            )
            readers[name] = one.read
        made = backup_file.write(
            path,
            site=session.site.site,
            record=record,
            created=store.timestamp(),
            volumes=readers,
            missing=missing,
        )
    _remember_images(session, record)
    if not missing:
        _forget_old(session, record.name, keep_also=path)
    return made


def _engine_name(record: Environment) -> str:
    if record.kept:
        return record.kept.engine
    return record.current.engine if record.current else ""


def _image(engine: DockerEngine, wanted: str | None) -> str:
    """`wanted`, or whichever the engine has instead: nothing of it runs."""
    import docker.errors

    with engine.obeying():
        if wanted:
            try:
                engine.api.inspect_image(wanted)
                return wanted
            except docker.errors.NotFound:
                pass
        return next((str(one["Id"]) for one in engine.api.images()), "")


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
