"""How long an old target is said to drain."""

from __future__ import annotations

from collections import Counter

from pydeploy.gateway.drain import FIRST_LOOK, LOOK_EVERY, Drain

A, B = "10.0.0.1:20000", "10.0.0.1:20001"


class World:
    def __init__(self) -> None:
        self.now = 100.0
        self.streams: Counter[str] = Counter()
        self.drain = Drain(10, self.streams.__getitem__, now=lambda: self.now)


def test_nothing_is_looked_at_while_nothing_drains() -> None:
    assert World().drain.pause() is None


def test_a_target_without_streams_is_done_at_the_first_look() -> None:
    """But not before: a request may be on its way through HAProxy just now."""
    world = World()
    world.drain.left([A])
    assert world.drain.targets == (A,)
    assert world.drain.look() == []
    world.now += FIRST_LOOK
    assert world.drain.look() == [A]
    assert world.drain.targets == ()


def test_a_target_with_streams_drains_until_they_end() -> None:
    world = World()
    world.streams[A] = 1
    world.drain.left([A, B])
    world.now += FIRST_LOOK
    assert world.drain.look() == [B]
    assert world.drain.look() == []
    world.streams[A] = 0
    world.now += LOOK_EVERY
    assert world.drain.look() == [A]


def test_draining_is_bounded() -> None:
    world = World()
    world.streams[A] = 1
    world.drain.left([A])
    world.now += 9.9
    assert world.drain.look() == []
    world.now += 0.2
    assert world.drain.look() == [A]


def test_a_target_that_is_routed_again_does_not_drain() -> None:
    world = World()
    world.drain.left([A])
    world.drain.routed_again(A)
    assert world.drain.pause() is None
