"""`pydeploy check`: everything that is wrong with a microservice, at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pydeploy import cli, console
from pydeploy.commands import options

if TYPE_CHECKING:
    from pydeploy.config.site import Site
    from pydeploy.errors import PydeployError
    from pydeploy.repository.inspect import Inspection


@click.command(
    "check",
    epilog="Examples: `pydeploy check`, `pydeploy check ../docs --json`, "
    "`pydeploy check --junit check.xml`.",
)
@click.argument("path", default=".", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--junit", metavar="FILE", type=click.Path(path_type=Path), help="Write JUnit XML, too."
)
@click.option("--change", type=click.IntRange(min=1), help="Number of the change.")
@click.option("--patchset", type=click.IntRange(min=1), help="Number of the patchset.")
@click.option("--gerrit-project", metavar="G", help="Project as Gerrit names it, for exceptions.")
@click.option("--branch", metavar="B", help="Branch as Gerrit names it, for exceptions.")
def command(
    path: Path,
    as_json: bool,
    junit: Path | None,
    change: int | None,
    patchset: int | None,
    gerrit_project: str | None,
    branch: str | None,
) -> None:
    """Check the microservice in PATH: layout, Compose, policy, Dockerfiles, secrets.

    Prints every finding with its place, why it matters and how to mend it.
    Exit 2 if any is an error.  Nothing is built, and no engine is needed.
    """
    from pydeploy.repository import formats, inspect

    site, said = _site(), None
    if change is not None and path.is_dir():
        flags = {
            "change": change,
            "patchset": patchset,
            "revision": None,
            "gerrit_project": gerrit_project,
            "branch": branch,
        }
        said = options.asked_of_gerrit(path.absolute(), flags, site=site, is_built=False)
    if said is not None:
        gerrit_project, branch = said.gerrit_project or None, said.branch or None
    inspection = inspect(path, site=site, gerrit_project=gerrit_project, branch=branch)
    if junit is not None:
        _write(junit, formats.junit(inspection.findings))
    failure = inspection.failure(brief=True)
    if failure is not None and said is not None:
        from pydeploy.gerrit import origin

        failure = origin.blame(said, failure)
    if as_json:
        console.out_json(_result(inspection, failure))
    else:
        console.out(formats.text(inspection.findings))
    if failure is not None:
        failure.is_printed = as_json
        raise failure


def _site() -> Site:
    """The site; where none was named and none is installed, the default policy is good enough."""
    from pydeploy.config import site

    flag = click.get_current_context().find_root().obj
    if not flag and not os.environ.get("PYDEPLOY_SITE") and not site.DEFAULT_PATH.is_file():
        console.say(f"no site file at {site.DEFAULT_PATH}: checking with the default policy")
        return site.Site()
    return cli.load_site()


def _write(file: Path, text: str) -> None:
    from pydeploy.errors import UsageError

    try:
        file.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise UsageError(f"{file} cannot be written: {problem.strerror}") from problem


def _result(inspection: Inspection, failure: PydeployError | None) -> dict[str, Any]:
    from pydeploy.repository import formats

    checkout = inspection.checkout
    result: dict[str, Any] = {
        "findings": formats.as_data(inspection.findings),
        "errors": len(inspection.errors),
        "warnings": len(inspection.findings) - len(inspection.errors),
    }
    if checkout is not None:
        result["service"] = checkout.service_name
        result["revision"] = checkout.revision
        result["is_dirty"] = checkout.is_dirty
        result["services"] = sorted(checkout.model["services"])
    if failure is not None:
        result["error"] = failure.as_dict()
    return result
