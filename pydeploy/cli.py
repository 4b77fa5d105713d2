"""The command group.  A command's module is imported only when that command is called."""

from __future__ import annotations

import difflib
import importlib
import os
from typing import TYPE_CHECKING, Any

import click

from pydeploy import __version__

if TYPE_CHECKING:
    from pydeploy.config.site import Site

# command → what it does; see `module` for where it is
COMMANDS = {
    "new": "Write a new microservice in the layout.",
    "check": "Report everything that is wrong with a microservice.",
    "build": "Build the images of a microservice, once.",
    "deploy": "Deploy a microservice and print its URL.",
    "status": "Show what runs.",
    "url": "Print the URL of an environment.",
    "logs": "Print the logs of an environment.",
    "promote": "Run the same digests in another environment.",
    "rollback": "Go back to an earlier release.",
    "releases": "List the releases of an environment.",
    "diff": "Show in what two releases differ.",
    "restart": "Start an environment anew, or one service of it.",
    "extend": "Let an environment live longer.",
    "exec": "Run a command in a service's container.",
    "stats": "Show what containers use right now.",
    "audit": "Show who did what.",
    "backup": "Save an environment's data in a file.",
    "restore": "Bring a backup back.",
    "secrets": "List the site's secrets, or bring today's to an environment.",
    "remove": "Remove an environment and every trace of it.",
    "prune": "Remove everything that should be gone.",
    "trigger": "Start a build in Jenkins.",
    "jobs": "List the jobs of Jenkins.",
    "build-log": "Print the console of a build in Jenkins.",
    "stop-build": "Stop a build in Jenkins.",
    "report": "Tell a change in Gerrit what came of it, and vote.",
    "gerrit": "Do Gerrit's own work on a change.",
    "notify": "Say something in the team's chats.",
    "step": "Run one step of a Jenkins pipeline, for vars/.",
    "watch": "Print every change as a line of JSON.",
    "gateway": "Keep the gateway in step with the routes.",
    "dns": "Print resolver configuration for the site's names.",
    "up": "Start the site: etcd, gateway, dns, registry.",
    "down": "Stop the site.",
    "doctor": "Check each part of the site and say how to mend it.",
    "config": "Show and check configuration; print schemas and examples.",
    "completion": "Print shell completion.",
}


def module(name: str) -> str:
    """The module whose attribute `command` is the command: `pydeploy.commands.build_log`."""
    return f"pydeploy.commands.{name.replace('-', '_')}"


class LazyGroup(click.Group):
    """Knows its commands by name and imports one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(module(name)).command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS:
            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            meant = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(f"No such command {args[0]!r}.{meant}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table from COMMANDS: help imports no command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Examples: `pydeploy deploy --change 10020 --patchset 1`, `pydeploy status --json`, "
    "`pydeploy remove 10020`. Exit codes: docs/errors.md.",
)
@click.version_option(__version__, message="pydeploy %(version)s")
@click.option(
    "--site", metavar="FILE", help="site.yml (else $PYDEPLOY_SITE, /etc/pydeploy/site.yml)."
)
@click.pass_context
def pydeploy(ctx: click.Context, site: str | None) -> None:
    """Review apps for teams that live on Gerrit, Jenkins and Docker."""
    ctx.obj = site


def load_site() -> Site:
    """The site of the running command; SiteConfigError when it is missing or wrong."""
    from pydeploy.config import site

    return site.load(click.get_current_context().obj, os.environ)
