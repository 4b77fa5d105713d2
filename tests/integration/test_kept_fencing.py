"""Never two of a stateful service on one volume, whoever wakes up late."""

from __future__ import annotations

import functools
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import LOCK_TTL
from tests.integration.support import keeping as keeping_service
from tests.integration.support.keeping import add, container_of, rows
from tests.integration.support.site import LiveSite
from tests.integration.support.waiting import stopped, woken

Write = Callable[..., Path]
BEYOND_LEASE = LOCK_TTL + 2


@pytest.fixture
def keeping(tmp_path: Path) -> Write:
    return functools.partial(keeping_service.written, tmp_path / "keeping")


@pytest.fixture
def staging(live: LiveSite, change: int, keeping: Write) -> Iterator[str]:
    """An environment with one row in its store."""
    name = f"staging-{change}"
    live.cli.ok("deploy", keeping("1"), "--name", name)
    add(live, name, "one")
    yield name
    live.cli("remove", name, "--purge-data")


def stop_at(live: LiveSite, point: str, *arguments: object) -> subprocess.Popen[str]:
    process = live.cli.start(*arguments, "--json", env={"PYDEPLOY_STOPPOINT": point})
    stopped(process)
    return process


@pytest.mark.parametrize("point", ["after-start", "after-lock"])
def test_who_comes_late_starts_no_second_store(
    live: LiveSite, keeping: Write, staging: str, point: str
) -> None:
    """Neither its undo nor its sweep: by now a newer deploy's store runs on the volume."""
    late = stop_at(live, point, "deploy", keeping("2"), "--name", staging)
    time.sleep(BEYOND_LEASE)
    newer = stop_at(live, "after-healthy", "deploy", keeping("3"), "--name", staging)
    theirs = container_of(live, staging, "store")
    _, told = woken(late)
    assert theirs == container_of(live, staging, "store"), told
    woken(newer)
    live.cli.ok("deploy", keeping("3"), "--name", staging)
    assert ["one"] == rows(live, staging)
    assert 2 == len(live.containers(staging))
