"""`pydeploy completion`: shell completion scripts."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from pydeploy import cli, console


@click.command("completion", epilog='Example: eval "$(pydeploy completion bash)"')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of SHELL."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    console.out(kind(cli.pydeploy, {}, "pydeploy", "_PYDEPLOY_COMPLETE").source())
