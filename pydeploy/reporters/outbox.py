"""Reports that could not be delivered: kept in etcd, sent by the next command of any agent.

Ordered by time, bounded in number and age.  A newer report on a change makes the older ones
obsolete; so does a newer patchset.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any

from pydeploy import console
from pydeploy.clients.etcd import KeyValue
from pydeploy.clients.gerrit import door
from pydeploy.clients.gerrit.model import Gerrit, NotFound, Refused
from pydeploy.config.site import Site
from pydeploy.errors import CapacityError, PydeployError, ServiceError, SiteConfigError
from pydeploy.reporters import chat, gerrit, turn
from pydeploy.reporters.chat import Sent
from pydeploy.reporters.gerrit import Said, Word
from pydeploy.state import lock, store
from pydeploy.state.records import Holder, Undelivered
from pydeploy.state.store import Store

_KEPT = 14 * 86400  # seconds
_SOUGHT = 86400  # seconds for which a change that is not found is looked for
_MOST = 1000
_TIME = "%Y%m%dT%H%M%S.%fZ"


@dataclass(frozen=True, kw_only=True)
class Flushed:
    """What came of the outbox."""

    sent: int = 0
    dropped: int = 0  # obsolete
    left: int = 0


Entry = tuple[KeyValue, Undelivered]


def say(site: Site, opened: Store, word: Word) -> Said:
    """Now, or kept for later where Gerrit is away; older ones on the change are obsolete then."""
    to = door.opened(site.gerrit)
    with turn.taken(opened, word.change):
        try:
            said = gerrit.say(to, word)
        except ServiceError as away:
            if not away.is_passing:
                raise
            _keep(opened, "gerrit", str(word.change), asdict(word), away)
            return Said(is_posted=False, is_kept=True, patchset=word.patchset, why=away.message)
        with suppress(ServiceError):
            _forget(opened, "gerrit", str(word.change))
        return said


def keep_unsent(opened: Store, sent: list[Sent]) -> list[Sent]:
    """The same, with those kept whose chat is away."""
    return [_kept(opened, one) for one in sent]


def _kept(opened: Store, sent: Sent) -> Sent:
    away = sent.failure
    if not (isinstance(away, ServiceError) and away.is_passing):
        return sent
    try:
        _keep(opened, "chat", sent.chat.name, {"payload": sent.body}, away)
    except ServiceError as lost:
        return replace(sent, failure=lost)
    return replace(sent, is_kept=True)


def flush(site: Site, opened: Store) -> Flushed:
    """Send what is there, the oldest first; ServiceError when etcd is away.

    Whoever finds somebody else at it leaves it to them.
    """
    entries = _entries(opened)
    if not entries:
        return Flushed()
    with _alone(opened) as is_mine:
        return _flush(site, opened, _entries(opened)) if is_mine else Flushed(left=len(entries))


def flush_quietly(site: Site, opened: Store) -> None:
    """At the end of a command that has done its own work."""
    try:
        done = flush(site, opened)
    except ServiceError:
        return
    if done.sent:
        console.say(f"outbox: {done.sent} sent that had waited")


def _flush(site: Site, opened: Store, entries: list[Entry]) -> Flushed:
    newest = {(one.to, one.about): kv.key for kv, one in entries}
    away: set[str] = set()  # whoever does not answer is not asked for each
    sent = dropped = left = 0
    for kv, one in entries:
        is_obsolete = one.to == "gerrit" and newest[(one.to, one.about)] != kv.key
        whom = "gerrit" if one.to == "gerrit" else one.about
        if whom in away:
            left += 1
            continue
        try:
            is_said = not is_obsolete and _deliver(site, opened, one)
        except PydeployError as failure:
            if not isinstance(failure, SiteConfigError):  # this agent has no credentials for it
                console.warn(f"outbox: {failure.message}")
            if isinstance(failure, SiteConfigError) or getattr(failure, "is_passing", False):
                away.add(whom)
            left += 1
            continue
        opened.etcd.delete(kv.key)
        sent, dropped = sent + is_said, dropped + (not is_said)
    return Flushed(sent=sent, dropped=dropped, left=left)


def _deliver(site: Site, opened: Store, one: Undelivered) -> bool:
    """False when it is obsolete."""
    if one.to == "chat":
        return _to_chat(site, one)
    known = {field.name for field in fields(Word)}  # another version's entry may have more
    word = Word(**{name: value for name, value in one.body.items() if name in known})
    to = door.opened(site.gerrit)
    with turn.taken(opened, word.change):
        if _is_overtaken(to, word, one.created):
            return False
        return gerrit.say(to, word).is_posted


def _is_overtaken(to: Gerrit, word: Word, created: str) -> bool:
    """By a newer patchset, or because the change is gone.

    A Gerrit that comes back after a crash may not find its newest changes for a while.
    """
    try:
        return word.patchset not in (None, to.change(word.change).patchset)
    except NotFound:
        return (store.now() - datetime.fromisoformat(created)).total_seconds() > _SOUGHT
    except Refused:
        return False  # `say` says what to mend


def _to_chat(site: Site, one: Undelivered) -> bool:
    found = [known for known in site.chat if known.name == one.about]
    if not found:
        return False
    chat.send(found[0], one.body["payload"])
    return True


# -- keys -------------------------------------------------------------------------------


def _keep(opened: Store, to: Any, about: str, body: dict[str, Any], away: ServiceError) -> None:
    value = Undelivered(to=to, about=about, body=body, created=store.timestamp(), why=away.message)
    key = opened.keys.outbox(f"{store.now().strftime(_TIME)}-{secrets.token_hex(3)}")
    try:
        if to == "gerrit":
            _forget(opened, to, about)
        opened.etcd.put(key, value.text(), lease=opened.etcd.grant(_KEPT))
        _bound(opened)
    except ServiceError as lost:  # nowhere to keep it: then it has failed
        raise ServiceError(
            f"{away.message}; and it cannot be kept: {lost.message}",
            service=away.service,
            hint=away.hint,
        ) from lost
    console.warn(f"{away.message}; it waits in the outbox and is sent by the next command")


def _bound(opened: Store) -> None:
    for kv, _ in _entries(opened)[:-_MOST]:
        opened.etcd.delete(kv.key)


def _forget(opened: Store, to: str, about: str) -> None:
    for kv, one in _entries(opened):
        if (one.to, one.about) == (to, about):
            opened.etcd.delete(kv.key)


def _entries(opened: Store) -> list[Entry]:
    """The oldest first: keys begin with their time."""
    return [(kv, Undelivered.read(kv.value)) for kv in opened.etcd.range(opened.keys.outbox()).kvs]


@contextmanager
def _alone(opened: Store) -> Iterator[bool]:
    holder = Holder(holder=store.whoami(), since=store.timestamp())
    key = opened.keys.lock("outbox--")
    with ExitStack() as stack:
        try:
            stack.enter_context(lock.hold(opened.etcd, key, holder, wait=0))
            is_mine = True
        except CapacityError:
            is_mine = False
        yield is_mine
