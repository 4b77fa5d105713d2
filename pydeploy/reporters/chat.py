"""Messages to chats: what each kind of incoming webhook takes.

Sources: Slack, api.slack.com/messaging/webhooks; Mattermost, developers.mattermost.com/integrate/
webhooks/incoming; BearyChat, its docs' robots/incoming.md.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydeploy.clients import webhook
from pydeploy.config.site import Chat, Site
from pydeploy.errors import PydeployError, SiteConfigError, UsageError
from pydeploy.reporters import message
from pydeploy.reporters.markup import MARKDOWN, PLAIN, SLACK, Markup
from pydeploy.reporters.report import Report


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One chat's protocol: how it reads text, and the JSON around it."""

    markup: Markup
    payload: Callable[[str, str | None], Any]  # of the text and the channel


def _slack(text: str, channel: str | None) -> dict[str, Any]:
    return {"text": text, "unfurl_links": False, "unfurl_media": False, **_channel(channel)}


def _mattermost(text: str, channel: str | None) -> dict[str, Any]:
    return {"text": text, **_channel(channel)}


def _bearychat(text: str, channel: str | None) -> dict[str, Any]:
    return {"text": text, "markdown": True, **_channel(channel)}


def _channel(channel: str | None) -> dict[str, str]:
    return {"channel": channel} if channel else {}


def _of_template(text: str, _: str | None) -> Any:
    try:
        return json.loads(text)
    except ValueError as wrong:
        raise SiteConfigError(
            f"the template of a `webhook` gives no JSON: {wrong}",
            hint='print values with the filter json: {"text": {{ text | json }}}',
        ) from wrong


KINDS: dict[str, Kind] = {
    "slack": Kind(markup=SLACK, payload=_slack),
    "mattermost": Kind(markup=MARKDOWN, payload=_mattermost),
    "bearychat": Kind(markup=MARKDOWN, payload=_bearychat),
    "webhook": Kind(markup=PLAIN, payload=_of_template),
}


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What came of one chat."""

    chat: Chat
    failure: PydeployError | None = None
    body: Any = None  # that failed
    is_kept: bool = False  # in the outbox, to be said later

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.chat.name,
            "kind": self.chat.kind,
            "is_sent": self.failure is None,
            "is_kept": self.is_kept,
            "error": self.failure.as_dict() if self.failure else None,
        }


def chosen(site: Site, names: tuple[str, ...]) -> list[Chat]:
    """Those of site.yml with these names, all without any."""
    known = {one.name: one for one in site.chat}
    if not known:
        raise SiteConfigError("site.yml names no chat", hint="add one below `chat`: docs/chat.md")
    for name in names:
        if name not in known:
            raise UsageError(
                f"there is no chat {name!r} in site.yml", hint=f"choose of: {', '.join(known)}"
            )
    return [known[name] for name in dict.fromkeys(names)] if names else list(known.values())


def secrets(site: Site, env_vars: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """What must never be printed: the webhooks, and what follows their host."""
    variables = os.environ if env_vars is None else env_vars
    urls = [variables.get(one.webhook_variable, "") for one in site.chat]
    paths = [url.partition("://")[2].partition("/")[2] for url in urls]
    return tuple(one for one in (*urls, *paths) if one)


def payload(chat: Chat, text: str, report: Report | None, *, templates: Path | None = None) -> Any:
    """What goes over the wire; a pure function but for the template's file."""
    kind = KINDS[chat.kind]
    said = message.of_text(
        text,
        report,
        markup=kind.markup,
        template=chat.template,
        templates=templates,
        is_whole=chat.kind == "webhook",
    )
    return kind.payload(said, chat.channel)


def say(
    site: Site,
    chats: list[Chat],
    text: str,
    report: Report | None,
    env_vars: Mapping[str, str] | None = None,
) -> list[Sent]:
    """In each; one that fails keeps none of the others from being told."""
    variables = os.environ if env_vars is None else env_vars
    return [_sent(site, chat, text, report, variables) for chat in chats]


def _sent(
    site: Site, chat: Chat, text: str, report: Report | None, variables: Mapping[str, str]
) -> Sent:
    body = None
    try:
        body = payload(chat, text, report, templates=site.report.templates)
        send(chat, body, variables)
    except PydeployError as failure:
        return Sent(chat=chat, failure=failure, body=body)
    return Sent(chat=chat)


def send(chat: Chat, body: Any, env_vars: Mapping[str, str] | None = None) -> None:
    """What `payload` made, to the chat's webhook."""
    variables = os.environ if env_vars is None else env_vars
    url = variables.get(chat.webhook_variable, "").strip()
    if not url:
        raise SiteConfigError(
            f"the webhook of chat {chat.name!r} is not known here",
            hint=f"set ${chat.webhook_variable} to its URL",
        )
    webhook.post(url, body, name=chat.name, ca=chat.ca, timeout=chat.timeout)
