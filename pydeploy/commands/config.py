"""`pydeploy config`."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click

from pydeploy import cli, console
from pydeploy.commands import options

_FILE = click.Choice(["site", "service"])


@click.group("config", epilog="Example: pydeploy config example site > /etc/pydeploy/site.yml")
def command() -> None:
    """Show and check configuration; print schemas and examples."""


@command.command("show")
@options.as_json
def show(as_json: bool) -> None:
    """Print the site's configuration with all defaults filled in.  It holds no secrets."""
    value = cli.load_site().model_dump(mode="json")
    if as_json:
        console.out_json(value)
        return
    import yaml

    console.out(yaml.safe_dump(value, sort_keys=False).rstrip())


@command.command("check")
@click.argument("file", required=False, type=click.Path(path_type=Path))
def check(file: Path | None) -> None:
    """Check a site.yml (the one in use) or a pydeploy.yml; every problem is reported at once."""
    from pydeploy.config import files, service
    from pydeploy.errors import ConfigError

    if file is not None and file.name in service.FILE_NAMES:
        files.read(file, service.Service, ConfigError)
        console.say(f"{file}: no problems")
    elif file is not None:
        from pydeploy.config import site
        from pydeploy.errors import SiteConfigError

        files.read(file, site.Site, SiteConfigError)
        console.say(f"{file}: no problems")
    else:
        cli.load_site()
        console.say("the site's configuration has no problems")


@command.command("schema")
@click.argument("which", type=_FILE)
def schema(which: str) -> None:
    """Print the JSON schema of site.yml or pydeploy.yml, for editors."""
    from pydeploy.config import service, site

    console.out_json(site.schema() if which == "site" else service.schema())


@command.command("example")
@click.argument("which", type=_FILE)
def example(which: str) -> None:
    """Print a commented example of site.yml or pydeploy.yml."""
    name = "site.yml" if which == "site" else "pydeploy.yml"
    console.out((resources.files("pydeploy.config") / "examples" / name).read_text().rstrip())
