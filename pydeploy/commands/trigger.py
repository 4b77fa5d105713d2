"""`pydeploy trigger`."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from pydeploy import cli, console
from pydeploy.commands import options

if TYPE_CHECKING:
    from pydeploy.clients.jenkins import Jenkins
    from pydeploy.config.site import Site
    from pydeploy.errors import Interrupted, PydeployError
    from pydeploy.jenkins.once import Ledger
    from pydeploy.jenkins.values import Build, Request, Triggered


@click.command("trigger", epilog="Example: pydeploy trigger docs/hello -p BRANCH=master --wait")
@click.argument("job")
@click.option("-p", "--parameter", multiple=True, metavar="KEY=VALUE", help="A parameter.")
@click.option(
    *("-e", "--parameter-from"),
    multiple=True,
    metavar="KEY=VARIABLE",
    help="A parameter whose value is in a process variable: for secrets.",
)
@click.option("-f", "--file", multiple=True, metavar="KEY=FILE", help="A file parameter.")
@click.option("--wait", is_flag=True, help="Wait for the result; the exit code tells it.")
@click.option("--follow", is_flag=True, help="Wait, and print the console as it comes.")
@click.option("--timeout", type=options.DURATION, default="1h", help="Longest wait (1h).")
@click.option("--idempotency-key", metavar="KEY", help="At most one build a day under this key.")
@click.option("--stop-on-interrupt", is_flag=True, help="Ctrl-C and SIGTERM stop the build, too.")
@options.as_json
def command(
    job: str,
    parameter: tuple[str, ...],
    parameter_from: tuple[str, ...],
    file: tuple[str, ...],
    wait: bool,
    follow: bool,
    timeout: int,
    idempotency_key: str | None,
    stop_on_interrupt: bool,
    as_json: bool,
) -> None:
    """Start a build of JOB (folder/job) in Jenkins, and print where it is.

    With --wait or --follow it exits with 10 when the build is UNSTABLE, 11 FAILURE, 12 ABORTED,
    13 NOT_BUILT.
    """
    from pydeploy.clients.jenkins import Jenkins
    from pydeploy.errors import Interrupted, PydeployError
    from pydeploy.jenkins import parameters, values

    site = cli.load_site()
    jenkins = Jenkins.of_site(site)
    shown = parameters.pairs(parameter, "-p KEY=VALUE")
    hidden = parameters.from_variables(parameter_from, os.environ)
    request = values.Request(
        job=values.job_name(job),
        parameters=parameters.merged(shown, hidden),
        files=parameters.files(file),
        open=frozenset(shown),
    )
    with console.hiding((*jenkins.login.secrets, *hidden.values())):
        run = _Run(jenkins, site, idempotency_key or "", is_quiet=as_json)
        try:
            run.ask(request)
            if wait or follow:
                run.wait(timeout, has_console=follow)
        except (Interrupted, PydeployError) as failure:
            if isinstance(failure, Interrupted):
                run.offer_to_stop(stop_on_interrupt)
            failure.is_printed = as_json and run.print_failure(failure)
            raise
        run.print(as_json)
    if run.build:
        click.get_current_context().exit(run.build.exit_code)


class _Run:
    """One trigger, as far as it has come."""

    def __init__(self, jenkins: Jenkins, site: Site, key: str, *, is_quiet: bool) -> None:
        self._jenkins = jenkins
        self._key = key
        self._ledger = _ledger(site) if key else None
        self._is_quiet = is_quiet
        self._asked: Triggered | None = None
        self.build: Build | None = None

    def ask(self, request: Request) -> None:
        from pydeploy.jenkins import trigger

        found = trigger.trigger(
            self._jenkins,
            request,
            ledger=self._ledger,
            key=self._key,
            warn=console.warn,
            on_asked=self._remember,
        )
        self._remember(found)
        if found.is_repeat:
            console.say(f"asked for before under the key {self._key!r}; that build counts")
        elif found.is_merged:
            console.say("the same waited in the queue already; Jenkins makes one build of both")

    def _remember(self, asked: Triggered) -> None:
        self._asked = asked

    def wait(self, timeout: int, *, has_console: bool) -> None:
        from pydeploy.jenkins import following
        from pydeploy.jenkins.waiting import Patience

        assert self._asked is not None  # noqa: S101 (for mypy: it was asked)
        self.build = following.follow(
            self._jenkins,
            self._asked,
            Patience.of(timeout, console.say),
            on_start=self._has_started,
            on_line=self._print_line if has_console else None,
        )

    def _has_started(self, asked: Triggered, build: Build) -> None:
        self._remember(asked)
        if self._ledger:
            self._ledger.note_number(self._jenkins, asked, self._key, console.warn)
        console.say(f"{build.job} {build.number}: {build.url}")

    def _print_line(self, line: str) -> None:
        """On stdout, unless that is for the JSON."""
        if self._is_quiet:
            console.say(line)
        else:
            console.out(console.safe(line))

    def offer_to_stop(self, is_wanted: bool) -> None:
        """Stop what runs where somebody says so, else say how.

        What somebody else asked for first is theirs: it is never stopped from here.
        """
        asked = self._asked
        if asked is None:  # nothing was sent
            return
        if not asked.is_own:
            is_wanted = False
        elif not is_wanted and sys.stdin.isatty() and sys.stderr.isatty():
            is_wanted = click.confirm(f"stop {asked.job} in Jenkins, too?", err=True)
        if is_wanted and self._stop(asked):
            return
        which = asked.number or f"--queue-id {asked.queue_id}"
        console.say(f"{asked.job} goes on in Jenkins: {self._where(asked)}")
        console.say(f"  → to stop it: pydeploy stop-build {shlex.quote(asked.job)} {which}")

    def _stop(self, asked: Triggered) -> bool:
        from pydeploy import interrupts
        from pydeploy.errors import ServiceError
        from pydeploy.jenkins import stopping

        try:
            with interrupts.held_back():
                if stopping.is_shared(self._jenkins, asked):
                    console.say(f"somebody else asked for the same build of {asked.job}")
                    return False
                stopping.stop_triggered(self._jenkins, asked, say=console.say)
        except ServiceError as failure:
            console.warn(f"it could not be stopped: {failure.message}")
            return False
        return True

    def _where(self, asked: Triggered) -> str:
        """The URL of the build, or of its item in the queue."""
        if self.build and self.build.url:
            return self.build.url
        if asked.number:
            return self._jenkins.build_url(asked.job, asked.number)
        return self._jenkins.queue_url(asked.queue_id)

    def print(self, as_json: bool) -> None:
        build, asked = self.build, self._asked
        assert asked is not None  # noqa: S101 (for mypy: it was asked)
        if build:
            console.say(f"{build.job} {build.number}: {build.result}")
        if not as_json:
            console.out(console.safe(self._where(asked)))
            return
        console.out_json(self._told(asked, build.exit_code if build else 0))

    def print_failure(self, failure: Interrupted | PydeployError) -> bool:
        """As JSON, with what it was about; False when nothing was asked for yet."""
        if self._asked is None:
            return False
        told = self._told(self._asked, failure.exit_code)
        console.out_json({**told, "error": failure.as_dict()})
        return True

    def _told(self, asked: Triggered, exit_code: int) -> dict[str, Any]:
        return {
            "job": asked.job,
            "queue_id": asked.queue_id,
            "number": asked.number,
            "url": self._where(asked),
            "result": self.build.result if self.build else None,
            "exit_code": exit_code,
            "is_merged": asked.is_merged,
            "is_repeat": asked.is_repeat,
        }


def _ledger(site: Site) -> Ledger:
    from pydeploy.jenkins.once import Ledger
    from pydeploy.state import store

    ttl = site.defaults.lock_ttl
    # Who has the lock asks Jenkins meanwhile, or has died.
    return Ledger(store=store.connect(site), lock_ttl=ttl, wait=3 * site.jenkins.timeout + ttl)
