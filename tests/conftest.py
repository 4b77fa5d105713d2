"""What holds for every test, whoever started them."""

from __future__ import annotations

import signal

# Who runs the tests under `nohup`, or in the background of a script, has SIGHUP or SIGINT ignored;
# and so would every program that a test starts.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
