"""What is still to be said: kept in etcd, sent by the next command of any agent.

In the order in which etcd took it, bounded in number and age.  A report is noted before it is said
and forgotten after: whoever is killed in between has lost nothing.  What a newer report or patchset
has made obsolete is dropped.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import TypeAdapter

from pydeploy import console
from pydeploy.clients.etcd import KeyValue
from pydeploy.clients.gerrit import door
from pydeploy.clients.gerrit.model import Gerrit, Refused
from pydeploy.config.site import Site
from pydeploy.errors import CapacityError, PydeployError, ServiceError, SiteConfigError
from pydeploy.reporters import chat, gerrit, turn
from pydeploy.reporters.chat import Sent
from pydeploy.reporters.gerrit import Said, Word
from pydeploy.state import lock, store
from pydeploy.state.records import Holder, Undelivered
from pydeploy.state.store import Store

_KEPT = 14 * 86400  # seconds
_TRIED = 86400  # seconds for which what is refused is said again
_MOST = 1000
_QUIET = 10.0  # seconds that a command which has done its own work gives to the outbox
_TIME = "%Y%m%dT%H%M%S.%fZ"
_WORD = TypeAdapter(Word)


@dataclass(frozen=True, kw_only=True)
class Flushed:
    """What came of the outbox."""

    sent: int = 0
    dropped: int = 0  # obsolete, or refused for good
    left: int = 0


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One that waits: a word for Gerrit, or what a chat is sent."""

    key: str
    lease: int
    to: Literal["gerrit", "chat"]
    about: str
    created: datetime
    word: Word | None = None
    payload: Any = None

    @property
    def whom(self) -> tuple[str, str]:
        return self.to, "" if self.to == "gerrit" else self.about


def makes_obsolete(new: Word, old: Word) -> bool:
    """Whether nobody needs `old`, which waits, when `new` is said after it.

    A word on a newer patchset does; one on the same patchset and environment only where no vote
    is lost by it.  Where one does not say its environment it may be the same.
    """
    if new.change != old.change:
        return False
    if new.patchset and old.patchset and new.patchset != old.patchset:
        return new.patchset > old.patchset
    if new.patchset != old.patchset:
        return False
    is_same = new.environment == old.environment or "" in (new.environment, old.environment)
    return is_same and (new.vote is not None or old.vote is None)


def say(site: Site, opened: Store, word: Word) -> Said:
    """Now, or by the next command where Gerrit is away; what it makes obsolete is forgotten."""
    to = door.opened(site.gerrit)
    with turn.taken(opened, word.change):
        note = _noted(opened, word)
        try:
            said = gerrit.say(to, word)
        except Exception as failure:
            if isinstance(failure, ServiceError) and failure.is_passing:
                return _kept_for_later(opened, word, note, failure)
            _unnote(opened, note)  # said again it would fail again
            raise
        _unnote(opened, note)
        if said.is_out:
            _forget(opened, word)
        return said


def _noted(opened: Store, word: Word) -> Entry | ServiceError:
    """The failure where etcd is away: the word is said all the same."""
    try:
        return _write(opened, "gerrit", str(word.change), asdict(word))
    except ServiceError as away:
        return away


def _unnote(opened: Store, note: Entry | ServiceError) -> None:
    """Should etcd go away now, it is found later that it was said."""
    if isinstance(note, Entry):
        with suppress(ServiceError):
            _drop(opened, note)


def _kept_for_later(
    opened: Store, word: Word, note: Entry | ServiceError, away: ServiceError
) -> Said:
    if isinstance(note, ServiceError):
        raise _unkeepable(away, note) from note
    _forget(opened, word, but=note.key)
    _say_that_it_waits(away)
    return Said(is_posted=False, is_kept=True, patchset=word.patchset, why=away.message)


def _say_that_it_waits(away: ServiceError) -> None:
    console.warn(f"{away.message}; it waits in the outbox and is sent by the next command")


def _unkeepable(away: ServiceError, lost: ServiceError) -> ServiceError:
    """Nowhere to keep it: then it has failed."""
    return ServiceError(
        f"{away.message}; and it cannot be kept: {lost.message}",
        service=away.service,
        hint=away.hint,
    )


def keep_unsent(opened: Store, sent: list[Sent]) -> list[Sent]:
    """The same, with those kept whose chat is away."""
    return [_kept(opened, one) for one in sent]


def _kept(opened: Store, sent: Sent) -> Sent:
    away = sent.failure
    if not (isinstance(away, ServiceError) and away.is_passing):
        return sent
    try:
        _write(opened, "chat", sent.chat.name, {"payload": sent.body}, away.message)
    except ServiceError as lost:
        return replace(sent, failure=_unkeepable(away, lost))
    _say_that_it_waits(away)
    return replace(sent, is_kept=True)


def flush_quietly(site: Site, opened: Store) -> None:
    """At the end of a command that has done its own work: it takes seconds and fails nothing.

    What is under way after that may still go out while the command ends.  If it does not, it is as
    if we had been killed: it stays, and is looked for in Gerrit before it is said again.
    """
    if not (site.chat or site.gerrit.is_configured):
        return
    over = threading.Event()
    done: list[Flushed] = []

    def work() -> None:
        with suppress(PydeployError):
            done.append(flush(site, opened, over.is_set))

    with console.hiding((*door.secrets(), *chat.secrets(site))), suppress(ServiceError):
        if not _all(opened):
            return
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(_QUIET)
        over.set()
        if done and done[0].sent:
            console.say(f"outbox: {done[0].sent} sent that had waited")


def flush(site: Site, opened: Store, is_over: Callable[[], bool] = lambda: False) -> Flushed:
    """Send what is there, the oldest first; ServiceError when etcd is away.

    Whoever finds somebody else at it leaves it to them; after `is_over` nothing more is begun.
    """
    if not (kvs := _all(opened)):
        return Flushed()
    with _alone(opened) as is_mine:
        return _flush(site, opened, is_over) if is_mine else Flushed(left=len(kvs))


def _flush(site: Site, opened: Store, is_over: Callable[[], bool]) -> Flushed:
    kvs = _all(opened)
    entries = _readable(kvs)
    left = len(kvs) - len(entries)
    if left:
        console.warn(f"outbox: {left} cannot be read by this version of pydeploy; they stay")
    away: set[tuple[str, str]] = set()  # whoever does not answer is not asked for each
    sent = dropped = 0
    for place, one in enumerate(entries):
        if is_over() or one.whom in away:
            left += 1
            continue
        try:
            is_said = not _is_obsolete(one, entries[place + 1 :]) and _deliver(site, opened, one)
        except PydeployError as failure:
            if _is_of_etcd(failure):
                raise
            if _is_for_others(failure):
                away.add(one.whom)
            if not (isinstance(failure, SiteConfigError | CapacityError) or is_over()):
                console.warn(f"outbox: {failure.message}")
            if not _is_final(failure, one):
                left += 1
                continue
            is_said = False
        _drop(opened, one)
        sent, dropped = sent + is_said, dropped + (not is_said)
    return Flushed(sent=sent, dropped=dropped, left=left)


def _is_obsolete(one: Entry, later: list[Entry]) -> bool:
    return one.word is not None and any(
        next_one.word is not None and makes_obsolete(next_one.word, one.word) for next_one in later
    )


def _is_of_etcd(failure: PydeployError) -> bool:
    return isinstance(failure, ServiceError) and failure.service == "etcd"


def _is_for_others(failure: PydeployError) -> bool:
    """Now nothing goes there, or nothing from this agent, which has no credentials for it."""
    return isinstance(failure, SiteConfigError) or getattr(failure, "is_passing", False)


def _is_final(failure: PydeployError, one: Entry) -> bool:
    """Said again it would be refused again.

    For a day it is tried all the same: rights are mended, and a Gerrit that comes back after a
    crash may not find its newest changes for a while.
    """
    if not isinstance(failure, ServiceError) or failure.is_passing:
        return False
    age = (store.now() - one.created).total_seconds()
    return isinstance(failure, gerrit.Untaken) or age > _TRIED


def _deliver(site: Site, opened: Store, one: Entry) -> bool:
    """False when it is obsolete; CapacityError when somebody speaks on the change just now."""
    if one.word is None:
        return _to_chat(site, one)
    to = door.opened(site.gerrit)
    with turn.taken(opened, one.word.change, is_patient=False):
        # Whoever spoke since we looked may have said something newer.
        if opened.etcd.get(one.key) is None or _is_overtaken(to, one.word):
            return False
        return gerrit.say(to, one.word).is_posted


def _is_overtaken(to: Gerrit, word: Word) -> bool:
    """By a newer patchset."""
    try:
        return word.patchset not in (None, to.change(word.change).patchset)
    except Refused:
        return False  # `say` says what to mend


def _to_chat(site: Site, one: Entry) -> bool:
    found = [known for known in site.chat if known.name == one.about]
    if not found:
        return False
    chat.send(found[0], one.payload)
    return True


# -- keys -------------------------------------------------------------------------------


def _write(
    opened: Store, to: Literal["gerrit", "chat"], about: str, body: dict[str, Any], why: str = ""
) -> Entry:
    value = Undelivered(to=to, about=about, body=body, created=store.timestamp(), why=why)
    key = opened.keys.outbox(f"{store.now().strftime(_TIME)}-{secrets.token_hex(3)}")
    lease = opened.etcd.grant(_KEPT)
    opened.etcd.put(key, value.text(), lease=lease)
    for old in _all(opened)[:-_MOST]:
        opened.etcd.delete(old.key)
    return Entry(key=key, lease=lease, to=to, about=about, created=store.now())


def _drop(opened: Store, one: Entry) -> None:
    opened.etcd.delete(one.key)
    with suppress(ServiceError):  # it ends by itself
        opened.etcd.revoke(one.lease)


def _forget(opened: Store, word: Word, but: str = "") -> None:
    """What `word` makes obsolete, where etcd is there; a flush finds the rest."""
    with suppress(ServiceError):
        for one in _entries(opened):
            if one.key != but and one.word and makes_obsolete(word, one.word):
                _drop(opened, one)


def _all(opened: Store) -> list[KeyValue]:
    """The oldest first, as etcd took them: agents' clocks differ."""
    kvs = opened.etcd.range(opened.keys.outbox()).kvs
    return sorted(kvs, key=lambda kv: kv.create_revision)


def _entries(opened: Store) -> list[Entry]:
    return _readable(_all(opened))


def _readable(kvs: list[KeyValue]) -> list[Entry]:
    """Without those of a version that knows more than we do; their leases end them."""
    return [one for kv in kvs if (one := _read(kv))]


def _read(kv: KeyValue) -> Entry | None:
    try:
        note = Undelivered.read(kv.value)
        is_word = note.to == "gerrit"
        return Entry(
            key=kv.key,
            lease=kv.lease,
            to=note.to,
            about=note.about,
            created=datetime.fromisoformat(note.created).astimezone(UTC),
            word=_WORD.validate_python(note.body) if is_word else None,
            payload=None if is_word else note.body["payload"],
        )
    except (ValueError, KeyError):
        return None


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
