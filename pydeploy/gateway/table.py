"""The routes as etcd wants them and as HAProxy has them: pure bookkeeping, no input or output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydeploy.gateway.targets import is_address


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One change of HAProxy's map."""

    kind: Literal["add", "set", "delete"]
    host: str
    value: str = ""


class Table:
    """`wanted` is what etcd says; `routed` what HAProxy's map holds, as far as we know."""

    def __init__(self) -> None:
        self.wanted: dict[str, str] = {}
        self.routed: dict[str, str] = {}
        self._uses: Counter[str] = Counter()  # target → how many hosts are routed to it

    def want(self, host: str, value: str | None) -> Edit | None:
        """etcd says `value` for `host` (None: nothing); the edit that HAProxy needs, if any."""
        if value is None:
            self.wanted.pop(host, None)
            return Edit(kind="delete", host=host) if host in self.routed else None
        self.wanted[host] = value
        if host not in self.routed:
            return Edit(kind="add", host=host, value=value)
        if self.routed[host] != value:
            return Edit(kind="set", host=host, value=value)
        return None

    def done(self, edit: Edit) -> str | None:
        """HAProxy has `edit`; the target that nothing is routed to any more because of it."""
        before = self.routed.pop(edit.host, None)
        if edit.kind != "delete":
            self.routed[edit.host] = edit.value
            self._uses[edit.value] += 1
        return self._left(before)

    def replaced(self) -> set[str]:
        """HAProxy has exactly `wanted`; the targets that nothing is routed to any more."""
        before = {value for value in self._uses if is_address(value)}
        self.routed = dict(self.wanted)
        self._uses = Counter(self.routed.values())
        return {target for target in before if target not in self._uses}

    def is_routed(self, target: str) -> bool:
        return target in self._uses

    def _left(self, target: str | None) -> str | None:
        if target is None:
            return None
        self._uses[target] -= 1
        if self._uses[target] > 0:
            return None
        del self._uses[target]
        return target if is_address(target) else None


def text(entries: Mapping[str, str]) -> str:
    """The map's file."""
    return "".join(f"{host} {value}\n" for host, value in entries.items())
