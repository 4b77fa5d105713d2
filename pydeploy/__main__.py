"""The one error boundary: every failure becomes a message, a result and an exit code."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    from pydeploy import interrupts

    interrupts.install()
    if arguments == ["step"]:
        return _step(os.environ)
    return _run(arguments, is_json="--json" in arguments)


def _step(env_vars: Mapping[str, str]) -> int:
    """A step of a pipeline: what would be its JSON on stdout is written into the result's folder.

    In every case: the folder is opened before anything else is done.
    """
    from pathlib import Path

    from pydeploy import console, errors, interrupts
    from pydeploy.steps import arguments, folder, outcome

    try:
        place = folder.open_folder(env_vars.get(folder.VARIABLE), Path.cwd())
    except (errors.PydeployError, errors.Interrupted) as failure:
        return _report(failure, is_json=False)
    with console.collecting() as told:
        code = _run(["step"], is_json=True)
    with interrupts.held_back():
        result = outcome.Outcome(
            step=arguments.name_of(env_vars.get(arguments.VARIABLE)),
            code=code,
            told=told,
            build=env_vars.get("BUILD_TAG", ""),
            place=place.path,
        )
        try:
            result.write(place)
        except OSError as problem:
            console.say(f"error: the result cannot be written to {place.path}: {problem.strerror}")
            return code or 1
    for line in result.lines():
        console.say(line)
    return code


def _run(arguments: list[str], *, is_json: bool) -> int:
    """Also a signal that comes while the end is told is told, and not a bug."""
    from pydeploy import errors, interrupts

    try:
        return _ran(arguments, is_json=is_json)
    except errors.Interrupted as late:
        with interrupts.held_back():
            return _report(late, is_json=is_json)


def _ran(arguments: list[str], *, is_json: bool) -> int:
    import click

    from pydeploy import cli, errors, interrupts

    try:
        code = cli.pydeploy.main(args=arguments, prog_name="pydeploy", standalone_mode=False)
    except (errors.PydeployError, errors.Interrupted) as failure:
        if isinstance(failure, errors.PydeployError):
            failure = interrupts.behind(failure)
        with interrupts.held_back():
            return _report(failure, is_json=is_json)
    except errors.Superseded as newer:
        from pydeploy import console

        console.say(f"superseded by {newer.by}")
        if is_json:
            console.out_json({"state": "superseded", "superseded_by": newer.by})
        return 0
    except (KeyboardInterrupt, click.Abort):
        _print_result(errors.Interrupted(2).as_dict(), is_json=is_json)
        return 130
    except click.ClickException as wrong:
        wrong.show(sys.stderr)
        usage = errors.UsageError(wrong.format_message())
        _print_result(usage.as_dict(), is_json=is_json)
        return usage.exit_code
    except (Exception, SystemExit) as bug:  # the boundary itself: what errors.py has not is a bug
        if _is_reader_gone():  # click makes a SystemExit of a broken pipe
            return 0
        with interrupts.held_back():
            return _bug(bug, is_json=is_json)
    return code if isinstance(code, int) else 0  # an int is what `ctx.exit` was called with


def _print_result(error: dict[str, Any], *, is_json: bool) -> None:
    from pydeploy import console

    if is_json:
        console.out_json({"error": error})


def _report(failure: PydeployError | Interrupted, *, is_json: bool) -> int:
    from pydeploy import console

    if not failure.is_printed:
        _print_result(failure.as_dict(), is_json=is_json)
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


def _bug(bug: BaseException, *, is_json: bool) -> int:
    import traceback

    from pydeploy import console, errors

    traceback.print_exc()
    report = "please report it with the lines above"
    told = errors.PydeployError(f"a bug in pydeploy: {bug}", hint=report).as_dict()
    _print_result(told | {"class": type(bug).__name__}, is_json=is_json)
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
