"""Waiting for what happens in another process."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path


def eventually(condition: Callable[[], object], seconds: float = 30) -> None:
    """Until `condition` is true; fails after `seconds`."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.1)


def stopped(process: subprocess.Popen[str]) -> None:
    """Until the process has stopped itself (PYDEPLOY_STOPPOINT)."""

    def is_stopped() -> bool:
        assert process.poll() is None, process.communicate()
        return Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"

    eventually(is_stopped, 60)


def woken(process: subprocess.Popen[str], *signals: int) -> tuple[str, str]:
    """Send `signals`, let it go on, and what it printed until its end."""
    for number in signals:
        os.kill(process.pid, number)
    os.kill(process.pid, signal.SIGCONT)
    return process.communicate(timeout=120)
