"""Data of another environment, while things happen there."""

from __future__ import annotations

import functools
import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pydeploy.deploy import seeding
from pydeploy.errors import UsageError
from tests.integration.support import keeping as keeping_service
from tests.integration.support.keeping import add, rows
from tests.integration.support.site import LiveSite
from tests.integration.support.waiting import eventually

Write = Callable[..., Path]
WRITER = "i=0; while :; do i=$((i+1)); echo $i >> /data/a; echo $i >> /data/z; done"


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


def test_a_copy_is_of_one_moment(live: LiveSite, change: int, keeping: Write, staging: str) -> None:
    """Somebody writes all the while, to one file after the other: the copy has both or neither."""
    filler = "touch /data/a && dd if=/dev/zero of=/data/m bs=1M count=200 2>/dev/null"
    assert 0 == live.cli("exec", staging, "store", "sh", "-c", filler).code
    writer = live.cli.start("exec", staging, "store", "sh", "-c", WRITER)
    eventually(lambda: _lines(live, staging)[1])
    arguments = ("--change", change, "--patchset", 1, "--data-from", staging)
    live.cli.ok("deploy", keeping("2"), *arguments)
    first, last = _lines(live, change)
    assert 0 < last <= first <= last + 1
    before = _lines(live, staging)
    eventually(lambda: _lines(live, staging) > before)  # it goes on
    writer.terminate()
    writer.communicate(timeout=30)


def _lines(live: LiveSite, name: object) -> tuple[int, int]:
    """How much is in the first file that is written, and in the second."""
    counted = live.cli("exec", name, "store", "sh", "-c", "wc -l < /data/z; wc -l < /data/a")
    words = [int(one) for one in counted.stdout.split()]
    return (words[1], words[0]) if len(words) == 2 else (0, 0)


def test_the_source_is_looked_at_again_once_nobody_changes_it(
    live: LiveSite, staging: str, tmp_path: Path
) -> None:
    """Its data was replaced while its lock was waited for; or all of it was removed."""
    saved = live.cli.ok("backup", staging, "--to", tmp_path / "saved.tar")["file"]
    add(live, staging, "two")
    origin = seeding.source(live.session, staging)
    live.cli.ok("restore", saved, "--replace")
    with origin.reading(["rows"]) as streams, _tar(streams["rows"]()) as tar:
        assert b"one\n" == tar.extractfile("volume/rows").read()  # type: ignore[union-attr]
    assert ["one"] == rows(live, staging)
    live.cli.ok("remove", staging, "--purge-data")
    with pytest.raises(UsageError, match="has no data to copy"), origin.reading(["rows"]):
        pass
    assert [] == live.volumes(staging)


def _tar(stream: Iterator[bytes]) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(b"".join(stream)))


def test_asking_for_data_is_never_passed_over(
    live: LiveSite, change: int, keeping: Write, staging: str
) -> None:
    """Also where the release runs there already: the data that is there is not lost, nor kept
    without a word."""
    live.cli.ok("deploy", keeping("1"), "--change", change, "--patchset", 1)
    target = f"{staging}-b"
    live.cli.ok("promote", change, "--to", target, "--data-from", staging)
    assert ["one"] == rows(live, target)
    asked = ("promote", change, "--to", target)
    assert live.cli.ok(*asked)["is_unchanged"]
    error = live.cli.fails(64, *asked, "--data-from", staging)
    assert "has data already" in error["message"]
    live.cli.ok("remove", target, "--purge-data")
