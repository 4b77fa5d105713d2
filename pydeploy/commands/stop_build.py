"""`pydeploy stop-build`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pydeploy import cli, console
from pydeploy.commands import options

if TYPE_CHECKING:
    from pydeploy.clients.jenkins import Jenkins
    from pydeploy.jenkins.values import Build


@click.command("stop-build", epilog="Example: pydeploy stop-build docs/hello 12")
@click.argument("job")
@click.argument("number", type=click.IntRange(min=1), required=False)
@click.option("--queue-id", type=click.IntRange(min=1), help="What waits, by its queue item.")
@click.option("--hard", is_flag=True, help="Terminate what does not stop, and at last kill it.")
@options.as_json
def command(job: str, number: int | None, queue_id: int | None, hard: bool, as_json: bool) -> None:
    """Stop a build of JOB in Jenkins, the last one without NUMBER, and say what became of it."""
    from pydeploy.clients.jenkins import Jenkins
    from pydeploy.errors import UsageError

    if number and queue_id:
        raise UsageError("NUMBER or --queue-id, not both")
    jenkins = Jenkins.of_site(cli.load_site())
    with console.hiding(jenkins.login.secrets):
        build = _stopped(jenkins, job, number, queue_id, hard)
        if as_json:
            console.out_json(
                {
                    "job": build.job if build else job,
                    "number": build.number if build else None,
                    "url": build.url if build else None,
                    "is_building": bool(build and build.is_building),
                    "result": build.result if build else None,
                }
            )
        else:
            console.out(console.safe(_sentence(build, job, hard)))


def _stopped(
    jenkins: Jenkins, job: str, number: int | None, queue_id: int | None, hard: bool
) -> Build | None:
    from pydeploy.jenkins import jobs, stopping, values

    if queue_id:
        asked = values.Triggered(job=values.job_name(job), queue_id=queue_id)
        return stopping.stop_triggered(jenkins, asked, is_hard=hard, say=console.say)
    build = jobs.build(jenkins, job, number)
    return stopping.stop(jenkins, build.job, build.number, is_hard=hard, say=console.say)


def _sentence(build: Build | None, job: str, hard: bool) -> str:
    if build is None:
        return f"{job} was taken out of the queue"
    if build.has_ended:
        return f"{build.job} {build.number} has ended: {build.result}"
    harder = "" if hard else "; `--hard` ends it harder"
    return f"{build.job} {build.number} has not ended yet{harder}"
