"""Patchsets replace each other while requests come in at a constant rate.

    python -m bench.replace_under_load

20 deploys, one after the other, at 200 requests per second through the gateway (bench/load.py):
none may fail.  The same load without deploys comes first, for the latencies.
"""

from __future__ import annotations

import time
from collections import Counter

from bench import live, load
from bench.figures import Figure, percentile
from bench.live import DOMAIN, Live
from bench.load import Sent, Target
from tests.integration.support.repositories import WEB, repository

TITLE = "20 replacements at 200 requests/s"
REPLACEMENTS = 20
QUIET = 20.0  # seconds of load without replacements
LONGEST = 600.0  # seconds
CHANGE = 10020


def measure(site: Live) -> list[Figure]:
    root = repository(site.folder / "replaced", WEB)
    site.run("deploy", root, "--change", CHANGE, "--patchset", 1)
    target = Target(port=site.http_port, host=f"{CHANGE}.{DOMAIN}")
    with load.running(target, QUIET + 5) as quiet:
        time.sleep(QUIET)
    began = time.monotonic()
    with load.running(target, LONGEST) as busy:
        for patchset in range(2, REPLACEMENTS + 2):
            site.run("deploy", root, "--change", CHANGE, "--patchset", patchset)
    took = time.monotonic() - began
    site.run("remove", CHANGE)
    return _figures(quiet.sent, busy.sent, took)


def _figures(quiet: list[Sent], busy: list[Sent], took: float) -> list[Figure]:
    failed = Counter(one.failure for one in busy if one.failure)
    before = Counter(one.failure for one in quiet if one.failure)
    served = {one.patchset for one in busy if one.patchset}
    return [
        Figure(
            what="failed requests",
            value=failed.total(),
            bound=0,
            raw=before.total(),
            note=f"of {len(busy):,}; " + (_shown(failed) or "raw: without replacements"),
        ),
        Figure(
            what="requests per second",
            value=len(busy) / took,
            raw=len(quiet) / (quiet[-1].due - quiet[0].due),
            is_rate=True,
            note="raw: without replacements",
        ),
        Figure(
            what="patchsets that did not answer",
            value=REPLACEMENTS + 1 - len(served),
            bound=0,
            note=f"{took / REPLACEMENTS:.1f} s for each replacement",
        ),
        *(_latency(name, share, quiet, busy) for name, share in (("p50", 0.5), ("p99", 0.99))),
    ]


def _latency(name: str, share: float, quiet: list[Sent], busy: list[Sent]) -> Figure:
    return Figure(
        what=f"latency {name}",
        value=percentile([one.took for one in busy], share) * 1e3,
        raw=percentile([one.took for one in quiet], share) * 1e3,
        unit="ms",
        note="raw: without replacements",
    )


def _shown(failed: Counter[str]) -> str:
    return ", ".join(f"{what} ({count})" for what, count in failed.most_common(3))


if __name__ == "__main__":
    live.main(TITLE, measure)
