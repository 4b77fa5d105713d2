"""`pydeploy report`."""

from __future__ import annotations

from typing import Any

import click

from pydeploy.commands import options

# As pydeploy.reporters.report.PHASES; help imports no reporter.
PHASES = (
    "started",
    "deployed",
    "failed-author",
    "failed-operator",
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
@click.option("--change", type=click.IntRange(min=1), required=True, help="Number of the change.")
@click.option("--patchset", type=click.IntRange(min=1), help="Number of the patchset.")
@click.option("--revision", type=options.REVISION, help="Commit of the patchset.")
@click.option("--phase", type=click.Choice(PHASES), help="Else as the result says.")
@click.option("--result", type=click.File(encoding="utf-8"), help="JSON that a command wrote.")
@click.option("--environment", metavar="NAME", help="If it is not called as the change.")
@click.option("--message", default="", metavar="TEXT", help="A word of your own below it.")
@click.option("--vote", type=_Vote(), metavar="N", help="This vote instead; none for no vote.")
@click.option("--dry-run", is_flag=True, help="Print the message; nothing is sent.")
@options.as_json
def command(**given: Any) -> None:
    """Tell a change in Gerrit what came of it, and vote.

    Deployed is +1, a failure that is the author's -1, everything else has no vote. Only the
    current patchset of an open change is voted on.
    """
    raise NotImplementedError
