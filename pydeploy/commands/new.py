"""`pydeploy new`: a new microservice in the layout, which passes `check` and deploys as it is."""

from __future__ import annotations

from pathlib import Path

import click

from pydeploy import console

TEMPLATES = ("python-web", "static", "worker", "job")


@click.command(
    "new",
    epilog="Examples: `pydeploy new hello`, `pydeploy new nightly --template job`.",
)
@click.argument("name")
@click.option(
    "--template",
    type=click.Choice(TEMPLATES),
    default="python-web",
    show_default=True,
    help="python-web and static answer HTTP, worker runs for ever, job ends by itself.",
)
def command(name: str, template: str) -> None:
    """Write a new microservice into the folder NAME."""
    from pydeploy import scaffold

    folder = scaffold.write(Path.cwd(), name, template)
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        console.out(str(file.relative_to(folder.parent)))
    console.say(f"next: cd {name} && git init && make build && make run; then `pydeploy check`")
