"""The result of a step: what its command told as JSON, and the same as lines for Groovy.

In a Jenkins sandbox, `readFile` and `URLDecoder.decode` are allowed everywhere, a JSON parser is
not.  So result.properties holds `key=value`, both percent-encoded, one value a line:

    state=running
    url=http%3A%2F%2F10020.deploy.deepin.test
    images.web=...            one level of map
    warnings=one%0Atwo        a list is joined by line feeds
    error.class=DeployError

What is false, zero, empty or null is absent: `if (result.isUnchanged)` is right in Groovy.
Lists of objects are in result.json only, but those that `_maps` makes a map of.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydeploy.steps.folder import Folder

JSON, PROPERTIES = "result.json", "result.properties"
_FINISHED = {"check": "passed", "build": "built", "remove": "removed", "report": "sent"}
_SIGNAL = 128  # an exit code above it is a signal's
_LOGS = ("logs", "log")
_OURS = ("error", "change", "removed", "timings_s")  # maps whose keys are ours, not a service's


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """`told` are the JSON documents of the command, in their order; later ones add to earlier.

    `build` is Jenkins' BUILD_TAG of it, `place` the folder that the result is written to.
    """

    step: str
    code: int
    told: Sequence[Any]
    build: str = ""
    place: Path = Path()

    @property
    def document(self) -> dict[str, Any]:
        """What result.json holds."""
        whole: dict[str, Any] = {}
        for one in self.told:
            whole |= one if isinstance(one, dict) else {"environments": one}
        if self.code and "error" not in whole:
            whole["error"] = self._unexplained(whole)
        mine = {"step": self.step, "state": self._state(whole), "exit_code": self.code}
        if self.build:
            mine["build"] = self.build
        return {**mine, **whole, "state": mine["state"]}

    def _unexplained(self, whole: Mapping[str, Any]) -> dict[str, Any]:
        """A command that ended with a code of its own, such as the result of another job."""
        ended = whole.get("result") or whole.get("state") or f"exit {self.code}"
        return {
            "class": "Failed",
            "message": f"{self.step} ended with {ended}",
            "hint": "",
            "fault": "none",
            "exit_code": self.code,
            "logs": "",
        }

    def _state(self, whole: Mapping[str, Any]) -> str:
        if "error" in whole:
            return "aborted" if self.code > _SIGNAL else "failed"
        return str(whole.get("state") or _FINISHED.get(self.step, "done"))

    def properties(self) -> str:
        """What result.properties holds."""
        document = {**self.document, "file": str(self.place / JSON)}
        lines = [
            f"{'.'.join(map(_quoted, keys))}={_quoted(value)}"
            for keys, value in _flat({**document, **_maps(self.step, document)})
            if value
        ]
        return "".join(f"{line}\n" for line in lines)

    def write(self, folder: Folder) -> None:
        """Both files; OSError when they cannot be written."""
        folder.write(JSON, json.dumps(self.document, indent=2, default=str) + "\n")
        folder.write(PROPERTIES, self.properties())

    def lines(self) -> list[str]:
        """What the console shows of the result, in place of the JSON."""
        document = self.document
        found = [
            f"{one['file']}:{one['line']}: {one['severity']} {one['code']}: {one['message']}"
            f"\n    mend: {one['mend']}"
            for one in document.get("findings", [])
        ]
        if self.code == 0:
            name = document.get("environment") or self.step
            found.append(f"{name}: {document.get('url') or document['state']}")
        return found


def _maps(step: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Lists of objects that a pipeline needs, as maps."""
    maps: dict[str, Any] = {}
    if images := document.get("images"):
        maps["images"] = {one["service"]: _pinned(one["ref"], one["digest"]) for one in images}
    if ports := document.get("ports"):
        maps["ports"] = {f"{one['service']}:{one['container_port']}": one for one in ports}
        maps["ports"] = {key: one["host_port"] for key, one in maps["ports"].items()}
    if step == "status" and document.get("name"):
        maps["environment"] = document["name"]
    if environments := document.get("environments"):
        maps["environments"] = [one["name"] for one in environments]
        maps["urls"] = {one["name"]: one["url"] for one in environments}
        maps["states"] = {one["name"]: one["state"] for one in environments}
    return maps


def _pinned(ref: str, digest: str) -> str:
    """`registry:5000/x/web@sha256:...` of `registry:5000/x/web:10020-1-abc1234`."""
    head, slash, last = ref.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}@{digest}"


def _flat(document: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each value as text, below its key or its two keys; deeper ones are in the JSON only."""
    for name, value in document.items():
        key = _camel(name)
        if not isinstance(value, Mapping):
            yield (key,), _text(value)
            continue
        for inner, one in value.items():
            if inner not in _LOGS and not isinstance(one, Mapping):
                yield (key, _camel(inner) if name in _OURS else inner), _text(one)


def _camel(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        is_plain = all(isinstance(one, (str, int, float)) for one in value)
        return "\n".join(map(str, value)) if is_plain else ""
    return "" if value in (None, False, 0) else "true" if value is True else str(value)


def _quoted(text: str) -> str:
    """Also the dot, which a service's name may have; the one between two keys is ours."""
    return quote(text, safe="", errors="replace").replace(".", "%2E")
