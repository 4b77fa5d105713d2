"""`pydeploy jobs`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pydeploy import cli, console
from pydeploy.commands import options

if TYPE_CHECKING:
    from pydeploy.jenkins.values import Job


@click.command("jobs", epilog="Example: pydeploy jobs docs --json")
@click.argument("folder", required=False)
@options.as_json
def command(folder: str | None, as_json: bool) -> None:
    """List the jobs of Jenkins, or of one FOLDER of it, with their last builds."""
    from pydeploy.clients.jenkins import Jenkins
    from pydeploy.jenkins import jobs

    jenkins = Jenkins.of_site(cli.load_site())
    with console.hiding(jenkins.login.secrets):
        found = jobs.jobs(jenkins, folder or "")
        if as_json:
            console.out_json([_described(one) for one in found])
        elif not found:
            console.say("there are no jobs that this account may see")
        else:
            console.table(("JOB", "LAST BUILD", "RESULT", "URL"), [_row(one) for one in found])


def _row(job: Job) -> tuple[str, ...]:
    last = job.last_build
    number = str(last.number) if last else ""
    return (job.name, number, _result(job), job.url)


def _result(job: Job) -> str:
    if not job.is_buildable:
        return "disabled"
    if job.last_build is None:
        return ""
    return "running" if job.last_build.is_building else job.last_build.result or ""


def _described(job: Job) -> dict[str, Any]:
    last = job.last_build
    return {
        "name": job.name,
        "url": job.url,
        "is_buildable": job.is_buildable,
        "last_build": {
            "number": last.number,
            "url": last.url,
            "is_building": last.is_building,
            "result": last.result,
        }
        if last
        else None,
    }
