"""The table of steps, the commands' flags and vars/ name the same things."""

from __future__ import annotations

import importlib

import click
import pytest

from pydeploy import cli
from pydeploy.steps.table import COMMON, STEPS, Argument, Step

_PRESENT = sorted(name for name, step in STEPS.items() if step.command in cli.COMMANDS)


def command_of(step: Step) -> click.Command:
    command: click.Command = importlib.import_module(f"pydeploy.commands.{step.command}").command
    return command


def flags_of(command: click.Command) -> dict[str, click.Option]:
    return {
        flag: param
        for param in command.params
        if isinstance(param, click.Option)
        for flag in (*param.opts, *param.secondary_opts)
    }


@pytest.mark.parametrize("name", _PRESENT)
def test_every_argument_is_a_flag_of_its_command(name: str) -> None:
    """Of the same kind: a switch takes no value, a list may be repeated."""
    flags = flags_of(command_of(STEPS[name]))
    for argument in STEPS[name].arguments.values():
        if not argument.flag:
            continue
        option = flags[argument.flag]
        assert option.is_flag is (argument.kind == "switch"), argument.flag
        assert option.multiple is (argument.kind in ("texts", "pairs")), argument.flag
        assert argument.off in ("", *option.secondary_opts), argument.flag


@pytest.mark.parametrize("name", _PRESENT)
def test_arguments_by_position_fit(name: str) -> None:
    """As many as the command takes; what it requires, the step needs."""
    step = STEPS[name]
    by_position = [name for name, one in step.arguments.items() if not one.flag]
    params = [one for one in command_of(step).params if isinstance(one, click.Argument)]
    assert len(params) == len(by_position) == 1 or not (params or by_position)
    required = [one for one, param in zip(by_position, params, strict=True) if param.required]
    assert {*required} <= {*step.needs} <= step.arguments.keys()


@pytest.mark.parametrize("name", _PRESENT)
def test_every_flag_of_a_command_is_an_argument(name: str) -> None:
    """A pipeline can do what a person can; but not write elsewhere, nor only flush the outbox."""
    mine = {flag for one in STEPS[name].arguments.values() for flag in (one.flag, one.off) if flag}
    assert {"--json", "--junit", "--flush"} >= flags_of(
        command_of(STEPS[name])
    ).keys() - mine - _short(name)


def _short(name: str) -> set[str]:
    """Second spellings, such as `-p`."""
    return {
        flag
        for param in command_of(STEPS[name]).params
        if isinstance(param, click.Option)
        for flag in param.opts
        if flag != param.opts[-1]
    }


def test_what_every_step_takes_is_a_flag_of_pydeploy() -> None:
    """It stands before the command."""
    assert {"site": Argument(flag="--site")} == COMMON
    assert "--site" in flags_of(cli.pydeploy)
