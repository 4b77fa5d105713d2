"""Backups of kept data: where they lie, and how they are made."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

from pydeploy import console, names
from pydeploy.clients.docker import DockerEngine
from pydeploy.deploy import backup_file, failpoints, freeze, inventory, kept, seeding, turn, volumes
from pydeploy.deploy.backup_file import Manifest
from pydeploy.deploy.logs import existing
from pydeploy.deploy.seeding import Read
from pydeploy.deploy.session import Session
from pydeploy.errors import Fenced, ServiceError, SiteConfigError, UsageError
from pydeploy.state import audit, store
from pydeploy.state.lock import Held
from pydeploy.state.records import BackupRecord, Environment

SUFFIX = ".pydeploy.tar"


def make(session: Session, name: str, to: Path | None = None) -> tuple[Path, Manifest]:
    """A backup of an environment's volumes and record; who uses them stands still meanwhile.

    UsageError where there is nothing to save, or `to` is there already.
    """
    existing(session, name)
    if to and to.exists():
        raise UsageError(f"{to} is there already", hint="name a new file, or remove it first")
    path = to or _place(session, name)
    with turn.audited(session, "backup", name, file=str(path)):
        made = _made(session, name, path)
    audit.record(session.store, "backup", name, "saved", file=str(path), bytes=made.bytes)
    return path, made


def _made(session: Session, name: str, path: Path) -> Manifest:
    try:
        with turn.lock_of(session, name) as held, console.step(f"back up {name}"):
            record = existing(session, name)
            there = seeding.volumes_of(record)
            if record.current is None or not there:
                raise UsageError(f"{name} has no volumes, so there is nothing to back up")
            return _save(session, record, held, path, there)
    except Fenced as fenced:
        raise ServiceError(
            f"the lock of {name} was lost, and somebody may have written since: nothing was saved",
            service="etcd",
            hint="run it again; `pydeploy doctor` if it happens often",
        ) from fenced


def before_removal(session: Session, record: Environment, held: Held) -> Path | None:
    """The last one, if the site wants it and there is data; the caller has the lock.  Or Fenced.

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
        _save(session, record, held, path, left, missing)
    return path


def _save(
    session: Session,
    record: Environment,
    held: Held,
    path: Path,
    there: Mapping[str, str],
    missing: Collection[str] = (),
) -> Manifest:
    """The volumes (name in the model → on the engine) and the record.

    Fenced where the lock is lost before all was read: somebody else may have let go on who writes.
    """
    engine = session.engine_of(_engine_name(record))
    with (
        _images_remembered(session, record),
        freeze.frozen(engine, freeze.users(engine, there.values())) as ensure_still,
        _opened(session, record, engine, there) as readers,
    ):

        def ensure() -> None:
            failpoints.reach("backup-after-read")
            ensure_still()
            if not session.store.etcd.txn([held.still()], []).succeeded:
                raise Fenced(record.name)

        made = backup_file.write(
            path,
            site=session.site.site,
            record=record,
            created=store.timestamp(),
            volumes={name: partial(_while_held, held, read) for name, read in readers.items()},
            missing=missing,
            ensure=ensure,
        )
    if not missing:
        _forget_old(session, record.name, keep_also=path)
    return made


@contextmanager
def _opened(
    session: Session, record: Environment, engine: DockerEngine, there: Mapping[str, str]
) -> Iterator[dict[str, Read]]:
    images = kept.images(record.current.model) if record.current else {}
    labels = {names.SITE: session.site.site, names.ENVIRONMENT: record.name}
    with ExitStack() as open_ones:
        readers = {}
        for name, volume in there.items():
            image = volumes.some_image(engine, images.get(name))
            one = volumes.opened(engine, volume, image=image, labels=labels)
            readers[name] = open_ones.enter_context(one).read
        yield readers


def _while_held(held: Held, read: Read) -> Iterator[bytes]:
    for chunk in read():
        if held.lost.is_set():
            raise Fenced(held.key)
        yield chunk


def _engine_name(record: Environment) -> str:
    if record.kept:
        return record.kept.engine
    return record.current.engine if record.current else ""


@contextmanager
def _images_remembered(session: Session, record: Environment) -> Iterator[None]:
    """So that they outlive the environment: else its data would come back to nothing.

    Before there is a file, because a backup without them is none; forgotten if none came of it.
    """
    entry = f"{record.name}.{_moment()}"
    note = BackupRecord(
        environment=record.name,
        images=record.current.images if record.current else (),
        created=store.timestamp(),
    )
    lease = session.store.etcd.grant(session.site.backup.images)
    session.store.etcd.put(session.store.keys.backup(entry), note.text(), lease=lease)
    try:
        yield
    except BaseException:
        with suppress(ServiceError):
            session.store.etcd.revoke(lease)
        raise


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
    with backup_file.writing(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / f"{name}.{_moment()}{SUFFIX}"


def _forget_old(session: Session, name: str, keep_also: Path) -> None:
    """And what backups that were killed have left; who has the lock is alone there."""
    for path in listed(session, name)[session.site.backup.keep :]:
        if path != keep_also:
            path.unlink(missing_ok=True)
    if folder := session.site.backup.folder:
        for path in folder.glob(f"{name}.*{SUFFIX}{backup_file.PARTIAL}"):
            path.unlink(missing_ok=True)
