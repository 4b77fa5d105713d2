"""Gerrit by SSH, with the system's own `ssh`: its configuration, agents and jump hosts count.

What we say goes in as JSON on stdin: words of a command line are split again by the server.
Where a command of Gerrit's takes text as a word only, it is quoted for that, and begins with what
is no dash.
"""

from __future__ import annotations

import json
import shlex
from functools import cached_property
from pathlib import Path
from typing import Any

from pydeploy.clients import shell
from pydeploy.clients.gerrit import detail
from pydeploy.clients.gerrit.detail import Detail, Found, Person
from pydeploy.clients.gerrit.model import (
    PAGE,
    Account,
    Change,
    NotFound,
    Refused,
    Review,
    Unsupported,
    message,
)
from pydeploy.errors import ServiceError

_UNREACHABLE = 255  # ssh's own exit code; Gerrit's commands end with others
_SILENCE, _SILENCES = 5, 3  # seconds without an answer, how often
_WHOLE = ("--format=JSON", "--current-patch-set", "--all-approvals", "--comments")
_HINTS = {
    "Host key verification failed": "compare its host key with the server's, then add it to "
    "known_hosts, or to the file that gerrit/known_hosts names",
    "Permission denied": "give the account in Gerrit the public key, and this user the private "
    "one: $PYDEPLOY_GERRIT_SSH_KEY, ~/.ssh, or an agent ($SSH_AUTH_SOCK); nobody is asked",
    "Could not resolve": "correct its name: gerrit/ssh in site.yml, or ~/.ssh/config",
}


class Ssh:
    """One Gerrit by SSH; what is None is left to ssh's configuration."""

    def __init__(
        self,
        host: str,
        *,
        port: int | None = None,
        username: str | None = None,
        key: Path | None = None,
        known_hosts: Path | None = None,
        timeout: float = 10.0,
    ) -> None:
        self.where = host
        self._options = options(
            port=port, username=username, key=key, known_hosts=known_hosts, timeout=timeout
        )
        self._username = username
        self._timeout = timeout

    def ping(self) -> None:
        self._run("gerrit", "version")

    def account(self) -> Account:
        return self._self

    @cached_property
    def _self(self) -> Account:
        """Gerrit has no command for it; ssh says as whom it goes."""
        return Account(username=self._username or self._configured_user())

    def change(self, number: int) -> Change:
        for line in self._run("gerrit", "query", *_WHOLE, f"change:{number}").splitlines():
            found = json.loads(line)
            if found.get("type") == "error":
                raise Refused(str(found.get("message", "")))
            if "number" in found:
                return _change(found, self.account())
        raise NotFound(f"there is no change {number}")

    def review(self, number: int, patchset: int, review: Review) -> dict[str, int]:
        self._run(
            "gerrit", "review", "--json", f"{number},{patchset}",
            stdin=json.dumps(review.as_input()),
        )  # fmt: skip
        if not review.labels:
            return {}
        votes = self._votes(number, patchset)  # the command itself says nothing
        return {label: votes[label] for label in review.labels if label in votes}

    def may_vote(self, label: str) -> tuple[int, int] | None:
        return None  # no command of Gerrit's tells

    def query(self, text: str, limit: int) -> Found:
        found: list[Detail] = []
        is_more = True
        while is_more and len(found) < limit:
            rows, is_more = self._page(text, start=len(found), size=min(PAGE, limit - len(found)))
            found += rows
            is_more = is_more and bool(rows)
        return Found(changes=tuple(found[:limit]), is_more=is_more)

    def _page(self, text: str, *, start: int, size: int) -> tuple[list[Detail], bool]:
        """The parentheses keep an OR together, and a dash from being an option."""
        words = ("--format=JSON", "--current-patch-set", f"--start={start}")
        rows: list[Detail] = []
        is_more = False
        for line in self._run(
            "gerrit", "query", *words, _word(f"({text}) limit:{size}")
        ).splitlines():
            one = json.loads(line)
            if one.get("type") == "error":
                raise Refused(str(one.get("message", "")), 400)
            if "number" in one:
                rows.append(detail.of_ssh(one))
            is_more = is_more or bool(one.get("moreChanges"))
        return rows, is_more

    def show(self, number: int) -> Detail:
        words = ("--format=JSON", "--current-patch-set", "--patch-sets")
        for line in self._run("gerrit", "query", *words, f"change:{number}").splitlines():
            one = json.loads(line)
            if one.get("type") == "error":
                raise Refused(str(one.get("message", "")))
            if "number" in one:
                return detail.of_ssh(one)
        raise NotFound(f"there is no change {number}")

    def members(self, group: str) -> tuple[Person, ...]:
        head, *rows = self._run(
            "gerrit", "ls-members", "--recursive", _word(group)
        ).splitlines() or [""]
        if not head.startswith("id\tusername"):
            raise Refused(head, 404)  # Gerrit says so, and ends with 0
        if not rows:  # so it shows a group that it does not show
            raise Refused("there is nobody in it whom our account may see", 404)
        return tuple(_member(row.split("\t")) for row in rows)

    def abandon(self, number: int, message: str) -> None:
        said = (_word(f"--message={message}"),) if message else ()
        self._do(number, "--abandon", *said)

    def rebase(self, number: int, onto: int | None) -> None:
        if onto is not None:
            raise Unsupported(
                "by SSH, Gerrit rebases onto the branch only; REST can take another change"
            )
        self._do(number, "--rebase")

    def submit(self, number: int) -> None:
        self._do(number, "--submit")

    def _do(self, number: int, *words: str) -> None:
        """On the current patchset, which the command has to name."""
        self._run("gerrit", "review", *words, f"{number},{self.show(number).patchset}")

    # -- the wire -----------------------------------------------------------------------

    def _votes(self, number: int, patchset: int) -> dict[str, int]:
        query = ("--format=JSON", "--patch-sets", "--all-approvals", f"change:{number}")
        for line in self._run("gerrit", "query", *query).splitlines():
            for one in json.loads(line).get("patchSets", ()):
                if one.get("number") == patchset:
                    return _ours(one, self.account())
        return {}

    def _run(self, *words: str, stdin: str = "") -> str:
        """stdout of a command of Gerrit's; every word of it is ours."""
        argv = ("ssh", "-T", *self._options, "--", self.where, *words)
        try:
            # Connecting has a limit of its own.
            done = shell.run(argv, stdin=stdin, timeout=2 * self._timeout)
        except FileNotFoundError as absent:
            raise self._gone("there is no ssh on PATH", "install openssh-client") from absent
        except shell.TimedOut as late:
            raise self._gone(f"it took longer than {2 * self._timeout:g} s") from late
        if done.code == _UNREACHABLE:
            said = _last(done.tail)
            hints = (hint for sign, hint in _HINTS.items() if sign in done.tail)
            raise self._gone(said or "ssh ended and said nothing", next(hints, ""))
        if done.code != 0:
            raise Refused(_last(done.tail) or f"{words[1]} ended with {done.code}")
        return done.stdout

    def _configured_user(self) -> str:
        done = shell.run(("ssh", "-G", *self._options, "--", self.where), timeout=self._timeout)
        for line in done.stdout.splitlines():
            name, _, value = line.partition(" ")
            if name == "user":
                return value
        return ""

    def _gone(self, why: str, hint: str = "") -> ServiceError:
        return ServiceError(
            f"Gerrit does not answer at {self.where} by ssh: {why}",
            service="gerrit",
            is_passing=True,
            hint=hint or "see that it runs and is reachable from here: `pydeploy doctor`",
        )


def options(
    *,
    port: int | None = None,
    username: str | None = None,
    key: Path | None = None,
    known_hosts: Path | None = None,
    timeout: float = 10.0,
) -> tuple[str, ...]:
    """Of ssh: asks nobody anything, trusts no unknown host, and notices that the other is gone."""
    settings = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "ConnectTimeout": f"{timeout:g}",
        "ServerAliveInterval": _SILENCE,
        "ServerAliveCountMax": _SILENCES,
        "ControlMaster": "no",  # one that is there is used; ours would outlive us
        "ForwardAgent": "no",
        **({"UserKnownHostsFile": f'"{known_hosts}"'} if known_hosts else {}),
        **({"IdentitiesOnly": "yes"} if key else {}),
    }
    return (
        *(word for name, value in settings.items() for word in ("-o", f"{name}={value}")),
        *(("-i", str(key)) if key else ()),
        *(("-l", username) if username else ()),
        *(("-p", str(port)) if port else ()),
    )


def _member(cells: list[str]) -> Person:
    """A row of `ls-members`: id, username, full name, email; `n/a` for what there is not."""
    number, username = cells[0].strip(), cells[1].strip() if len(cells) > 1 else ""
    return Person(
        number=int(number) if number.isascii() and number.isdigit() else None,
        username="" if username == "n/a" else username,
    )


def _word(text: str) -> str:
    """One word after the server has split its command line; it knows a shell's quotes."""
    return shlex.quote(text)


def _last(tail: str) -> str:
    """What was wrong: Gerrit's first `error:`, else the last line."""
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    found = (errors or lines[-1:] or [""])[0]
    return found.removeprefix("fatal: ").removeprefix("error: ")


def _change(found: dict[str, Any], us: Account) -> Change:
    current = found.get("currentPatchSet", {})
    return Change(
        number=int(found["number"]),
        gerrit_project=str(found["project"]),
        branch=str(found["branch"]),
        status=str(found["status"]),
        patchset=int(current.get("number", 0)),
        revision=str(current.get("revision", "")),
        messages=tuple(
            message(str(one["message"]))
            for one in found.get("comments", ())
            if _is(one.get("reviewer", {}), us)
        ),
        votes=_ours(current, us),
    )


def _ours(patchset: dict[str, Any], us: Account) -> dict[str, int]:
    return {
        str(one["type"]): int(one["value"])
        for one in patchset.get("approvals", ())
        if _is(one.get("by", {}), us)
    }


def _is(account: dict[str, Any], us: Account) -> bool:
    """Gerrit may be told not to mind capitals in names."""
    return str(account.get("username", "")).casefold() == us.username.casefold()
