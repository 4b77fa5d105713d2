"""Chats that take messages by webhook, as each documents it; refuses what the real one refuses.

Slack: api.slack.com/messaging/webhooks, and its list of errors (changelog of 2016-05-17); rate
limits by 429 with Retry-After.  Mattermost: developers.mattermost.com/integrate/webhooks/incoming;
the bodies as a server of version 6.7 took and answered them.  BearyChat: its documentation's
robots/incoming.md; how it answered was not documented, so only the status is.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "T0/B0/abcdefSECRET"  # what a webhook's address is known by
KNOWN = {
    "slack": {"text", "attachments", "blocks", "unfurl_links", "unfurl_media", "channel"},
    "mattermost": {"text", "channel", "username", "icon_url", "attachments", "type", "props"},
    "bearychat": {"text", "markdown", "channel", "user", "notification", "attachments"},
}
LONGEST = {"slack": 40_000, "mattermost": 4_000, "bearychat": 8_192}
CHANNELS = {"deploys", "#deploys", "town-square"}


@dataclass
class Told:
    kind: str
    body: Any


@dataclass
class Script:
    """What the next requests are answered, before the protocol has its say."""

    answers: list[tuple[int, dict[str, str], str]] = field(default_factory=list)
    delay: float = 0.0


class ChatServer(ThreadingHTTPServer):
    """`http://.../<kind>/<secret>`; `any` takes every JSON."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.told: list[Told] = []
        self.asked = 0
        self.script = Script()

    def url(self, kind: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{kind}/{SECRET}"

    def serve(self) -> ChatServer:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self


class _Handler(BaseHTTPRequestHandler):
    server: ChatServer

    def do_POST(self) -> None:
        self.server.asked += 1
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        time.sleep(self.server.script.delay)
        if self.server.script.answers:
            self._answer(*self.server.script.answers.pop(0))
            return
        kind, _, secret = self.path.strip("/").partition("/")
        status, text = self._judge(kind, secret, data)
        if status == 200:
            self.server.told.append(Told(kind, json.loads(data)))
        self._answer(status, {}, text)

    def _judge(self, kind: str, secret: str, data: bytes) -> tuple[int, str]:
        """As the chat of that kind does."""
        if secret != SECRET:
            return (
                (404, "no_service") if kind == "slack" else (400, _mattermost("Invalid webhook."))
            )
        if self.headers.get("Content-Type") != "application/json":
            return 400, "invalid_payload"
        try:
            body = json.loads(data)
        except ValueError:
            return 400, "invalid_payload"
        if kind == "any":
            return 200, "thanks"
        text = body.get("text") if isinstance(body, dict) else None
        if not isinstance(text, str) or not text or set(body) - KNOWN[kind]:
            return 400, "invalid_payload" if kind == "slack" else _mattermost("Invalid payload.")
        if len(text) > LONGEST[kind]:
            return 400, _mattermost("The text is too long.")
        if body.get("channel") and body["channel"] not in CHANNELS:
            wrong = _mattermost("Couldn't find the channel.")
            return 404, "channel_not_found" if kind == "slack" else wrong
        return 200, "ok"

    def _answer(self, status: int, headers: dict[str, str], text: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        pass


def _mattermost(message: str) -> str:
    """Its errors are JSON."""
    return json.dumps({"id": "web.incoming_webhook.error", "message": message, "status_code": 400})
