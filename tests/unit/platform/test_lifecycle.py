"""Waiting until the site's parts are well."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from pydeploy.platform import lifecycle
from pydeploy.platform.compose import Part, Project

WELL = Part(service="etcd", state="running", health="healthy")
STARTING = Part(service="etcd", state="running", health="starting")
UNHEALTHY = Part(service="etcd", state="running", health="unhealthy")
RESTARTING = Part(service="etcd", state="restarting", health="")


class World:
    """A project whose one part is in one state after the other, a second each."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *states: Part) -> None:
        self.now = 0.0
        self.states = states
        monkeypatch.setattr(
            lifecycle, "time", SimpleNamespace(monotonic=lambda: self.now, sleep=self._sleep)
        )

    def _sleep(self, _: float) -> None:
        self.now += 1.0

    def parts(self) -> list[Part]:
        return [self.states[min(int(self.now), len(self.states) - 1)]]

    def wait(self) -> list[Part]:
        return lifecycle._wait_until_well(cast(Project, self), ["etcd"])


def test_it_is_waited_while_a_part_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert World(monkeypatch, *[STARTING] * 60, WELL).wait() == []


@pytest.mark.parametrize("ill", [UNHEALTHY, RESTARTING])
def test_a_part_may_be_ill_for_a_moment(monkeypatch: pytest.MonkeyPatch, ill: Part) -> None:
    """A port that was taken for a moment, a check that came late."""
    assert World(monkeypatch, STARTING, *[ill] * 10, WELL).wait() == []


@pytest.mark.parametrize("ill", [UNHEALTHY, RESTARTING])
def test_a_part_that_stays_ill_is_given_up_early(
    monkeypatch: pytest.MonkeyPatch, ill: Part
) -> None:
    world = World(monkeypatch, ill)
    assert world.wait() == [ill]
    assert world.now < lifecycle.ILL_LIMIT + 3


def test_a_part_that_only_starts_is_given_up_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, STARTING)
    assert world.wait() == [STARTING]
    assert world.now > lifecycle.START_LIMIT
