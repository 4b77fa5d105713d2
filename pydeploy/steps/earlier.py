"""Results of earlier steps: which one a report is about, and which ones have had their time.

The runner gives each step a folder of its own, all of them beside each other.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydeploy.steps.folder import Folder
from pydeploy.steps.outcome import JSON, PROPERTIES

KEPT = 7 * 86400  # seconds
_GIVEN = "given.json"
_OURS = {JSON, PROPERTIES, _GIVEN, "bootstrap.sh", "requirements.txt"}
_LARGEST = 10_000_000  # bytes
_TOLD_OF = ("deploy", "promote", "remove", "build", "check")  # the weightiest first
_IF_FAILING = ("status", "trigger")  # else a pipeline may take a failure of theirs for an answer


def path_of(given: Mapping[str, Any], mine: Folder) -> Path:
    """The JSON of a result that a pipeline hands back: its file, or on another agent a new one."""
    if (file := given.get("file")) and isinstance(file, str) and Path(file).is_file():
        return Path(file)
    mine.write(_GIVEN, json.dumps({_snaked(key): _told(one) for key, one in given.items()}))
    return mine.path / _GIVEN


def of_build(mine: Path, build: str, is_failing: bool = False) -> Path | None:
    """What this build has to tell: its first failure, else what its weightiest step gave back.

    A step that was done again for the same environment or folder counts as it ended at last.  If
    the build fails, what was superseded is such a failure, too.
    """
    if not build:
        return None
    told_of = _TOLD_OF + _IF_FAILING if is_failing else _TOLD_OF
    last: dict[tuple[str, ...], tuple[Path, dict[str, Any]]] = {}
    for _, one in sorted(_beside(mine)):
        document = _read(one / JSON)
        if document.get("build") == build and document.get("step") in told_of:
            last.pop(_which(document), None)  # so that the order is theirs, too
            last[_which(document)] = one, document
    failed = [one for one, document in last.values() if "error" in document]
    if is_failing and not failed:
        failed = [one for one, document in last.values() if document.get("state") == "superseded"]
    if failed:
        return failed[0] / JSON
    newest = {document["step"]: one for one, document in last.values()}
    return next((newest[step] / JSON for step in _TOLD_OF if step in newest), None)


def _which(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The step and what it was of."""
    return tuple(str(document.get(name, "")) for name in ("step", "environment", "folder"))


def forget(mine: Path, now: float | None = None) -> None:
    """Delete results older than KEPT; a folder that holds anything else is nobody's to delete."""
    moment = time.time() if now is None else now
    for one in list(mine.parent.iterdir()):
        with contextlib.suppress(OSError):  # another branch of the pipeline does the same
            if one == mine or one.is_symlink():
                continue
            result = one / JSON  # who was killed has left none
            written = (result if result.exists() else one).stat().st_mtime
            if moment - written > KEPT and set(os.listdir(one)) <= _OURS:
                for file in one.iterdir():
                    file.unlink()
                one.rmdir()


def _beside(mine: Path) -> Iterator[tuple[float, Path]]:
    """The other folders that hold a result, and when it was written."""
    for one in mine.parent.iterdir():
        with contextlib.suppress(OSError):
            if one != mine and not one.is_symlink():
                yield (one / JSON).stat().st_mtime, one


def _read(file: Path) -> dict[str, Any]:
    try:
        if file.is_symlink() or file.stat().st_size > _LARGEST:
            return {}
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _snaked(name: str) -> str:
    return re.sub(r"[A-Z]", lambda match: f"_{match[0].lower()}", name)


def _told(value: Any) -> Any:
    """As a command tells it; the numbers in it came as text."""
    if not isinstance(value, dict):
        return value
    whole = {_snaked(key): one for key, one in value.items()}
    if str(whole.get("exit_code", "")).isdigit():
        whole["exit_code"] = int(whole["exit_code"])
    return whole
