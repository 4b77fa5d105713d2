"""Does Gerrit let us in, may we vote, and has it our time?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydeploy.clients.gerrit import door
from pydeploy.clients.gerrit.model import Gerrit, Refused
from pydeploy.errors import ServiceError, SiteConfigError
from pydeploy.platform.checks.verdict import Context, Verdict, error, ok, warning

if TYPE_CHECKING:
    from pydeploy.clients.gerrit.rest import Rest

_MUCH = 60.0  # seconds; its answers say whole ones, and a proxy may keep them for a while
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def check(context: Context) -> Iterator[Verdict]:
    """Nothing is said where site.yml names none."""
    from pydeploy.clients.gerrit.rest import Rest

    settings = context.site.gerrit
    if not settings.is_configured:
        return
    try:
        gerrit = door.opened(settings)
    except SiteConfigError as failure:
        yield error("gerrit", failure.message, failure.hint, "config")
        return
    try:
        gerrit.ping()
        username = gerrit.account().username
    except Refused as refused:
        why = refused.message or f"HTTP {refused.status}"
        yield error(
            "gerrit",
            f"{gerrit.where} does not let us in: {why}",
            "is the account active, its password or key the newest? docs/gerrit.md",
        )
        return
    except ServiceError as away:
        yield error("gerrit", away.message, away.hint)
        return
    yield ok("gerrit", f"{username} is let in at {gerrit.where}")
    if settings.vote:
        yield _vote(gerrit, settings.label, username)
    if isinstance(gerrit, Rest):
        yield from _way(gerrit)


def _vote(gerrit: Gerrit, label: str, username: str) -> Verdict:
    try:
        span = gerrit.may_vote(label)
    except Refused as refused:
        why = refused.message or f"HTTP {refused.status}"
        return error(
            "gerrit",
            f"whether {username} may vote on {label} cannot be seen: {why}",
            "may it query changes? docs/gerrit.md#rights",
        )
    if span is None:
        return ok("gerrit", f"whether {username} may vote on {label} shows with the first vote")
    least, most = span
    if least <= -1 and most >= 1:
        return ok("gerrit", f"{username} may vote {least:+d} to {most:+d} on {label}")
    has = f"only {least:+d} to {most:+d}" if (least, most) != (0, 0) else "not at all"
    return error(
        "gerrit",
        f"{username} may vote on {label} {has}; looked at the newest open changes",
        f"give it `Label {label}` with -1..+1 (docs/gerrit.md#rights), or correct gerrit/label",
    )


def _way(gerrit: Rest) -> Iterator[Verdict]:
    url = urlsplit(gerrit.where)
    if url.scheme == "http" and url.hostname not in _LOOPBACK:
        yield warning("gerrit", "the password goes there in clear text", "write https://")
    there = parsedate_to_datetime(gerrit.date()) if gerrit.date() else None
    if there is None:
        return
    apart = abs((datetime.now(UTC) - there).total_seconds())
    if apart > _MUCH:
        yield warning(
            "gerrit",
            f"its clock is {apart:.0f} s apart from this machine's",
            "let both follow the same time server (chrony, ntpd)",
        )
