"""Secrets of the site: who gets which, their values, and how they come to the containers.

A service's secrets are files of a volume that is filled before its container is made and mounted
read-only.  It lies on the engine, local or not, because containers come back without us after
their engine was restarted.  Records, labels and models hold names only.
"""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydeploy import console, names
from pydeploy.clients import shell
from pydeploy.clients.docker import DockerEngine
from pydeploy.config.site import SecretGrant, Site
from pydeploy.deploy import volumes
from pydeploy.deploy.candidate import Candidate
from pydeploy.deploy.model import SECRETS_FOLDER
from pydeploy.deploy.plan import Model
from pydeploy.errors import Interrupted, PolicyError, PydeployError, ServiceError

LIMIT = 1 << 20  # bytes of one secret
_COMMAND_LIMIT = 30  # seconds
_MODE = 0o444  # as Docker's own


@dataclass(frozen=True, kw_only=True)
class SecretFile:
    """One file below /run/secrets; its value is never shown."""

    name: str
    value: bytes = field(repr=False)
    uid: int = 0
    gid: int = 0
    mode: int = _MODE


Files = Mapping[str, tuple[SecretFile, ...]]  # by service


def wanted(model: Model) -> dict[str, list[dict[str, Any]]]:
    """Service → its uses of secrets that the site has to grant."""
    declared = model.get("secrets") or {}
    found = {
        name: [one for one in service.get("secrets") or () if _is_sites(declared, one)]
        for name, service in model["services"].items()
    }
    return {name: uses for name, uses in found.items() if uses}


def _is_sites(declared: Mapping[str, Any], use: Mapping[str, Any]) -> bool:
    return bool((declared.get(use["source"]) or {}).get("external"))


def files(site: Site, environment: str, candidate: Candidate) -> Files:
    """Today's values.  PolicyError (author) for what is not granted, ServiceError for what cannot
    be read."""
    values: dict[str, bytes] = {}
    found: dict[str, tuple[SecretFile, ...]] = {}
    for service, uses in wanted(candidate.model).items():
        for use in uses:
            name = str(use["source"])
            if name not in values:
                project, branch = candidate.gerrit_project, candidate.branch
                values[name] = read(_grant(site, environment, project, branch, name))
        found[service] = tuple(_file(use, values[str(use["source"])]) for use in uses)
    return found


def check(site: Site, environment: str, model: Model, *, gerrit_project: str, branch: str) -> None:
    """PolicyError for what is not granted there; nothing is read, so ask before building."""
    for name in dict.fromkeys(
        str(use["source"]) for uses in wanted(model).values() for use in uses
    ):
        _grant(site, environment, gerrit_project, branch, name)


def _grant(
    site: Site, environment: str, gerrit_project: str, branch: str, name: str
) -> SecretGrant:
    mine = [one for one in site.secrets if one.name == name and one.is_for(gerrit_project, branch)]
    for one in mine:
        if one.is_in(environment):
            return one
    project = f"{gerrit_project or '(no project)'}, branch {branch or '(none)'}"
    where = f", but not in environment {environment}" if mine else ""
    raise PolicyError(
        f"secret {name!r} is {'granted' if mine else 'not granted'} to {project}{where}",
        hint="ask the operator: site.yml names who gets it where (`pydeploy secrets list`)",
    )


def _file(use: Mapping[str, Any], value: bytes) -> SecretFile:
    """PolicyError for what is no plain file; the check may have been told to let it pass."""
    mode, name = use.get("mode"), str(use.get("target") or use["source"]).rsplit("/", 1)[-1]
    try:
        if name in ("", ".", ".."):
            raise ValueError(name)
        return SecretFile(
            name=name,
            value=value,
            uid=int(use.get("uid") or 0),
            gid=int(use.get("gid") or 0),
            mode=_MODE if mode is None else mode if isinstance(mode, int) else int(str(mode), 8),
        )
    except ValueError:
        raise PolicyError(
            f"secret {use['source']!r}: target, uid, gid or mode is none",
            hint="write a plain file name, and numbers",
        ) from None


# -- reading ----------------------------------------------------------------------------


def read(grant: SecretGrant) -> bytes:
    """The value; ServiceError says which cannot be had and why, never what it is."""
    value = _read(grant)
    if not value:
        raise _unreadable(grant, "it is empty")
    if len(value) > LIMIT:
        raise _unreadable(grant, f"it has more than {LIMIT} bytes")
    return value


def _read(grant: SecretGrant) -> bytes:
    if grant.variable is not None:
        return os.environ.get(grant.variable, "").encode("utf-8", "surrogateescape")
    if grant.file is not None:
        return _read_file(grant, grant.file)
    return _printed(grant)


def _printed(grant: SecretGrant) -> bytes:
    """What the operator's program prints, byte by byte, without the line's end.

    It has the agent's whole environment, because it may need a token there; and never the current
    folder, which is a change's: a program may load modules or settings from there.
    """
    try:
        done = shell.run(
            grant.command or (),
            cwd="/",
            env_vars=os.environ,
            timeout=_COMMAND_LIMIT,
            is_exact=True,
        )
    except FileNotFoundError:
        raise _unreadable(grant, "there is no such program") from None
    except shell.TimedOut:
        raise _unreadable(grant, f"no end after {_COMMAND_LIMIT} s") from None
    if done.code:
        raise _unreadable(grant, f"it ended with {done.code}")
    return done.stdout.removesuffix("\n").encode("utf-8", "surrogateescape")


def _read_file(grant: SecretGrant, path: Path) -> bytes:
    """A pipe would let us wait for ever, under the environment's lock."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _unreadable(grant, "it is no regular file")
            return file.read(LIMIT + 1)
    except OSError as problem:
        raise _unreadable(grant, str(problem.strerror)) from None


def _unreadable(grant: SecretGrant, why: str) -> ServiceError:
    return ServiceError(
        f"secret {grant.name!r} cannot be had from its {grant.source}: {why}",
        service="secret",
        hint="mend it on the agent, or correct site.yml; `pydeploy secrets list --check`",
    )


# -- delivering -------------------------------------------------------------------------


def deliver(
    engine: DockerEngine,
    project: str,
    services: Iterable[str],
    given: Files,
    model: Model,
    labels: Mapping[str, str],
) -> dict[str, str]:
    """A volume for each of `services` that has secrets (service → volume), filled.

    The folder is root's and 0755, whatever the image has there.
    What an image has in the folder already, a repository's own secrets, comes along.
    """
    found = {}
    for service in services:
        if service in given:
            volume = found[service] = names.secrets_volume(project, service)
            image = model["services"][service]["image"]
            volumes.make(engine, volume, labels)
            volumes.fill_from_image(
                engine, volume, image=image, folder=SECRETS_FOLDER, labels=labels
            )
            with volumes.opened(engine, volume, image=image, labels=labels) as there:
                there.write(_tar(given[service]))
    return found


def _tar(given: Iterable[SecretFile]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        folder = tarfile.TarInfo(volumes.FOLDER)
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(folder)
        for one in given:
            entry = tarfile.TarInfo(f"{volumes.FOLDER}/{one.name}")
            entry.size, entry.mode, entry.uid, entry.gid = (
                len(one.value),
                one.mode,
                one.uid,
                one.gid,
            )
            archive.addfile(entry, io.BytesIO(one.value))
    return raw.getvalue()


# -- hiding -----------------------------------------------------------------------------


@contextmanager
def hidden(given: Files) -> Iterator[None]:
    """What the block prints or fails with has these values replaced by `***`."""
    values = {one.value.decode("utf-8", "replace") for some in given.values() for one in some}
    with console.hiding(values):
        try:
            yield
        except (PydeployError, Interrupted) as failure:
            failure.message = console.hidden(failure.message)
            failure.hint = console.hidden(failure.hint)
            failure.logs = console.hidden(failure.logs)
            failure.args = (failure.message,)
            raise
