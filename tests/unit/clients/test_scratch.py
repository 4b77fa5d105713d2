"""A folder goes with its block, and also after its process was killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pydeploy.clients import scratch

CHILD = """
import time
from pydeploy.clients import scratch
with scratch.folder() as folder:
    (folder / "password").write_text("x")
    print(folder, flush=True)
    time.sleep(60)
"""


def test_it_is_private_and_goes() -> None:
    with scratch.folder() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()


def test_what_a_killed_process_left_goes_and_what_is_in_use_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    left = Path(child.stdout.readline().strip())
    assert left.parent == tmp_path
    later = time.time() + 60
    scratch.remove_forgotten(tmp_path, now=later)
    assert (left / "password").exists()
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    scratch.remove_forgotten(tmp_path, now=time.time())
    assert left.exists(), "a new folder may not be locked yet"
    scratch.remove_forgotten(tmp_path, now=later)
    assert not left.exists()


def test_a_link_of_that_name_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (tmp_path / "pydeploy-scratch-x").symlink_to(precious)
    scratch.remove_forgotten(tmp_path, now=time.time() + 60)
    assert precious.exists()
