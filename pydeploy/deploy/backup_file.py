"""The file of a backup: a tar with the record, each volume's tar, and a manifest of checksums.

    volumes/<name>.tar   what the volume holds, as a folder `volume`
    record.json          the environment's record
    manifest.json        last: who, when, and bytes and sha256 of each of the above

It is written in one pass: a volume's size is known when it has been read, so its header is put in
afterwards.  A backup is read as anybody's file: everything is checked before any of it is used.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from pydeploy import __version__
from pydeploy.errors import ServiceError, UsageError
from pydeploy.state.records import Environment

FORMAT = 1
PARTIAL = ".partial"  # behind the name of one that is not whole yet
_MANIFEST, _RECORD = "manifest.json", "record.json"
_BLOCK = tarfile.BLOCKSIZE
_CHUNK = 1 << 20
_MANIFEST_LIMIT = 4 << 20  # bytes


class Part(BaseModel):
    """One member: its name in the file, bytes, and sha256 in hex."""

    model_config = ConfigDict(frozen=True)
    member: str
    bytes: int
    sha256: str


class Manifest(BaseModel):
    """What the file says about itself."""

    model_config = ConfigDict(frozen=True)
    format: int
    pydeploy: str
    site: str
    environment: str
    release: str
    created: str
    record: Part
    volumes: dict[str, Part]  # by the name in the compose file
    missing: tuple[str, ...] = ()  # volumes that were gone already

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.volumes.values())


def write(
    path: Path,
    *,
    site: str,
    record: Environment,
    created: str,
    volumes: Mapping[str, Callable[[], Iterable[bytes]]],
    missing: Iterable[str] = (),
    ensure: Callable[[], None] = lambda: None,
) -> Manifest:
    """The backup at `path`, which is there whole or not at all; readable by its owner only.

    `ensure` raises when what was read is not to be relied on.
    """
    with _whole(path) as file:
        parts = {
            name: _append(file, f"volumes/{number}.tar", read())
            for number, (name, read) in enumerate(sorted(volumes.items()))
        }
        manifest = Manifest(
            format=FORMAT,
            pydeploy=__version__,
            site=site,
            environment=record.name,
            release=record.current.name if record.current else "",
            created=created,
            record=_append(file, _RECORD, [record.text().encode()]),
            volumes=parts,
            missing=tuple(sorted(missing)),
        )
        _append(file, _MANIFEST, [manifest.model_dump_json(indent=2).encode()])
        file.write(bytes(2 * _BLOCK))  # the end of a tar
        ensure()
    return manifest


@contextmanager
def _whole(path: Path) -> Iterator[IO[bytes]]:
    partial = path.with_name(path.name + PARTIAL)
    try:
        with (
            writing(path),
            open(partial, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file,
        ):
            yield file
            file.flush()
            os.fsync(file.fileno())
            partial.rename(path)
    finally:
        with suppress(OSError):
            partial.unlink()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A disk that refuses is the operator's to mend."""
    try:
        yield
    except OSError as problem:
        raise ServiceError(
            f"the backup {path} cannot be written: {problem.strerror}",
            service="disk",
            hint="make room there, or name another place: --to FILE, site.yml: backup/folder",
        ) from problem


def _append(file: IO[bytes], member: str, chunks: Iterable[bytes]) -> Part:
    """One member of a size that is known at its end."""
    start = file.tell()
    file.write(bytes(_BLOCK))
    total, size = hashlib.sha256(), 0
    for chunk in chunks:
        file.write(chunk)
        total.update(chunk)
        size += len(chunk)
    file.write(bytes(-size % _BLOCK))
    end = file.tell()
    entry = tarfile.TarInfo(member)
    entry.size, entry.mode = size, 0o600
    file.seek(start)
    file.write(entry.tobuf(tarfile.GNU_FORMAT))
    file.seek(end)
    return Part(member=member, bytes=size, sha256=total.hexdigest())


class Backup:
    """A backup that was opened: complete, and every byte as it was written."""

    def __init__(self, path: Path, manifest: Manifest, offsets: Mapping[str, int]) -> None:
        self.path = path
        self.manifest = manifest
        self._offsets = offsets

    @classmethod
    def open(cls, path: Path) -> Backup:
        """UsageError says what is wrong with the file."""
        try:
            with tarfile.open(path, "r:") as archive:
                found = {entry.name: entry for entry in archive}
                manifest = _manifest(path, archive, found)
        except (tarfile.TarError, EOFError) as problem:
            raise _bad(path, f"it is no backup, or not whole: {problem}") from problem
        except OSError as problem:
            raise UsageError(f"{path}: cannot be read: {problem.strerror}") from problem
        parts = {part.member: part for part in (manifest.record, *manifest.volumes.values())}
        if found.keys() != parts.keys() | {_MANIFEST}:
            raise _bad(path, "it does not hold what its manifest says")
        backup = cls(path, manifest, {name: one.offset_data for name, one in found.items()})
        for part in parts.values():
            backup._verify(part, found[part.member])
        return backup

    def record(self) -> Environment:
        text = b"".join(self._read(self.manifest.record)).decode("utf-8", "replace")
        try:
            return Environment.read(text)
        except ValidationError as problem:
            raise _bad(self.path, "its record is none") from problem

    def volume(self, name: str) -> Iterator[bytes]:
        """The tar of a volume."""
        return self._read(self.manifest.volumes[name])

    def _verify(self, part: Part, entry: tarfile.TarInfo) -> None:
        if not entry.isreg() or entry.size != part.bytes:
            raise _bad(self.path, f"{part.member} is not what its manifest says")
        total = hashlib.sha256()
        for chunk in self._read(part):
            total.update(chunk)
        if total.hexdigest() != part.sha256:
            raise _bad(self.path, f"{part.member} has another checksum than when it was written")

    def _read(self, part: Part) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            file.seek(self._offsets[part.member])
            left = part.bytes
            while left:
                chunk = file.read(min(left, _CHUNK))
                if not chunk:
                    raise _bad(self.path, "it ends too early")
                left -= len(chunk)
                yield chunk


def _manifest(
    path: Path, archive: tarfile.TarFile, found: Mapping[str, tarfile.TarInfo]
) -> Manifest:
    entry = found.get(_MANIFEST)
    if entry is None or not entry.isreg() or entry.size > _MANIFEST_LIMIT:
        raise _bad(path, "it is no backup, or not whole: it has no manifest")
    raw = archive.extractfile(entry)
    try:
        data: Any = json.loads(raw.read() if raw else b"")
        if isinstance(data, dict) and data.get("format") != FORMAT:
            raise _bad(path, f"it has format {data.get('format')!r}; this pydeploy reads {FORMAT}")
        return Manifest.model_validate(data)
    except ValueError as problem:
        raise _bad(path, "its manifest is none") from problem


def _bad(path: Path, why: str) -> UsageError:
    return UsageError(f"{path}: {why}", hint="nothing was changed; use another backup")
