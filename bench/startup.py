"""How fast a command starts, and what it imports.

    python -m bench.startup

The console script of this environment against `python -c pass`, one of each in turn.  Then every
command is run with `-X importtime`, and what it loads of the libraries that are slow to import is
held against what it uses.
"""

from __future__ import annotations

import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench import live
from bench.figures import Figure, percentile
from bench.live import PYDEPLOY, Live
from tests.integration.support.repositories import repository

TITLE = "startup"
ROUNDS = 40
LIMIT = 80.0  # ms
HEAVY = frozenset({"docker", "pydantic", "yaml", "rich", "jinja2", "requests"})

_SITE = frozenset({"pydantic", "yaml"})  # to read site.yml, and the records in etcd
_NOTHING: frozenset[str] = frozenset()
_ENGINE = _SITE | {"docker", "requests"}  # docker's SDK needs requests
_FOLLOWER = "import pydeploy.commands.gateway, pydeploy.gateway.follower, pydeploy.config.site"
WEB = """
services:
  web:
    build: .
    command: ["python3", "/app/server.py"]
    volumes: ["./source:/app"]
    ports: ["8080"]
"""


def measure(site: Live) -> list[Figure]:
    return [*_speeds(), *_imports(site)]


def _speeds() -> list[Figure]:
    shown = (("--version",), ("--help",), ("status", "--help"))
    raw: list[float] = []
    took: dict[tuple[str, ...], list[float]] = {arguments: [] for arguments in shown}
    for _ in range(ROUNDS):
        raw.append(_milliseconds([sys.executable, "-c", "pass"]))
        for arguments in shown:
            took[arguments].append(_milliseconds([PYDEPLOY, *arguments]))
    return [
        Figure(
            what=f"pydeploy {' '.join(arguments)}",
            value=statistics.median(times),
            unit="ms",
            bound=LIMIT if arguments == ("--version",) else None,
            raw=statistics.median(raw),
            note=f"median of {ROUNDS}, p90 {percentile(times, 0.9):.0f} ms",
        )
        for arguments, times in took.items()
    ]


def _milliseconds(argv: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - began) * 1e3


# -- imports ----------------------------------------------------------------------------


def _imports(site: Live) -> list[Figure]:
    """One figure per command: how many slow libraries it loads without using them."""
    from pydeploy.cli import COMMANDS

    helps = frozenset().union(*(_loaded(site, name, "--help") for name in COMMANDS))
    root = repository(site.folder / "startup", WEB)
    site.run("deploy", root, "--name", "startup")
    found = [_needless(f"--help of each of {len(COMMANDS)} commands", helps, _NOTHING)]
    for shown, arguments, uses in _commands(root):
        found.append(_needless(shown, _loaded(site, *arguments), uses))
    site.run("remove", "startup")
    follower = _heavy(_trace([sys.executable, "-X", "importtime", "-c", _FOLLOWER], site.folder))
    return [*found, _needless("gateway", follower, _SITE)]


def _commands(root: Path) -> list[tuple[str, tuple[object, ...], frozenset[str]]]:
    """What is shown, what is run, and which of the slow libraries it has a use for."""
    one = "startup"
    return [
        ("--version", ("--version",), _NOTHING),
        ("--help", ("--help",), _NOTHING),
        ("completion", ("completion", "bash"), _NOTHING),
        ("new", ("new", "made"), frozenset({"jinja2"})),
        ("config example", ("config", "example", "site"), _NOTHING),
        ("config show", ("config", "show"), _SITE),
        ("check", ("check", root), _SITE),
        ("url", ("url", one), _SITE),
        ("dns", ("dns",), _SITE),
        ("watch", ("watch",), _SITE),
        ("up", ("up",), _SITE),
        ("status", ("status",), _ENGINE),
        ("logs", ("logs", one), _ENGINE),
        ("build", ("build", root), _ENGINE),
        ("deploy", ("deploy", root, "--name", one, "--force"), _ENGINE),
        ("deploy (unchanged)", ("deploy", root, "--name", one), _ENGINE),
        ("remove", ("remove", "startup-none"), _ENGINE),
        ("prune", ("prune", "--dry-run"), _ENGINE),
        ("doctor", ("doctor",), _ENGINE),
    ]


def _needless(shown: str, loaded: frozenset[str], uses: frozenset[str]) -> Figure:
    needless = loaded - uses
    note = f"loads {', '.join(sorted(loaded)) or 'none of them'}"
    if needless:
        note += f"; has no use for {', '.join(sorted(needless))}"
    return Figure(what=f"needless imports: {shown}", value=len(needless), bound=0, note=note)


def _loaded(site: Live, *arguments: object) -> frozenset[str]:
    argv = [sys.executable, "-X", "importtime", *site.argv(*arguments)]
    return _heavy(_trace(argv, site.folder))


def _heavy(trace: str) -> frozenset[str]:
    return HEAVY & {line.rsplit("|", 1)[1].strip() for line in trace.splitlines() if "|" in line}


def _trace(argv: list[str], folder: Path) -> str:
    """What `-X importtime` wrote of a command that must succeed, or that goes on for ever."""
    process = subprocess.Popen(
        argv, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    is_endless = argv[-1] == "watch"
    try:
        _, stderr = process.communicate(timeout=3 if is_endless else 120)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=10)
    if "import time:" not in stderr or (process.returncode and not is_endless):
        raise SystemExit(f"{argv} exited {process.returncode}\n{stderr[-2000:]}")
    return stderr


if __name__ == "__main__":
    live.main(TITLE, measure)
