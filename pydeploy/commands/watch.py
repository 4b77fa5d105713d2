"""`pydeploy watch`."""

from __future__ import annotations

import json
import shlex

import click

from pydeploy import cli, console


@click.command("watch", epilog="Example: pydeploy watch --since 1200 --exec 'notify --json'")
@click.option("--since", type=click.IntRange(min=1), help="From this etcd revision on (else now).")
@click.option("--exec", "program", metavar="CMD", help="Run CMD per change, its JSON on stdin.")
def command(since: int | None, program: str | None) -> None:
    """Print every change of environments, claims and routes as a line of JSON, until Ctrl-C.

    CMD is split into words as a shell would, but no shell runs it.
    """
    from pydeploy.clients import shell
    from pydeploy.errors import UsageError
    from pydeploy.state import store, watching

    try:
        argv = shlex.split(program) if program else []
    except ValueError as problem:
        raise UsageError(f"--exec {program!r}: {problem}") from problem
    opened = store.connect(cli.load_site())
    for change in watching.changes(opened, since=since, on_gap=console.warn):
        line = json.dumps(change)
        console.out(line)
        if argv and change.get("kind"):
            try:
                finished = shell.run(argv, stdin=line + "\n", timeout=60)
            except FileNotFoundError as missing:
                raise UsageError(f"--exec: no program {missing} on PATH") from missing
            except shell.TimedOut as late:
                console.warn(str(late))
                continue
            if finished.code:
                console.warn(f"{shell.quoted(argv)} exited with {finished.code}: {finished.tail}")
