"""From a report to text: a pure function of the report, a template and a markup.

Templates are jinja2, in a sandbox; a site may replace each.  Whatever they print is made harmless
for the markup, unless a filter has done it already.
"""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydeploy import durations
from pydeploy.errors import SiteConfigError
from pydeploy.reporters.markup import MARKDOWN, Markup, Ready
from pydeploy.reporters.report import Report

if TYPE_CHECKING:
    import jinja2

_OURS = Path(__file__).parent.parent / "templates" / "report"
_LONGEST_LINE = 400  # characters of a log's line
LONGEST = 12_000  # bytes; Gerrit takes 16 KiB (change.commentSizeLimit)
LONGEST_IN_CHAT = 3_800  # bytes; Mattermost began with 4000 characters, Slack says about 4000


def of_phase(
    report: Report, *, markup: Markup = MARKDOWN, templates: Path | None = None, log_lines: int = 30
) -> str:
    """The whole message of a report's phase, from `<phase>.txt.j2`."""
    source = _loader(templates)
    name = f"{report.phase}.txt.j2"
    return cut(render(name, source, report, markup=markup, log_lines=log_lines))


def of_text(
    text: str,
    report: Report | None,
    *,
    markup: Markup,
    template: Path | None = None,
    templates: Path | None = None,
    is_whole: bool = False,
) -> str:
    """What a chat is told: `text`, and what there is of a report; from `chat.txt.j2`.

    With `is_whole` nothing is cut off: it would be no JSON any more.
    """
    source = _loader(template.parent if template else templates)
    name = template.name if template else "chat.txt.j2"
    said = render(name, source, report, markup=markup, log_lines=30, text=text)
    return said if is_whole else cut(said, LONGEST_IN_CHAT)


def render(
    name: str,
    loader: jinja2.BaseLoader,
    report: Report | None,
    *,
    markup: Markup,
    log_lines: int,
    **more: Any,
) -> str:
    """SiteConfigError when the template is wrong: it is the operator's."""
    import jinja2

    values = {one.name: getattr(report, one.name) for one in fields(report)} if report else {}
    known = {"report": report, **values, **more}
    if report:
        known |= {"again": report.again, "could_not_be": report.could_not_be}
    environment = _environment(loader, markup, log_lines)
    try:
        text = environment.get_template(name).render(known)
    except jinja2.TemplateNotFound as absent:
        raise SiteConfigError(f"there is no template {absent.name}") from absent
    except jinja2.TemplateSyntaxError as wrong:
        raise SiteConfigError(
            f"template {wrong.filename or name}: line {wrong.lineno}: {wrong.message}"
        ) from wrong
    except Exception as wrong:  # a template is a program: it can raise whatever it likes
        raise SiteConfigError(f"template {name}: {wrong}") from wrong
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def cut(text: str, limit: int = LONGEST) -> str:
    """At most `limit` bytes; what is cut off is said, and a block is closed."""
    if len(text.encode()) <= limit:
        return text
    left = text.encode()[: limit - 40].decode(errors="ignore")
    if left.count("```") % 2:
        left += "\n```"
    elif left.rpartition("\n")[2].count("`") % 2:
        left += "`"
    return f"{left}\n(cut)"


def tail(logs: str, lines: int) -> str:
    """The last lines, each of a bearable length; they say why it failed."""
    last = logs.rstrip().splitlines()[-lines:] if lines else []
    return "\n".join(
        line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]} ..." for line in last
    )


def _loader(folder: Path | None) -> jinja2.BaseLoader:
    import jinja2

    if folder is not None and not folder.is_dir():
        raise SiteConfigError(
            f"there is no folder {folder}", hint="see report/templates in site.yml"
        )
    folders = [folder, _OURS] if folder else [_OURS]
    return jinja2.FileSystemLoader([str(one) for one in folders])


def _environment(loader: jinja2.BaseLoader, markup: Markup, log_lines: int) -> jinja2.Environment:
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        loader=loader,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if isinstance(value, Ready) else _harmless(markup, value),
    )
    environment.filters |= {
        "block": markup.block,
        "link": markup.linked,
        "inline": markup.inline,
        "tail": lambda logs: tail(str(logs), log_lines),
        "took": _took,
        "short": short,
        "json": _json,
    }
    return environment


def _harmless(markup: Markup, value: Any) -> Any:
    import jinja2

    if isinstance(value, jinja2.Undefined):  # says itself what is missing
        return value
    return markup.inline("" if value is None else value)


def _took(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else durations.show(seconds)


def short(text: str) -> str:
    """A digest or commit as people compare them."""
    match = re.fullmatch(r"(?:sha256:)?([0-9a-f]{12})[0-9a-f]{20,}", text)
    return match[1] if match else text


def _json(value: Any) -> Ready:
    import json

    return Ready(json.dumps(value, ensure_ascii=False))
