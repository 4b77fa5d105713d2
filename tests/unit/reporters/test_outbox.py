"""A report is not lost: it waits in etcd, and goes when whoever was away is back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from pydeploy.clients.etcd import Etcd
from pydeploy.clients.gerrit import door
from pydeploy.clients.gerrit.model import Change, NotFound
from pydeploy.config.site import Chat, Site
from pydeploy.errors import ServiceError, SiteConfigError
from pydeploy.reporters import chat, outbox
from pydeploy.reporters.gerrit import Word
from pydeploy.reporters.outbox import Flushed
from pydeploy.state import lock
from pydeploy.state.keys import Keys
from pydeploy.state.records import Holder
from pydeploy.state.store import Store
from tests.unit.reporters.chat_server import ChatServer
from tests.unit.reporters.doors import Fake

AWAY = ServiceError("Gerrit does not answer", service="gerrit", is_passing=True)
NOW = Change(
    number=10020,
    gerrit_project="docs/hello",
    branch="master",
    status="NEW",
    patchset=3,
    revision="abc",
)
WORD = Word(phase="deployed", change=10020, patchset=3, message="it runs", vote=1)
SITE = Site()


@pytest.fixture
def gerrit(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes the door answer so."""

    def make(changes: list[Any], answers: list[Any]) -> Fake:
        fake = Fake(changes, answers)
        monkeypatch.setattr(door, "opened", lambda *_: fake)
        return fake

    return make


def waiting(store: Store) -> list[str]:
    return [str(one.body.get("message")) for _, one in outbox._entries(store)]


def test_what_cannot_be_said_now_waits(store: Store, gerrit: Any) -> None:
    """And is said as it was meant, with its vote."""
    gerrit([AWAY], [])
    said = outbox.say(SITE, store, WORD)
    assert (False, True) == (said.is_posted, said.is_kept)
    back = gerrit([NOW], [{"Verified": 1}])
    assert Flushed(sent=1) == outbox.flush(SITE, store)
    assert [("it runs", {"Verified": 1})] == [(one.message, one.labels) for one in back.reviews]
    assert Flushed() == outbox.flush(SITE, store)


def test_an_answer_that_was_lost_may_have_been_a_yes(store: Store, gerrit: Any) -> None:
    """Gerrit took it and fell silent: it is asked before anything is said again."""
    gerrit([NOW], [AWAY])
    outbox.say(SITE, store, WORD)
    from pydeploy.clients.gerrit.model import Message

    there = replace(NOW, messages=(Message(patchset=3, text="it runs"),), votes={"Verified": 1})
    back = gerrit([there], [])
    assert Flushed(dropped=1) == outbox.flush(SITE, store)
    assert [] == back.reviews


def test_only_what_passes_by_itself_is_kept(store: Store, gerrit: Any) -> None:
    """A right that is missing does not come by waiting."""
    gerrit([NOW], [{}])
    with pytest.raises(ServiceError, match="but not the vote"):
        outbox.say(SITE, store, WORD)
    assert [] == waiting(store)


def test_the_newest_word_on_a_change_counts(store: Store, gerrit: Any) -> None:
    """Kept or said, it makes the older ones obsolete; other changes' stay."""
    gerrit([AWAY], [])
    for word in (
        WORD,
        replace(WORD, change=10021, message="other"),
        replace(WORD, message="it broke", vote=-1),
    ):
        outbox.say(SITE, store, word)
    assert ["other", "it broke"] == waiting(store)
    gerrit([NOW], [{"Verified": 1}])
    outbox.say(SITE, store, WORD)
    assert ["other"] == waiting(store)


def test_what_nobody_needs_any_more_is_dropped(store: Store, gerrit: Any) -> None:
    """A newer patchset came."""
    gerrit([AWAY], [])
    outbox.say(SITE, store, WORD)
    gerrit([replace(NOW, patchset=4)], [])
    assert Flushed(dropped=1) == outbox.flush(SITE, store)


def test_a_change_that_is_not_found_is_looked_for_a_day(
    store: Store, gerrit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Gerrit that crashed may find it later; others on the list are not kept waiting."""
    gerrit([AWAY], [])
    outbox.say(SITE, store, WORD)
    outbox.say(SITE, store, replace(WORD, change=10021))
    gone = NotFound("gone", 404)
    gerrit([gone, gone, NOW], [{"Verified": 1}])
    assert Flushed(sent=1, left=1) == outbox.flush(SITE, store)
    monkeypatch.setattr(outbox, "_SOUGHT", -1)
    gerrit([gone], [])
    assert Flushed(dropped=1) == outbox.flush(SITE, store)


def test_who_is_still_away_is_asked_once(store: Store, gerrit: Any) -> None:
    """Not for each that waits; they stay in their order."""
    away = gerrit([AWAY], [])
    for number in (1, 2, 3):
        outbox.say(SITE, store, replace(WORD, change=number, message=str(number)))
    away.changes = [AWAY, NOW]
    assert Flushed(left=3) == outbox.flush(SITE, store)
    assert ["1", "2", "3"] == waiting(store)


def test_an_agent_without_credentials_leaves_it_to_others(
    store: Store, gerrit: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gerrit([AWAY], [])
    outbox.say(SITE, store, WORD)
    capsys.readouterr()

    def opened(*_: Any) -> Any:
        raise SiteConfigError("there are no credentials")

    monkeypatch.setattr(door, "opened", opened)
    outbox.flush_quietly(SITE, store)
    assert ["it runs"] == waiting(store)
    assert "" == capsys.readouterr().err


def test_one_flushes_at_a_time(store: Store, gerrit: Any) -> None:
    gerrit([AWAY], [])
    outbox.say(SITE, store, WORD)
    gerrit([NOW], [{"Verified": 1}])
    key = store.keys.lock("outbox--")
    with lock.hold(store.etcd, key, Holder(holder="x", since="now"), wait=0):
        assert Flushed(left=1) == outbox.flush(SITE, store)
    assert Flushed(sent=1) == outbox.flush(SITE, store)


def test_it_does_not_grow_without_bound(
    store: Store, gerrit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest go first; each has a lease."""
    monkeypatch.setattr(outbox, "_MOST", 2)
    gerrit([AWAY], [])
    for number in (1, 2, 3):
        outbox.say(SITE, store, replace(WORD, change=number, message=str(number)))
    assert ["2", "3"] == waiting(store)
    assert all(kv.lease for kv, _ in outbox._entries(store))


def test_with_etcd_away_as_well_it_has_failed(gerrit: Any) -> None:
    """Nowhere to keep it: the command says so."""
    gerrit([AWAY], [])
    gone = Store(etcd=Etcd(("http://127.0.0.1:1",), timeout=1), keys=Keys("/x"))
    with pytest.raises(ServiceError, match="Gerrit does not answer; and it cannot be kept: etcd"):
        outbox.say(SITE, gone, WORD)
    outbox.flush_quietly(SITE, gone)  # says nothing, fails nothing


# -- chats ------------------------------------------------------------------------------


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    one = ChatServer().serve()
    monkeypatch.setitem(os.environ, "PYDEPLOY_CHAT_WEBHOOK", one.url("slack"))
    yield one
    one.shutdown()
    one.server_close()


TEAM = Chat(name="team", kind="slack")


def test_a_chat_that_is_away_hears_it_later(store: Store, server: ChatServer) -> None:
    """All of it, in its order; the address is not kept."""
    site = Site(chat=(TEAM,))
    server.script.answers = [(503, {}, "")] * 2
    for text in ("one", "two"):
        (sent,) = outbox.keep_unsent(store, chat.say(site, [TEAM], text, None))
        assert sent.is_kept
    assert "slack" not in "".join(kv.value for kv, _ in outbox._entries(store))
    assert Flushed(sent=2) == outbox.flush(site, store)
    assert ["one", "two"] == [one.body["text"] for one in server.told]


def test_a_chat_that_says_no_is_not_asked_again(store: Store, server: ChatServer) -> None:
    site = Site(chat=(TEAM,))
    server.script.answers = [(404, {}, "no_service")]
    (sent,) = outbox.keep_unsent(store, chat.say(site, [TEAM], "x", None))
    assert not sent.is_kept
    assert [] == outbox._entries(store)


def test_a_chat_that_left_site_yml_hears_nothing(store: Store, server: ChatServer) -> None:
    server.script.answers = [(503, {}, "")]
    outbox.keep_unsent(store, chat.say(Site(chat=(TEAM,)), [TEAM], "x", None))
    assert Flushed(dropped=1) == outbox.flush(Site(), store)
