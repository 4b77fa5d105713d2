"""Incoming webhooks of chats: one POST of JSON to an address that is a secret.

Nothing here ever names more of the address than its host.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydeploy.clients.reach import reason
from pydeploy.errors import ServiceError

_PATIENCE = 30.0  # seconds that we wait altogether when asked to come back later
_TRIES = 3
_SHORTEST = 4  # characters of a part of the address that is hidden


def post(
    url: str,
    body: Any,
    *,
    name: str,
    ca: Path | None = None,
    timeout: float = 10.0,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """ServiceError unless it was taken; `name` is what the chat is called in messages.

    Sent again only where it was not taken for sure: no connection came about, or the answer is
    429 (RFC 6585), after as long as Retry-After says.
    """
    import urllib3
    import urllib3.exceptions

    host = _host(url)
    if not host:
        raise ServiceError(
            f"the webhook of chat {name!r} is no http:// or https:// URL",
            service="chat",
            hint="correct the variable that webhook_variable names in site.yml",
        )
    pool = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=min(timeout, 5.0), read=timeout),
        ca_certs=str(ca) if ca else None,
    )
    # Without respect_retry_after_header: urllib3 would send a POST again that 503 answered.
    unsent = urllib3.Retry(
        total=2,
        connect=2,
        read=0,
        status=0,
        other=0,
        allowed_methods=None,
        backoff_factor=0.3,
        respect_retry_after_header=False,
    )
    left = _PATIENCE
    for left_tries in reversed(range(_TRIES)):
        try:
            response = pool.request(
                "POST",
                url,
                body=json.dumps(body).encode(),
                headers={"Content-Type": "application/json"},
                redirect=False,
                retries=unsent,
            )
        except (urllib3.exceptions.HTTPError, UnicodeError) as problem:
            why = f"does not answer at {host}: {_hidden(reason(problem), url)}"
            raise _refused(name, why, is_passing=True) from None
        if response.status != 429 or not left_tries:
            break
        wait = _seconds(response.headers.get("Retry-After"))
        if wait > left:
            why = f"takes no more messages for {wait:g} s"
            raise _refused(name, why, "say less, or later", is_passing=True)
        left -= wait
        sleep(wait)
    if not 200 <= response.status < 300:
        said = _hidden(_said(response.data), url)
        raise _refused(
            name,
            f"refused the message: HTTP {response.status}{said}",
            is_passing=response.status == 429 or response.status >= 500,
        )


def _host(url: str) -> str:
    """Empty where it is no URL for us."""
    try:
        parts = urlsplit(url)
        return (parts.hostname or "") if parts.scheme in ("http", "https") else ""
    except ValueError:
        return ""


def _hidden(text: str, url: str) -> str:
    """`text` without any part of the address, should it repeat one."""
    for part in sorted({*re.split(r"[/?&=#]", url.partition("://")[2])[1:]}, key=len)[::-1]:
        if len(part) >= _SHORTEST:
            text = text.replace(part, "***")
    return text


def _refused(name: str, what: str, hint: str = "", *, is_passing: bool = False) -> ServiceError:
    return ServiceError(
        f"chat {name!r} {what}",
        service="chat",
        is_passing=is_passing,
        hint=hint or "is its webhook still there, and its channel? docs/chat.md",
    )


def _seconds(retry_after: str | None) -> float:
    """Of the header; a date, or nothing that is a number, is one second."""
    try:
        seconds = float(retry_after or 1)
    except ValueError:
        return 1.0
    return max(seconds, 0.1) if math.isfinite(seconds) else 1.0


def _said(data: bytes) -> str:
    """The chat's reason: one word in plain text (Slack), or JSON with `message` (Mattermost)."""
    text = data[:2000].decode(errors="replace").strip()
    try:
        found = json.loads(text)
        text = str(found.get("message") or found.get("error") or "")
    except (ValueError, AttributeError):
        pass
    return f" {text.splitlines()[0][:200]}" if text and not text.startswith("<") else ""
