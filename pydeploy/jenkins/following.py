"""From a trigger to its result, in one call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pydeploy.clients.jenkins import Jenkins
from pydeploy.jenkins import console, waiting
from pydeploy.jenkins.values import Build, Triggered
from pydeploy.jenkins.waiting import Patience


def follow(
    jenkins: Jenkins,
    asked: Triggered,
    patience: Patience,
    *,
    on_start: Callable[[Triggered, Build], None] = lambda *_: None,
    on_line: Callable[[str], None] | None = None,
) -> Build:
    """The build of a trigger, once it has ended.

    `on_start` gets the trigger with its number when the build has left the queue, `on_line` each
    line of the console as it comes.  TimedOut at the deadline; the build goes on then.
    """
    number = waiting.for_number(jenkins, asked, patience)
    found = waiting.look(jenkins, asked.job, number, patience)
    on_start(replace(asked, number=number), found)
    if on_line:
        for line in console.follow(jenkins, asked.job, number, patience):
            on_line(line)
    return waiting.for_result(jenkins, asked.job, number, patience)
