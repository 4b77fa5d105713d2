"""`pydeploy notify`."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING

import click

from pydeploy import cli, console
from pydeploy.commands import options

if TYPE_CHECKING:
    from pydeploy.errors import PydeployError
    from pydeploy.reporters.chat import Sent
    from pydeploy.reporters.report import Report
    from pydeploy.state.store import Store


@click.command("notify", epilog="Example: pydeploy notify 'Tonight the site is away' --to team")
@click.argument("text")
@click.option("--environment", metavar="NAME", help="Add its link and state.")
@click.option("--result", type=click.File(encoding="utf-8"), help="Add what this result says.")
@click.option("--to", "chats", multiple=True, metavar="CHAT", help="Only in this chat of site.yml.")
@options.as_json
def command(
    text: str,
    environment: str | None,
    result: IO[str] | None,
    chats: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say TEXT in the team's chats, with the link of an environment or the result of a command.

    TEXT mentions nobody and links to nothing.
    """
    from pydeploy.reporters import chat, outbox
    from pydeploy.state import store

    site = cli.load_site()
    opened = store.connect(site)
    wanted = chat.chosen(site, chats)
    with console.hiding(chat.secrets(site)):
        report = _report(opened, environment, result)
        sent = outbox.keep_unsent(opened, chat.say(site, wanted, text, report))
        failure = _failure(sent)
        if as_json:
            error = {"error": failure.as_dict()} if failure else {}
            console.out_json({"chats": [one.as_dict() for one in sent], **error})
        for one in sent:
            console.say(f"{one.chat.name}: {_word(one)}")
        if not any(one.is_kept for one in sent):
            outbox.flush_quietly(site, opened)
        if failure:
            failure.is_printed = as_json
            raise failure


def _word(sent: Sent) -> str:
    if sent.is_kept:
        return "will be told later"
    return sent.failure.message if sent.failure else "told"


def _report(opened: Store, environment: str | None, result: IO[str] | None) -> Report | None:
    from pydeploy.reporters import reading

    build_url = os.environ.get("BUILD_URL", "")
    if result is not None:
        found = reading.result(result.read())
        name = environment or found.environment or "the environment"
        return reading.of_result(opened, found, None, environment=name, build_url=build_url)
    if environment is None:
        return None
    return reading.of_record(opened, None, environment=environment, build_url=build_url)


def _failure(sent: list[Sent]) -> PydeployError | None:
    """The first one's own; whoever mends it sees the next."""
    failures = [one.failure for one in sent if one.failure and not one.is_kept]
    return failures[0] if failures else None
