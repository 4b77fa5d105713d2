"""Measurements against the bounds that docs/benchmarks.md lists.

    python -m bench              all of them, on one site
    python -m bench.startup      one of them

Each prints a table and exits non-zero when a bound is missed.  A site of its own is started for
them by `pydeploy up` and removed at the end.  Nothing is timed in the test suite: what a machine
that is busy with tests says about speed is noise.
"""
