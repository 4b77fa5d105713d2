"""`pydeploy build-log`."""

from __future__ import annotations

import json

import click

from pydeploy import cli, console
from pydeploy.commands import options


@click.command("build-log", epilog="Example: pydeploy build-log docs/hello 12 --follow")
@click.argument("job")
@click.argument("number", type=click.IntRange(min=1), required=False)
@click.option("--follow", is_flag=True, help="Go on as lines come, until the build has ended.")
@click.option("--timeout", type=options.DURATION, default="1h", help="Longest wait (1h).")
@options.as_json
def command(job: str, number: int | None, follow: bool, timeout: int, as_json: bool) -> None:
    """Print the console of a build of JOB in Jenkins, of the last one without NUMBER.

    With --follow, --json prints one object a line.
    """
    from pydeploy.clients.jenkins import Jenkins
    from pydeploy.jenkins import console as consoles
    from pydeploy.jenkins import jobs
    from pydeploy.jenkins.waiting import Patience

    jenkins = Jenkins.of_site(cli.load_site())
    with console.hiding(jenkins.login.secrets):
        build = jobs.build(jenkins, job, number)
        if not follow:
            lines = consoles.lines(jenkins, build.job, build.number)
            _print(build.job, build.number, list(lines), as_json)
            return
        console.say(f"{build.job} {build.number}: {build.url}")
        patience = Patience.of(timeout, console.say)
        for line in consoles.follow(jenkins, build.job, build.number, patience):
            console.out(json.dumps({"line": line}) if as_json else console.safe(line))


def _print(job: str, number: int, lines: list[str], as_json: bool) -> None:
    if as_json:
        console.out_json({"job": job, "number": number, "lines": lines})
        return
    for line in lines:
        console.out(console.safe(line))
