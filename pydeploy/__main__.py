"""The one error boundary: every failure becomes a message, a result and an exit code."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from pydeploy.errors import Interrupted, PydeployError


def main() -> NoReturn:
    """Entry point of `pydeploy`."""
    _leave(start(sys.argv[1:]))


def start(arguments: list[str]) -> int:
    """What a process does for one command line; returns its exit code."""
    if arguments == ["--version"]:  # the one answer that needs nothing imported
        from pydeploy import __version__

        print(f"pydeploy {__version__}")
        return 0
    # pydantic would look through every installed distribution for plugins of its own: 13 ms.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # closed by the caller
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # for old locales
    return run(arguments)


def _leave(code: int) -> NoReturn:
    """End at once: taking apart what a deploy has imported takes Python 50 ms, and does nothing.

    When `start` returns, what had to be undone has been undone, and no thread is waited for.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:  # it could not be written: that must not look like success
            code = code or 1
    os._exit(code)


def run(arguments: list[str]) -> int:
    """Run one command line; returns its exit code."""
    import click

    from pydeploy import cli, errors, interrupts

    interrupts.install()
    try:
        code = cli.pydeploy.main(args=arguments, prog_name="pydeploy", standalone_mode=False)
    except (errors.PydeployError, errors.Interrupted) as failure:
        return _report(failure, arguments)
    except errors.Superseded as newer:
        from pydeploy import console

        console.say(f"superseded by {newer.by}")
        return 0
    except (KeyboardInterrupt, click.Abort):
        return 130
    except click.ClickException as wrong:
        wrong.show(sys.stderr)
        usage = errors.UsageError(wrong.format_message())
        _print_result(usage.as_dict(), arguments)
        return usage.exit_code
    except (Exception, SystemExit) as bug:  # the boundary itself: what errors.py has not is a bug
        if _is_reader_gone():  # click makes a SystemExit of a broken pipe
            return 0
        return _bug(bug, arguments)
    return code if isinstance(code, int) else 0  # an int is what `ctx.exit` was called with


def _print_result(error: dict[str, Any], arguments: list[str]) -> None:
    from pydeploy import console

    if "--json" in arguments:
        console.out_json({"error": error})


def _report(failure: PydeployError | Interrupted, arguments: list[str]) -> int:
    from pydeploy import console

    if not failure.is_printed:
        _print_result(failure.as_dict(), arguments)
    console.say(f"error: {failure.message}")
    if failure.logs:
        console.say("last lines of its output:")
        for line in failure.logs.rstrip("\n").split("\n"):
            console.say(f"  | {line}")
    if failure.hint:
        console.say(f"  → {failure.hint}")
    if failure.fault in ("author", "operator"):
        console.say(f"  ({failure.kind}: the {failure.fault}'s turn, exit {failure.exit_code})")
    return failure.exit_code


def _bug(bug: BaseException, arguments: list[str]) -> int:
    import traceback

    from pydeploy import console, errors

    traceback.print_exc()
    report = "please report it with the lines above"
    told = errors.PydeployError(f"a bug in pydeploy: {bug}", hint=report).as_dict()
    _print_result(told | {"class": type(bug).__name__}, arguments)
    console.say(f"error: this is a bug in pydeploy; {report}")
    return 1


def _is_reader_gone() -> bool:
    """Whether nobody reads our output any more, as with `| head`; then nothing is left to say."""
    import select

    poll = select.poll()
    poll.register(1, 0)  # errors are reported always
    if not any(event & select.POLLERR for _, event in poll.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what Python still holds back must go somewhere
    return True


if __name__ == "__main__":
    main()
