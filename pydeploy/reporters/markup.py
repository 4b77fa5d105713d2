"""Text of a change as text: in no chat and no comment it may mention, link or format anything.

Words that could do so are set as code, in which none of them reads anything.  What the markups
differ in is how links are written, and what has to be escaped even in code.

Sources: Gerrit, "Comment formatting" (CommonMark since 3.8; before, quotes, lists, code and
indented blocks); Slack, api.slack.com/docs/message-formatting (`&`, `<`, `>` are to be escaped);
Mattermost, developers.mattermost.com/integrate/webhooks/incoming (markdown, `@channel`, and
Slack's `<!channel>`); BearyChat, its docs' robots/incoming.md (markdown).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from pydeploy import console

# A word that is more than a word somewhere: emphasis, code, links, mentions, entities, host names.
_ACTIVE = re.compile(
    r"[*~<>\[\]|@#\\^`]|(?<!\w)_|_(?!\w)|&[#\w]+;|:/|\w\.[^\W\d_]{2}|^(?:[-+=]+|\d+[.)])$"
)
_CODE = re.compile(r"`([^`\n]+)`")
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:\d+)?(/[A-Za-z0-9._~/%?=&:+,-]*)?")


class Ready(str):
    """Text that is as it should be sent; everything else is made so."""

    __slots__ = ()


@dataclass(frozen=True, kw_only=True)
class Markup:
    """How one kind of receiver reads text."""

    escape: Callable[[str], str]  # of everything, also in code
    link: Callable[[str], str]  # of a URL that has been looked at
    is_plain: bool = False  # reads no markup at all

    def inline(self, text: object) -> Ready:
        """On one line, whatever was in it."""
        words = " ".join(console.shown(str(text)).split())
        if self.is_plain:
            return Ready(words)
        parts = _CODE.split(words)  # what the text itself sets as code stays so
        found = [
            self._code(part) if number % 2 else self._words(part)
            for number, part in enumerate(parts)
        ]
        return Ready("".join(found).replace("``", "` `"))

    def block(self, text: object) -> Ready:
        """As it is, line by line; belongs on lines of its own."""
        lines = console.shown(str(text)).rstrip().replace("```", "'''")
        if self.is_plain or not lines:
            return Ready(lines)
        return Ready(f"```\n{self.escape(lines)}\n```")

    def linked(self, url: object) -> Ready:
        """A link, where it is one that we write."""
        text = str(url)
        return Ready(self.link(text)) if _URL.fullmatch(text) else self.inline(text)

    def _words(self, text: str) -> str:
        return "".join(
            self._code(word) if _ACTIVE.search(word) else self.escape(word)
            for word in re.split(r"(\s+)", text)
        )

    def _code(self, text: str) -> str:
        return f"`{self.escape(text.replace('`', chr(39)))}`"


def _for_slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _for_markdown(text: str) -> str:
    """Mattermost turns Slack's `<!channel>` into a mention before it looks for code."""
    return text.replace("<!", "< !")


MARKDOWN = Markup(escape=_for_markdown, link=str)
SLACK = Markup(escape=_for_slack, link=lambda url: f"<{_for_slack(url)}>")
PLAIN = Markup(escape=str, link=str, is_plain=True)
