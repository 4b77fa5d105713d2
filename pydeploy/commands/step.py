"""`pydeploy step`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pydeploy import cli, console

if TYPE_CHECKING:
    from pydeploy.steps.arguments import Asked


@click.command(
    "step",
    epilog='Example: PYDEPLOY_STEP=\'{"step": "status"}\' PYDEPLOY_RESULT=result pydeploy step',
)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Run the step that $PYDEPLOY_STEP describes, and write its result into $PYDEPLOY_RESULT.

    The steps of vars/ call it. What the pipeline does not say of the change comes from GERRIT_*,
    else from git.
    """
    from pydeploy.steps import arguments

    asked = arguments.read(os.environ.get(arguments.VARIABLE))
    asked = _with_result(asked.filled(_facts(asked)))
    if asked.about:
        console.out_json(asked.about)  # what the command tells comes over it
    code = cli.pydeploy.main(arguments.argv(asked), prog_name="pydeploy", standalone_mode=False)
    ctx.exit(code if isinstance(code, int) else 0)


def _facts(asked: Asked) -> dict[str, Any]:
    from pydeploy.repository import git
    from pydeploy.steps import facts

    if not asked.step.change:
        return {}
    root = (asked.folder if (asked.folder / ".git").exists() else Path()).absolute()
    checkout = facts.Checkout(
        head=git.head(root),
        refs=git.refs_at_head(root),
        fetched=git.fetched(root),
        origin=git.origin(root),
    )
    return facts.find(os.environ, checkout).for_step(asked.arguments)


def _with_result(asked: Asked) -> Asked:
    """A report without a result is about what the build has done so far."""
    from pydeploy.steps import arguments, earlier, folder

    mine = folder.open_folder(os.environ.get(folder.VARIABLE), Path.cwd())
    try:
        earlier.forget(mine.path)
        given = asked.arguments.get("result")
        path: Path | None = None
        if given:
            path = earlier.path_of(given, mine)
        elif asked.name == "report":
            is_failing = "failing" in asked.arguments
            path = earlier.of_build(mine.path, os.environ.get("BUILD_TAG", ""), is_failing)
    finally:
        mine.close()
    return asked if path is None else arguments.with_path(asked, "result", path)
