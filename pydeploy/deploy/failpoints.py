"""Named places at which a test can make the process die as by `kill -9`, to see it repaired.

`PYDEPLOY_FAILPOINT=after-claim` dies at the first passing of that point.
"""

from __future__ import annotations

import os
import signal

POINTS = (
    "after-want",
    "after-build",
    "after-lock",
    "after-claim",
    "during-start",
    "after-start",
    "after-healthy",
    "after-switch",
    "after-applied",
    "after-drain",
    "after-erase",
    "backup-after-read",
    "undo-after-erase",
    "remove-after-want",
    "remove-after-lock",
    "remove-after-unroute",
    "remove-after-discard",
    "remove-after-erase",
    "remove-after-claims",
    "remove-after-images",
)


def reach(name: str) -> None:
    """Die here if the environment says so."""
    if name not in POINTS:
        raise ValueError(name)
    if os.environ.get("PYDEPLOY_FAILPOINT") == name:
        os.kill(os.getpid(), signal.SIGKILL)
    if os.environ.get("PYDEPLOY_STOPPOINT") == name:
        del os.environ["PYDEPLOY_STOPPOINT"]  # once; the second passing goes on
        os.kill(os.getpid(), signal.SIGSTOP)
