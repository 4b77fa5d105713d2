"""The one error boundary: every failure becomes a message, a result and an exit code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydeploy.errors import PydeployError


def main() -> None:
    """Entry point of `pydeploy`."""
    if sys.argv[1:] == ["--version"]:  # the one answer that needs nothing imported
        from pydeploy import __version__

        print(f"pydeploy {__version__}")
        return
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; returns its exit code."""
    import click

    from pydeploy import cli, errors, interrupts

    interrupts.install()
    try:
        cli.pydeploy.main(args=arguments, prog_name="pydeploy", standalone_mode=False)
    except errors.PydeployError as failure:
        return _report(failure, arguments)
    except errors.Superseded as newer:
        from pydeploy import console

        console.say(f"superseded by {newer.by}")
        return 0
    except (KeyboardInterrupt, click.Abort):
        return 130
    except click.ClickException as wrong:
        wrong.show(sys.stderr)
        return errors.UsageError.exit_code
    except click.exceptions.Exit as end:
        return end.exit_code
    except BrokenPipeError:  # the reader of our output has gone: nothing left to say
        sys.stderr.close()
        return 0
    except Exception:  # the boundary itself: what is not in errors.py is a bug
        return _bug()
    return 0


def _report(failure: PydeployError, arguments: list[str]) -> int:
    from pydeploy import console

    if "--json" in arguments and not getattr(failure, "is_printed", False):
        console.out_json({"error": failure.as_dict()})
    console.say(f"error: {failure.message}")
    if failure.logs:
        console.say("last lines of its output:")
        for line in failure.logs.rstrip("\n").split("\n"):
            console.say(f"  | {line}")
    if failure.hint:
        console.say(f"  → {failure.hint}")
    if failure.fault in ("author", "operator"):
        console.say(
            f"  ({type(failure).__name__}: the {failure.fault}'s turn, exit {failure.exit_code})"
        )
    return failure.exit_code


def _bug() -> int:
    import traceback

    from pydeploy import console

    traceback.print_exc()
    console.say("error: this is a bug in pydeploy; please report it with the lines above")
    return 1


if __name__ == "__main__":
    main()
