"""Repository content that a service mounts, turned into layers of its image.

A release does not need its checkout again: a remote engine has none, and a workspace is wiped.
So bind mounts, file configs and file secrets that point into the repository are copied to a
staging folder under plain numbers, and a derived image puts them where the mounts would have.
The targets are the only names that reach a Dockerfile, in the JSON form of COPY.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydeploy.errors import ConfigError, PolicyError

GIT = ".git"  # never baked in: its config may hold the credentials of whoever cloned
_PLAIN = re.compile(r"[A-Za-z0-9_.:-]+")


@dataclass(frozen=True, kw_only=True)
class Content:
    """A file or folder of the repository, and where the container expects it.

    `owner` is `uid:gid` and `mode` octal, both empty where the file's own count.
    """

    source: Path
    target: str
    owner: str = ""
    mode: str = ""


def of_service(model: dict[str, Any], service: dict[str, Any], root: Path) -> tuple[Content, ...]:
    """What `service` mounts from the repository at `root`, outer targets before inner ones."""
    found = [
        *_mounts(service, root),
        *_files(model, service, root, "configs", "/"),
        *_files(model, service, root, "secrets", "/run/secrets/"),
    ]
    return tuple(sorted(found, key=lambda content: content.target.count("/")))


def is_baked_mount(mount: dict[str, Any], root: Path) -> bool:
    """Whether a canonical `volumes` entry points into the repository."""
    return mount.get("type") == "bind" and is_inside(Path(str(mount.get("source"))), root)


def is_inside(path: Path, root: Path) -> bool:
    """Lexically: what compose wrote for a relative path.  Links are followed in `stage`."""
    plain = Path(os.path.normpath(path))
    return plain.is_relative_to(root) or plain.is_relative_to(root.resolve())


def is_baked_file(definition: dict[str, Any], root: Path) -> bool:
    """Whether a config or secret is a file of the repository."""
    return "file" in definition and is_inside(Path(str(definition["file"])), root)


def _mounts(service: dict[str, Any], root: Path) -> Iterator[Content]:
    for mount in service.get("volumes") or ():
        if is_baked_mount(mount, root):
            yield Content(source=Path(mount["source"]), target=_absolute(str(mount["target"]), "/"))


def _files(
    model: dict[str, Any], service: dict[str, Any], root: Path, kind: str, folder: str
) -> Iterator[Content]:
    """`configs` land in /, `secrets` in /run/secrets/, unless an absolute target says otherwise."""
    for use in service.get(kind) or ():
        definition = (model.get(kind) or {}).get(use["source"]) or {}
        if is_baked_file(definition, root):
            yield Content(
                source=Path(definition["file"]),
                target=_absolute(str(use.get("target") or use["source"]), folder),
                owner=_owner(use),
                mode=_mode(use.get("mode")),
            )


def _absolute(target: str, folder: str) -> str:
    path = target if target.startswith("/") else folder + target
    return "/" + os.path.normpath(path).strip("/")


def _owner(use: dict[str, Any]) -> str:
    uid, gid = use.get("uid"), use.get("gid")
    return _word(f"{uid or 0}:{gid or 0}", "uid or gid") if uid or gid else ""


def _mode(mode: Any) -> str:
    """Compose gives an integer, or octal text in newer versions."""
    if mode is None:
        return ""
    return _word(f"{mode:04o}" if isinstance(mode, int) else str(mode), "mode")


def _word(text: str, what: str) -> str:
    """`text`, which becomes part of an option of COPY and must not become another one."""
    if not _PLAIN.fullmatch(text):
        raise ConfigError(f"{text!r} is no {what} of a config or secret", hint="write a number")
    return text


def covered(service: dict[str, Any], contents: tuple[Content, ...]) -> Iterator[str]:
    """Targets that lie in a volume or tmpfs of the service, which a layer does not reach into.

    A volume that is new takes over what the image has there; one that is kept does not.
    """
    mounts = [str(one["target"]) for one in service.get("volumes") or () if one["type"] != "bind"]
    tmpfs = service.get("tmpfs") or ()
    mounts += [one.partition(":")[0] for one in ([tmpfs] if isinstance(tmpfs, str) else tmpfs)]
    for content in contents:
        if any(Path(content.target).is_relative_to(mount) for mount in mounts):
            yield content.target


def stage(contents: tuple[Content, ...], root: Path, folder: Path) -> None:
    """Copy each content to `folder`/<its index>.

    A missing source becomes an empty folder, as Docker makes one for a bind mount.
    """
    for index, content in enumerate(contents):
        source, target = resolved(content, root), folder / str(index)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, ignore=_ignored)
        elif source.is_file():
            shutil.copy2(source, target)
        else:
            target.mkdir()


def resolved(content: Content, root: Path) -> Path:
    """The source with links followed; a mount follows them too, but not out of the repository."""
    source = content.source.resolve()
    if not source.is_relative_to(root.resolve()):
        raise PolicyError(
            f"the mount at {content.target} leads out of the repository",
            hint="mount files of the repository only",
        )
    return source


def _ignored(folder: str, entries: list[str]) -> list[str]:
    """Git's own data, and what is no content: sockets, pipes, devices."""
    return [name for name in entries if name == GIT or not _is_content(Path(folder, name))]


def _is_content(path: Path) -> bool:
    mode = path.lstat().st_mode
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)


def dockerfile(base: str, contents: tuple[Content, ...], folder: Path) -> str:
    """The derived image's Dockerfile; `folder` is the staged context.

    A folder's content is copied into its target (COPY of a folder does that), so that files which
    the image has there and the repository has not stay: a mount would have hidden them.
    """
    lines = [f"FROM {base}"]
    for index, content in enumerate(contents):
        options = [f"--chown={content.owner}"] if content.owner else []
        options += [f"--chmod={content.mode}"] if content.mode else []
        is_folder = (folder / str(index)).is_dir()
        places = [f"{index}/" if is_folder else str(index), _escaped(content.target, is_folder)]
        lines.append(" ".join(["COPY", *options, json.dumps(places, ensure_ascii=False)]))
    return "\n".join(lines) + "\n"


def _escaped(target: str, is_folder: bool) -> str:
    """COPY reads its paths like a shell's words, also in the JSON form: $, quotes, backslash."""
    if any(ord(letter) < 32 for letter in target):
        raise PolicyError(f"the mount target {target!r} contains control characters")
    path = re.sub(r"""([\\$"'])""", r"\\\1", target)
    return path.rstrip("/") + "/" if is_folder else path


def digest(paths: Iterator[Path] | tuple[Path, ...]) -> str:
    """A hash of what is at `paths`: names, content, links, and whether a file can be executed.

    Times and the other mode bits are left out: two clones of one revision differ in them.
    """
    total = hashlib.sha256()
    for path in paths:
        for name, entry in _walk(path):
            for part in (name, *_fingerprint(entry)):
                total.update(f"{len(part)}:".encode() + part)
    return total.hexdigest()


def _walk(path: Path) -> Iterator[tuple[bytes, Path]]:
    if not path.is_dir() or path.is_symlink():
        yield b".", path
        return
    for folder, names, files in os.walk(path):
        names[:] = sorted(name for name in names if name != GIT)
        links = [name for name in names if Path(folder, name).is_symlink()]
        for name in sorted([*files, *links]) or ["."]:
            entry = Path(folder, name)
            yield os.fsencode(entry.relative_to(path)), entry


def _fingerprint(entry: Path) -> tuple[bytes, ...]:
    try:
        mode = entry.lstat().st_mode
        if stat.S_ISLNK(mode):
            return (b"link", os.fsencode(entry.readlink()))
        if stat.S_ISREG(mode):
            with entry.open("rb") as file:
                return (
                    b"x" if mode & 0o100 else b"-",
                    hashlib.file_digest(file, "sha256").digest(),
                )
    except OSError:
        return (b"absent",)
    return (b"other",)
