"""Every benchmark; exit 1 when any bound is missed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench import claims, deploy_ready, figures, live, replace_under_load, startup

ALL = (startup, deploy_ready, replace_under_load, claims)


def main() -> None:
    figures.warn_if_busy()
    verdicts = []
    with live.running() as site:
        for one in ALL:
            verdicts.append(figures.report(one.TITLE, one.measure(site)))
    print("\netcd put → request routed", flush=True)
    latency = [sys.executable, str(Path(__file__).with_name("gateway_latency.py"))]
    verdicts.append(subprocess.run(latency, check=False).returncode == 0)
    print(f"\n{'every bound holds' if all(verdicts) else 'a bound is missed'}")
    sys.exit(not all(verdicts))


if __name__ == "__main__":
    main()
