"""What is known of the change that is built: from Jenkins' Gerrit plugins, else from git.

gerrit-trigger and gerrit-code-review set the same GERRIT_* variables for a change.  A multibranch
job of gerrit-code-review calls its branches `20/10020/3`.  What happens after a merge comes as
GERRIT_EVENT_TYPE=change-merged with GERRIT_NEWREV, or as `ref-updated` with GERRIT_REFNAME.
A variable that is set and makes no sense is an error that names it: a guess would be deployed.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from pydeploy.errors import UsageError

# The last two digits, the number, the patchset: the end of refs/changes/20/10020/3.
_REF = re.compile(r"(?:.*/)?(\d\d)/(\d+)/(\d+)")
_REVISION = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_HEADS = "refs/heads/"


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """What git says of the workspace, as text."""

    head: str = ""
    refs: tuple[str, ...] = ()  # all that point at head
    fetched: str = ""  # FETCH_HEAD
    origin: str = ""  # URL


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Empty where nothing is known."""

    change: int | None = None
    patchset: int | None = None
    revision: str = ""
    gerrit_project: str = ""
    branch: str = ""
    topic: str = ""
    owner: str = ""

    def for_step(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """By the names of arguments; nothing of another change than the one that is `given`."""
        if given.get("change", self.change) != self.change:
            return {}
        is_same = given.get("patchset", self.patchset) == self.patchset
        return {
            "environment": "" if self.change is None else str(self.change),
            "change": self.change,
            "patchset": self.patchset,
            "revision": self.revision if is_same else "",
            "gerritProject": self.gerrit_project,
            "branch": self.branch,
            "topic": self.topic,
            "owner": self.owner,
        }


def find(env_vars: Mapping[str, str], checkout: Checkout) -> Facts:
    """Everything that is known; UsageError for a variable that makes no sense."""
    number, patchset = _of_variables(env_vars)
    branch = env_vars.get("BRANCH_NAME", "")
    if number is None:
        number, patchset = _of_refs([branch])
    # A branch that was just merged may still be where its last change is.
    if number is None and not branch and not env_vars.get("GERRIT_PROJECT"):
        number, patchset = _of_refs([*checkout.refs, *_fetched(checkout)])
    project = env_vars.get("GERRIT_PROJECT", "")
    return Facts(
        change=number,
        patchset=patchset,
        revision=_revision(env_vars, checkout),
        # Only Gerrit has changes; the name of any other repository is not Gerrit's.
        gerrit_project=project or (_project(checkout.origin) if number is not None else ""),
        branch=_branch(env_vars, is_change=number is not None),
        topic=env_vars.get("GERRIT_TOPIC", ""),
        owner=_owner(env_vars),
    )


def _of_variables(env_vars: Mapping[str, str]) -> tuple[int | None, int | None]:
    number = _number(env_vars, "GERRIT_CHANGE_NUMBER")
    patchset = _number(env_vars, "GERRIT_PATCHSET_NUMBER")
    ref = env_vars.get("GERRIT_REFSPEC") or env_vars.get("GERRIT_REFNAME", "")
    if number is None or patchset is not None or not ref:
        return number, patchset
    of_ref, patchset = _of_refs([ref])
    if of_ref != number:
        raise UsageError(
            f"GERRIT_REFSPEC={ref!r} is not of the change that GERRIT_CHANGE_NUMBER names, {number}"
        )
    return number, patchset


def _number(env_vars: Mapping[str, str], name: str) -> int | None:
    text = env_vars.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise UsageError(
            f"{name}={text!r} is not a number",
            hint="it comes from the job's Gerrit trigger; does a parameter of the job set it, too?",
        )
    return int(text)


def _of_refs(refs: Iterable[str]) -> tuple[int | None, int | None]:
    """The change that they name, at its newest patchset; none when they name several."""
    found = [
        (int(match[2]), int(match[3]))
        for match in map(_REF.fullmatch, refs)
        if match and int(match[2]) % 100 == int(match[1]) and int(match[3]) > 0
    ]
    if len({number for number, _ in found}) != 1:
        return None, None
    return max(found)


def _fetched(checkout: Checkout) -> list[str]:
    """The ref that was fetched for what is checked out; see `git.fetched`."""
    lines = [line.split("\t", 2) for line in checkout.fetched.splitlines()]
    return [
        parts[2].split("'")[1]
        for parts in lines
        if len(parts) == 3 and parts[0] == checkout.head and parts[2].count("'") >= 2
    ]


def _revision(env_vars: Mapping[str, str], checkout: Checkout) -> str:
    """After a merge, what is built is what was submitted or what it became: as it is there."""
    told = [
        _hexadecimal(env_vars, name)
        for name in ("GERRIT_PATCHSET_REVISION", "GERRIT_NEWREV")
        if env_vars.get(name)
    ]
    return checkout.head if checkout.head in told else next(iter(told), "")


def _hexadecimal(env_vars: Mapping[str, str], name: str) -> str:
    if not _REVISION.fullmatch(env_vars[name]):
        raise UsageError(f"{name}={env_vars[name]!r} is not a revision")
    return env_vars[name]


def _branch(env_vars: Mapping[str, str], *, is_change: bool) -> str:
    """The branch that a change is for, or that is built."""
    updated = env_vars.get("GERRIT_REFNAME", "")
    if env_vars.get("GERRIT_BRANCH"):
        return env_vars["GERRIT_BRANCH"]
    if is_change:
        return ""  # BRANCH_NAME is the change itself
    if updated and not updated.removeprefix(_HEADS).startswith("refs/"):
        return updated.removeprefix(_HEADS)
    return env_vars.get("BRANCH_NAME") or env_vars.get("GIT_BRANCH", "").removeprefix("origin/")


def _owner(env_vars: Mapping[str, str]) -> str:
    """The address, else a name.  GERRIT_CHANGE_OWNER alone may be in Base64, as the job has it."""
    for suffix in ("EMAIL", "USERNAME", "NAME"):
        value = env_vars.get(f"GERRIT_CHANGE_OWNER_{suffix}", "")
        if value not in ("", "null"):
            return value
    text = env_vars.get("GERRIT_CHANGE_OWNER", "")
    try:
        decoded = base64.b64decode(text, validate=True).decode()
    except ValueError:
        return text
    return decoded if "@" in decoded else text


def _project(url: str) -> str:
    """`docs/hello` of ssh://gerrit:29418/docs/hello or https://review.deepin.test/a/docs/hello.git.

    Behind a path of Gerrit's own (`/r/a/...`) only the part after `/a/` is sure.
    """
    if "://" not in url:  # user@host:docs/hello
        host, colon, path = url.partition(":")
        return _bare(path) if colon and "/" not in host else ""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return ""
    path = unquote(parts.path)
    if parts.scheme in ("http", "https") and "/a/" in path:
        path = path.partition("/a/")[2]
    return _bare(path)


def _bare(path: str) -> str:
    return path.strip("/").removesuffix(".git")
