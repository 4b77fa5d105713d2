"""platform/engine.sh: an engine is there, also where one has died before."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

PLATFORM = Path(__file__).parents[3] / "platform"


def test_an_engine_that_answers_is_left_alone() -> None:
    """Nothing is done, nothing is said, and it is still the same process."""
    form = "{{.ID}} {{.ServerVersion}}"
    info = ["docker", "info", "--format", form]
    before = subprocess.run(info, check=True, capture_output=True, text=True).stdout
    done = subprocess.run(["sh", str(PLATFORM / "engine.sh")], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    after = subprocess.run(info, check=True, capture_output=True, text=True).stdout
    assert after == before


def test_a_docker_host_that_does_not_answer_is_not_replaced() -> None:
    """The user wants that engine, not another one."""
    done = subprocess.run(
        ["sh", str(PLATFORM / "engine.sh")],
        env={**os.environ, "DOCKER_HOST": "unix:///nowhere/docker.sock"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 6
    assert "no engine answers there" in done.stderr
    assert "unset DOCKER_HOST" in done.stderr


@pytest.mark.slow
def test_an_engine_that_died_is_started_again(tmp_path: Path) -> None:
    """kill -9 of the daemon, of containerd, of both; pid files that name others; two at once."""
    argv = [
        "unshare", "--mount", "--pid", "--net", "--fork", "--mount-proc",
        "--propagation", "private",
        "sh", str(Path(__file__).with_name("engine_in_a_box.sh")),
        str(PLATFORM / "engine.sh"), str(tmp_path),
    ]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("back after")] == [
        "back after: its death alone",
        "back after: its death with containerd",
        "back after: its number was given to another process",
        "back after: its death that nobody asked about",
        "back after: its death with all that belongs to it",
        "back after: two starts at once",
    ]
