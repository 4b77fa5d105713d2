"""Messages to chats, against a server that takes what each chat documents, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pydeploy.clients import webhook
from pydeploy.config.site import Chat, Report, Site
from pydeploy.errors import PydeployError, ServiceError, SiteConfigError, UsageError
from pydeploy.reporters import chat
from tests.unit.reporters.chat_server import SECRET, ChatServer
from tests.unit.reporters.samples import FULL, URL

HOSTILE = "Fix <!here> @channel [x](http://evil.test) `code` & more"
KINDS = ("slack", "mattermost", "bearychat")


@pytest.fixture
def server() -> Iterator[ChatServer]:
    one = ChatServer().serve()
    yield one
    one.shutdown()
    one.server_close()


def site(*chats: Chat, **more: Any) -> Site:
    return Site(chat=chats, **more)


def say(server: ChatServer, one: Chat, text: str, report: Any = None) -> PydeployError | None:
    kind = "any" if one.kind == "webhook" else one.kind
    env = {one.webhook_variable: server.url(kind)}
    (sent,) = chat.say(site(one), [one], text, report, env)
    return sent.failure


@pytest.mark.parametrize("kind", KINDS)
def test_each_takes_what_we_send(server: ChatServer, kind: Any) -> None:
    """Text with the link, as JSON; a channel of its own where site.yml says so."""
    assert None is say(server, Chat(name="a", kind=kind), "Deployed", FULL)
    assert None is say(server, Chat(name="a", kind=kind, channel="deploys"), "Deployed")
    first, second = (one.body for one in server.told)
    assert URL in first["text"]
    assert "channel" not in first
    assert ("Deployed", "deploys") == (second["text"], second["channel"])


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("slack", "Fix `&lt;!here&gt;` `@channel` `[x](http://evil.test)` `code` &amp; more"),
        ("mattermost", "Fix `< !here>` `@channel` `[x](http://evil.test)` `code` & more"),
        ("bearychat", "Fix `< !here>` `@channel` `[x](http://evil.test)` `code` & more"),
    ],
)
def test_a_subject_calls_nobody(server: ChatServer, kind: Any, text: str) -> None:
    """What would mention or link is code; Slack has its three escapes as well."""
    say(server, Chat(name="a", kind=kind), HOSTILE)
    assert text == server.told[0].body["text"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_too_long_is_cut(server: ChatServer, kind: Any) -> None:
    assert None is say(server, Chat(name="a", kind=kind), "word " * 3_000)
    assert server.told[0].body["text"].endswith("(cut)")


def test_everything_else_has_a_template(server: ChatServer, tmp_path: Path) -> None:
    """It gives the JSON; values come in by the filter, whatever is in them."""
    template = tmp_path / "x.json.j2"
    template.write_text('{"msg": {{ text | json }}, "url": {{ (url if report else "") | json }}}')
    one = Chat(name="a", kind="webhook", template=template)
    hostile = 'a "quoted"\n\\ <b> 😀 {{ 7*7 }}'
    assert None is say(server, one, hostile, FULL)
    assert {"msg": hostile, "url": URL} == server.told[0].body
    template.write_text('{"msg": {{ text }}}')
    failure = say(server, one, hostile)
    assert isinstance(failure, SiteConfigError)
    assert "gives no JSON" in failure.message


def test_a_site_has_its_own_words(server: ChatServer, tmp_path: Path) -> None:
    """By chat, or for all chats by the folder of templates."""
    (tmp_path / "chat.txt.j2").write_text("all: {{ text }}")
    (tmp_path / "own.j2").write_text("own: {{ text }}")
    for one, wanted in (
        (Chat(name="a", kind="slack"), "all: x"),
        (Chat(name="a", kind="slack", template=tmp_path / "own.j2"), "own: x"),
    ):
        mine = site(one, report=Report(templates=tmp_path))
        chat.say(mine, [one], "x", None, {one.webhook_variable: server.url("slack")})
        assert wanted == server.told[-1].body["text"]


# -- what goes wrong --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "says"), [("slack", "404 channel_not_found"), ("mattermost", "find the channel")]
)
def test_a_refusal_is_said_in_the_chat_s_words(server: ChatServer, kind: Any, says: str) -> None:
    failure = say(server, Chat(name="team", kind=kind, channel="nosuch"), "x")
    assert isinstance(failure, ServiceError)
    assert "chat 'team' refused the message" in failure.message
    assert says in failure.message


def post(server: ChatServer, **more: Any) -> list[float]:
    slept: list[float] = []
    webhook.post(server.url("slack"), {"text": "x"}, name="team", sleep=slept.append, **more)
    return slept


def test_it_waits_as_long_as_it_is_told_to(server: ChatServer) -> None:
    """429 with Retry-After: the message was not taken, so it may be sent again."""
    server.script.answers = [(429, {"Retry-After": "7"}, "rate_limited"), (429, {}, "")]
    assert [7.0, 1.0] == post(server)
    assert 1 == len(server.told)


def test_it_does_not_wait_for_ever(server: ChatServer) -> None:
    server.script.answers = [(429, {"Retry-After": "3600"}, "")]
    with pytest.raises(ServiceError, match="takes no more messages for 3600 s"):
        post(server)
    server.script.answers = [(429, {"Retry-After": "1"}, "")] * 3
    slept: list[float] = []
    with pytest.raises(ServiceError, match="HTTP 429"):
        webhook.post(server.url("slack"), {}, name="team", sleep=slept.append)
    assert [1.0, 1.0] == slept  # nothing follows the third


@pytest.mark.parametrize("nonsense", ["nan", "inf", "-inf", "soon"])
def test_a_time_that_is_none_is_a_second(server: ChatServer, nonsense: str) -> None:
    server.script.answers = [(429, {"Retry-After": nonsense}, "")]
    assert [1.0] == post(server)


@pytest.mark.parametrize("status", [400, 403, 410, 500, 503, 302])
def test_what_was_refused_is_not_sent_again(server: ChatServer, status: int) -> None:
    """Nobody knows whether a chat that stumbles has shown it."""
    server.script.answers = [(status, {"Location": "http://elsewhere.test/"}, "why")]
    with pytest.raises(ServiceError, match=f"HTTP {status} why"):
        post(server)
    assert 1 == server.asked


def test_a_silent_chat_is_not_waited_for(server: ChatServer) -> None:
    """And not told twice: it may have heard."""
    server.script.delay = 1.5
    with pytest.raises(ServiceError, match=r"does not answer at 127.0.0.1"):
        post(server, timeout=0.3)
    assert 1 == server.asked


@pytest.mark.parametrize(
    "url",
    [
        f"http://127.0.0.1:1/{SECRET}",
        f"http://nosuch.invalid/{SECRET}",
        f"http://[::1/{SECRET}",
        f"ftp://x/{SECRET}",
        SECRET,
        f"https://127.0.0.1:1/{SECRET}",
        f"http://{'x' * 300}.test/{SECRET}",
    ],
)
def test_the_address_is_a_secret_whatever_happens(url: str) -> None:
    """Not in the message, the hint, or anything that is printed of it."""
    one = Chat(name="team", kind="slack", timeout=2)
    (sent,) = chat.say(site(one), [one], "x", None, {one.webhook_variable: url})
    assert sent.failure is not None
    assert SECRET not in json.dumps(sent.as_dict())
    assert {SECRET, url} >= set(chat.secrets(site(one), {one.webhook_variable: url}))


def test_one_that_fails_keeps_no_other_from_being_told(server: ChatServer) -> None:
    first = Chat(name="a", kind="slack", webhook_variable="A")
    second = Chat(name="b", kind="slack", webhook_variable="B")
    sent = chat.say(site(first, second), [first, second], "x", None, {"B": server.url("slack")})
    assert [False, True] == [one.failure is None for one in sent]
    assert "set $A to its URL" in (sent[0].failure.hint if sent[0].failure else "")
    assert 1 == len(server.told)


def test_chats_are_chosen_by_name() -> None:
    one, other = (Chat(name=name, kind="slack") for name in ("a", "b"))
    assert [one, other] == chat.chosen(site(one, other), ())
    assert [other] == chat.chosen(site(one, other), ("b", "b"))
    with pytest.raises(UsageError, match="no chat 'c'"):
        chat.chosen(site(one, other), ("c",))
    with pytest.raises(SiteConfigError, match="names no chat"):
        chat.chosen(site(), ())
