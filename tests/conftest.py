"""What holds for every test, whoever started them."""

from __future__ import annotations

import signal

# Who runs the tests under `nohup` has SIGHUP ignored, and every program that a test starts, too.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
