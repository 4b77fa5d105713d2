"""A report is not lost: it waits in etcd, and goes when whoever was away is back."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from pydeploy.clients.etcd import Etcd
from pydeploy.clients.gerrit import door
from pydeploy.clients.gerrit.model import Change, NotFound, Refused
from pydeploy.config.site import Chat, Gerrit, Site
from pydeploy.errors import Interrupted, ServiceError, SiteConfigError
from pydeploy.reporters import chat, outbox
from pydeploy.reporters.gerrit import Word
from pydeploy.reporters.outbox import Flushed
from pydeploy.state import lock
from pydeploy.state import store as clock
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
SITE = Site(gerrit=Gerrit(url="http://gerrit.test"))


@pytest.fixture
def gerrit(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes the door answer so."""

    def make(changes: list[Any], answers: list[Any]) -> Fake:
        fake = Fake(changes, answers)
        monkeypatch.setattr(door, "opened", lambda *_: fake)
        return fake

    return make


def waiting(store: Store) -> list[str]:
    return [one.word.message for one in outbox._entries(store) if one.word]


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


@pytest.mark.parametrize(
    ("new", "is_obsolete"),
    [
        ({}, True),
        ({"vote": -1}, True),
        ({"vote": None}, False),
        ({"vote": None, "patchset": 4}, True),
        ({"patchset": 2}, False),
        ({"patchset": None}, False),
        ({"environment": "demo"}, False),
        ({"change": 10021}, False),
    ],
)
def test_what_makes_a_vote_that_waits_obsolete(new: Any, is_obsolete: bool) -> None:
    """A newer patchset, or another vote on the same environment; nothing else."""
    old = replace(WORD, environment="10020")
    assert is_obsolete == outbox.makes_obsolete(replace(old, **new), old)


def test_where_the_environment_was_not_said_it_may_be_the_same() -> None:
    """A failure does not always say it: a vote that is older must not land over a newer one."""
    demo = replace(WORD, environment="demo")
    assert outbox.makes_obsolete(demo, WORD)
    assert outbox.makes_obsolete(WORD, demo)


def test_without_a_vote_the_newer_word_counts() -> None:
    old = replace(WORD, vote=None, environment="10020")
    assert outbox.makes_obsolete(old, old)
    assert outbox.makes_obsolete(replace(old, vote=1), old)
    assert not outbox.makes_obsolete(replace(old, environment="demo"), old)


LATE = replace(WORD, phase="superseded", patchset=2, message="superseded", vote=None)


def test_a_late_word_on_an_older_patchset_takes_no_vote(store: Store, gerrit: Any) -> None:
    """Gerrit is back, an older build ends: nothing is posted for it, and what waits still goes."""
    gerrit([AWAY], [])
    outbox.say(SITE, store, WORD)
    gerrit([NOW], [])
    assert not outbox.say(SITE, store, LATE).is_posted
    assert ["it runs"] == waiting(store)
    back = gerrit([NOW], [{"Verified": 1}])
    assert Flushed(sent=1) == outbox.flush(SITE, store)
    assert [{"Verified": 1}] == [one.labels for one in back.reviews]


def test_nor_does_one_that_waits_too(store: Store, gerrit: Any) -> None:
    """Both ended while Gerrit was away."""
    gerrit([AWAY], [])
    outbox.say(SITE, store, WORD)
    outbox.say(SITE, store, LATE)
    back = gerrit([NOW], [{"Verified": 1}])
    assert Flushed(sent=1, dropped=1) == outbox.flush(SITE, store)
    assert [{"Verified": 1}] == [one.labels for one in back.reviews]


@pytest.mark.parametrize("phase", ["started", "promoted", "failed-operator"])
@pytest.mark.parametrize("is_back", [False, True])
def test_a_word_without_a_vote_takes_none(
    store: Store, gerrit: Any, phase: Any, is_back: bool
) -> None:
    """On the same patchset, said or kept."""
    gerrit([AWAY], [])
    outbox.say(SITE, store, WORD)
    gerrit([NOW if is_back else AWAY], [{}])
    outbox.say(SITE, store, replace(WORD, phase=phase, message="more", vote=None))
    back = gerrit([NOW], [{"Verified": 1}, {}])
    assert outbox.flush(SITE, store).sent == (1 if is_back else 2)
    assert {"Verified": 1} == back.reviews[0].labels


def test_a_vote_that_waits_goes_not_over_a_newer_one(store: Store, gerrit: Any) -> None:
    """Somebody speaks between the look at the list and the turn."""
    gerrit([AWAY], [])
    outbox.say(SITE, store, WORD)
    (listed,) = outbox._entries(store)
    gerrit([NOW], [{"Verified": -1}])
    outbox.say(SITE, store, replace(WORD, message="it broke", vote=-1))
    late = gerrit([NOW], [{"Verified": 1}])
    assert not outbox._deliver(SITE, store, listed)
    assert [] == late.reviews


def test_whoever_is_killed_while_they_speak_has_lost_nothing(store: Store, gerrit: Any) -> None:
    """It is noted first; what was said leaves neither a key nor a lease."""
    gerrit([Interrupted(15)], [])
    with pytest.raises(Interrupted):
        outbox.say(SITE, store, WORD)
    assert ["it runs"] == waiting(store)
    gerrit([NOW], [{"Verified": 1}])
    before = leases(store)
    assert outbox.say(SITE, store, WORD).is_posted
    assert [] == waiting(store)
    assert before - 1 == leases(store)


def leases(store: Store) -> int:
    return len(store.etcd.call("lease/leases", {}).get("leases", []))


def test_where_somebody_speaks_just_now_a_flush_goes_on(store: Store, gerrit: Any) -> None:
    """It may be the very word that is under way."""
    gerrit([AWAY], [])
    outbox.say(SITE, store, WORD)
    outbox.say(SITE, store, replace(WORD, change=10021))
    back = gerrit([NOW], [{"Verified": 1}])
    key = store.keys.lock(f"report--{WORD.change}")
    with lock.hold(store.etcd, key, Holder(holder="x", since="now"), wait=0):
        assert Flushed(sent=1, left=1) == outbox.flush(SITE, store)
    assert 1 == len(back.reviews)


@pytest.mark.parametrize(
    "change",
    [
        {"to": "pigeon"},
        {"body": {"phase": "deployed"}},
        {"body": {"phase": "nosuch", "change": 1, "message": "x"}},
        {"to": "chat", "body": {}},
        {"created": "yesterday"},
    ],
)
def test_what_another_version_wrote_stops_nothing(
    store: Store, gerrit: Any, change: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two versions work side by side: it stays, for those who can read it, until its lease ends."""
    gerrit([AWAY], [])
    outbox.say(SITE, store, WORD)
    (kv,) = outbox._all(store)
    store.etcd.put(f"{kv.key}x", json.dumps({**json.loads(kv.value), **change}))
    gerrit([NOW], [{"Verified": 1}, {"Verified": 1}])
    assert outbox.say(SITE, store, replace(WORD, change=10021)).is_posted
    assert Flushed(sent=1, left=1) == outbox.flush(SITE, store)
    assert "outbox: 1 cannot be read by this version" in capsys.readouterr().err


def test_a_word_of_a_newer_version_may_say_more(store: Store, gerrit: Any) -> None:
    gerrit([AWAY], [])
    outbox.say(SITE, store, WORD)
    (kv,) = outbox._all(store)
    note = json.loads(kv.value)
    store.etcd.put(kv.key, json.dumps({**note, "body": {**note["body"], "colour": "red"}}))
    assert [WORD] == [one.word for one in outbox._entries(store)]


def test_a_vote_that_is_not_taken_is_said_once(store: Store, gerrit: Any) -> None:
    """The message is out; the right does not come by asking."""
    gerrit([AWAY], [])
    outbox.say(SITE, store, WORD)
    gerrit([NOW], [{}])
    assert Flushed(dropped=1) == outbox.flush(SITE, store)


def test_what_is_refused_is_tried_for_a_day(
    store: Store, gerrit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gerrit([AWAY], [])
    outbox.say(SITE, store, WORD)
    gerrit([Refused("may not", 403)], [])
    assert Flushed(left=1) == outbox.flush(SITE, store)
    monkeypatch.setattr(outbox, "_TRIED", -1)
    assert Flushed(dropped=1) == outbox.flush(SITE, store)


def test_the_order_is_etcd_s(store: Store, gerrit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent's clock may be late."""
    gerrit([AWAY], [])
    outbox.say(SITE, store, WORD)
    monkeypatch.setattr(clock, "now", lambda: datetime(2020, 1, 1, tzinfo=UTC))
    outbox.say(SITE, store, replace(WORD, change=10021, message="later"))
    assert ["it runs", "later"] == waiting(store)


def test_a_command_does_not_wait_for_long(
    store: Store, gerrit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own work is done; and what it began may still end well."""
    monkeypatch.setattr(outbox, "_QUIET", 0.1)
    gerrit([AWAY], [])
    for number in (1, 2):
        outbox.say(SITE, store, replace(WORD, change=number, message=str(number)))
    slow = gerrit([NOW], [{"Verified": 1}])
    answers = threading.Event()
    monkeypatch.setattr(slow, "change", lambda _: answers.wait(20) and NOW)
    began = time.monotonic()
    outbox.flush_quietly(SITE, store)
    assert time.monotonic() - began < 5
    answers.set()
    while store.etcd.get(store.keys.lock("outbox--")):
        time.sleep(0.05)
    assert ["2"] == waiting(store)


def test_a_site_that_tells_nobody_asks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "_all", lambda _: pytest.fail("etcd was asked"))
    outbox.flush_quietly(Site(), Store(etcd=Etcd(("http://127.0.0.1:1",)), keys=Keys("/x")))


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
    monkeypatch.setattr(outbox, "_TRIED", -1)
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
    assert all(one.lease for one in outbox._entries(store))


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
    assert "slack" not in "".join(kv.value for kv in outbox._all(store))
    assert Flushed(sent=2) == outbox.flush(site, store)
    assert ["one", "two"] == [one.body["text"] for one in server.told]


def test_a_chat_that_says_no_is_not_asked_again(store: Store, server: ChatServer) -> None:
    site = Site(chat=(TEAM,))
    server.script.answers = [(404, {}, "no_service")]
    (sent,) = outbox.keep_unsent(store, chat.say(site, [TEAM], "x", None))
    assert not sent.is_kept
    assert [] == outbox._entries(store)


def test_a_chat_that_says_no_later_is_asked_for_a_day(
    store: Store, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(chat=(TEAM,))
    server.script.answers = [(503, {}, ""), *[(404, {}, "no_service")] * 2]
    outbox.keep_unsent(store, chat.say(site, [TEAM], "x", None))
    assert Flushed(left=1) == outbox.flush(site, store)
    monkeypatch.setattr(outbox, "_TRIED", -1)
    assert Flushed(dropped=1) == outbox.flush(site, store)


def test_a_chat_that_left_site_yml_hears_nothing(store: Store, server: ChatServer) -> None:
    server.script.answers = [(503, {}, "")]
    outbox.keep_unsent(store, chat.say(Site(chat=(TEAM,)), [TEAM], "x", None))
    assert Flushed(dropped=1) == outbox.flush(Site(), store)
