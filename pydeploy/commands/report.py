"""`pydeploy report`."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import IO, TYPE_CHECKING, Any

import click

from pydeploy import cli, console
from pydeploy.commands import options

if TYPE_CHECKING:
    from pydeploy.config.site import Site
    from pydeploy.reporters.gerrit import Said, Word
    from pydeploy.reporters.report import Phase, Report
    from pydeploy.state.store import Store

# As pydeploy.reporters.report.PHASES; help imports no reporter.
PHASES = (
    "started",
    "deployed",
    "failed-author",
    "failed-operator",
    "untrusted",
    "aborted",
    "superseded",
    "removed",
    "promoted",
)


class _Vote(click.ParamType[int | str]):
    name = "vote"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        if value == "none":
            return "none"
        try:
            return int(value)
        except ValueError:
            self.fail(f"{value!r} is not a vote; write for example +1, -1, or none", param, ctx)


@click.command(
    "report",
    epilog="Example: pydeploy report --change 10020 --patchset 3 --result result.json",
)
@click.option("--change", type=click.IntRange(min=1), help="Number of the change.")
@click.option("--patchset", type=click.IntRange(min=1), help="Number of the patchset.")
@click.option("--revision", type=options.REVISION, help="Commit of the patchset.")
@click.option("--phase", type=click.Choice(PHASES), help="Else as the result says.")
@click.option("--result", type=click.File(encoding="utf-8"), help="JSON that a command wrote.")
@click.option("--failing", default="", metavar="WHY", help="The build fails, whatever worked.")
@click.option("--environment", metavar="NAME", help="If it is not called as the change.")
@click.option("--message", default="", metavar="TEXT", help="A word of your own below it.")
@click.option("--vote", type=_Vote(), metavar="N", help="This vote instead; none for no vote.")
@click.option("--dry-run", is_flag=True, help="Print the message; nothing is sent.")
@click.option("--flush", is_flag=True, help="Only send what waits in the outbox.")
@options.as_json
def command(
    change: int | None,
    patchset: int | None,
    revision: str | None,
    phase: Phase | None,
    result: IO[str] | None,
    failing: str,
    environment: str | None,
    message: str,
    vote: int | str | None,
    dry_run: bool,
    flush: bool,
    as_json: bool,
) -> None:
    """Tell a change in Gerrit what came of it, and vote.

    Deployed is +1, a failure that is the author's -1, everything else has no vote. Only the
    current patchset of an open change is voted on.
    """
    from pydeploy.errors import UsageError
    from pydeploy.reporters import message as messages
    from pydeploy.reporters.gerrit import Word
    from pydeploy.state import store

    site = cli.load_site()
    opened = store.connect(site)
    if flush:
        _flush(site, opened, as_json)
        return
    if change is None:
        raise UsageError("missing --change", hint="pass --change N, or --flush")
    report = _report(
        opened,
        result,
        phase,
        failing,
        environment=environment or str(change),
        change=change,
        patchset=patchset,
        text=message,
    )
    text = messages.of_phase(
        report, templates=site.report.templates, log_lines=site.report.log_lines
    )
    word = Word(
        phase=report.phase,
        change=change,
        environment=report.environment if report.is_named else "",
        patchset=report.patchset,
        revision=revision or "",
        message=text,
        label=site.gerrit.label,
        vote=_vote(site, report, vote),
        notify="NONE" if report.phase == "started" else site.gerrit.notify,
    )
    said = None if dry_run else _say(site, opened, word)
    _print(word, said, as_json)


def _report(
    opened: Store, result: IO[str] | None, phase: Phase | None, failing: str, **facts: Any
) -> Report:
    from pydeploy.reporters import failing as failures
    from pydeploy.reporters import reading

    facts["build_url"] = os.environ.get("BUILD_URL", "")
    found = reading.result(result.read()) if result else None
    if failing and not phase and (failed := failures.of_build(found, failing, **facts)):
        return failed
    if found is None:
        return reading.of_record(opened, phase, **facts)
    return reading.of_result(opened, found, phase, **facts)


def _vote(site: Site, report: Report, wanted: int | str | None) -> int | None:
    """What the caller wants, else as the report has it; nothing where somebody else votes."""
    from pydeploy.errors import UsageError

    if isinstance(wanted, int) and not site.gerrit.vote:
        raise UsageError(
            "site.yml says that somebody else votes (gerrit/vote)", hint="leave --vote away"
        )
    if wanted == "none" or not site.gerrit.vote:
        return None
    return wanted if isinstance(wanted, int) else report.vote


def _say(site: Site, opened: Store, word: Word) -> Said:
    from pydeploy.clients.gerrit import door
    from pydeploy.reporters import outbox

    with console.hiding(door.secrets()):
        said = outbox.say(site, opened, word)
        if not said.is_kept:
            outbox.flush_quietly(site, opened)
        return said


def _flush(site: Site, opened: Store, as_json: bool) -> None:
    from pydeploy.clients.gerrit import door
    from pydeploy.reporters import chat, outbox

    with console.hiding((*door.secrets(), *chat.secrets(site))):
        done = outbox.flush(site, opened)
    if as_json:
        console.out_json(asdict(done))
    else:
        console.say(f"outbox: {done.sent} sent, {done.dropped} dropped, {done.left} left")


def _print(word: Word, said: Said | None, as_json: bool) -> None:
    if as_json:
        done = said.as_dict() if said else {"patchset": word.patchset}
        console.out_json(
            {
                "change": word.change,
                "phase": word.phase,
                "is_posted": False,
                "is_kept": False,
                "label": word.label if done.get("vote") is not None else None,
                "vote": None,
                "why": "nothing was sent: --dry-run",
                **done,
                "message": word.message,
            }
        )
    elif said is None:
        console.out(word.message)
    else:
        console.say(_sentence(word, said))


def _sentence(word: Word, said: Said) -> str:
    what = f"change {word.change}" + (f", patchset {said.patchset}" if said.patchset else "")
    if said.is_kept:
        return f"{what}: will be told later: {said.why}"
    if not said.is_posted:
        return f"{what}: nothing was posted: {said.why}"
    vote = f", {word.label} {said.vote:+d}" if said.vote is not None else ""
    return f"{what}: told ({word.phase}{vote})" + (f"; no vote: {said.why}" if said.why else "")
