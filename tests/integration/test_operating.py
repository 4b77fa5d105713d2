"""What operators do with environments that live on: extend, exec, stats, audit, restart, diff."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pydeploy.state.records import Environment
from tests.integration.support.site import LiveSite

Write = Callable[..., Path]


@pytest.fixture
def deployed(live: LiveSite, change: int, web: Write) -> int:
    live.cli.ok("deploy", web(), "--change", change, "--patchset", 1)
    return change


def record(live: LiveSite, name: object) -> Environment:
    found = live.store.environment(str(name))
    assert found
    return found


def hours_left(text: str) -> float:
    return (datetime.fromisoformat(text) - datetime.now(UTC)).total_seconds() / 3600


def test_extend(live: LiveSite, deployed: int) -> None:
    """From now on, never shorter unless that is asked for, never beyond the site's limit."""
    longer = live.cli.ok("extend", deployed, "5d")
    assert 119 < hours_left(longer["expires"]) <= 120
    assert "later" in live.cli.fails(64, "extend", deployed, "1h")["message"]
    shorter = live.cli.ok("extend", deployed, "1h", "--exact")
    assert 0.9 < hours_left(shorter["expires"]) <= 1
    longest = live.cli.ok("extend", deployed, "300d")
    assert 719 < hours_left(longest["expires"]) <= 720
    assert "change" in live.cli.fails(64, "extend", deployed, "--never")["message"]
    assert 64 == live.cli("extend", "nothing-there", "1d").code


def test_an_end_that_comes_soon_is_said_once(live: LiveSite, deployed: int) -> None:
    """By prune, for each time of its end; status marks it."""
    name = str(deployed)
    live.cli.ok("extend", name, "1h", "--exact")
    assert live.cli.ok("status", name)["is_expiring"]
    assert "(soon)" in live.cli("status", name).stdout
    assert name in live.cli.ok("prune", "--dry-run")["would_remove"]["expiring"]
    assert name in live.cli.ok("prune")["removed"]["expiring"]
    assert name not in live.cli.ok("prune")["removed"]["expiring"]
    told = live.cli.ok("audit", name, "--action", "expiring")
    assert [record(live, name).expires] == [one["expires"] for one in told]
    live.cli.ok("extend", name, "90m")
    assert name in live.cli.ok("prune")["removed"]["expiring"]


def test_exec_hands_on_stdin_and_the_exit_code(live: LiveSite, deployed: int) -> None:
    """The command's own; words reach it as they are."""
    argv = live.cli.argv("exec", deployed, "web", "sh", "-c", "cat; echo \"$1\" >&2; exit 7", "x",
                         "$(id) 'y'")  # fmt: skip
    done = subprocess.run(argv, input="hello\n", capture_output=True, text=True)
    assert (7, "hello\n") == (done.returncode, done.stdout)
    assert "$(id) 'y'" in done.stderr
    assert 64 == live.cli("exec", deployed, "nobody", "true").code
    (noted,) = live.cli.ok("audit", deployed, "--action", "exec")
    assert ("web", "sh") == (noted["service"], noted["program"])
    assert "id" not in str(noted["program"])


def test_exec_takes_only_its_own_options(live: LiveSite, deployed: int) -> None:
    """Those before ENVIRONMENT; a `--` may stand before the command, which must be there."""
    run = live.cli("exec", "--user", "1234", deployed, "web", "--", "id", "-u")
    assert (0, "1234\n") == (run.code, run.stdout)
    assert 64 == live.cli("exec", "--usr", "1234", deployed, "web", "id").code
    for words in ([], ["--"]):
        assert "COMMAND is missing" in live.cli("exec", deployed, "web", *words).stderr
    assert live.cli("exec", deployed, "web", "no-such-program").code in (126, 127)
    assert "there is no environment" in live.cli("exec", "nothing-there", "web", "id").stderr


def test_exec_gives_the_terminal_where_there_is_one(live: LiveSite, deployed: int) -> None:
    """A program asks whether it has one, and Ctrl-C reaches it."""
    with terminal(live, deployed, "test -t 0 && echo has-terminal; exec sleep 60") as (fd, process):
        read_until(fd, b"has-terminal")
        os.write(fd, b"\x03")
        assert 130 == process.wait(20)
    assert not runs(live, deployed, "sleep")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_goes_on_in_the_container(
    live: LiveSite, deployed: int, number: signal.Signals
) -> None:
    """Who is interrupted (Jenkins aborts, a terminal is hung up) stops what it began there."""
    script = "echo begun; sleep 77 & sleep 78"
    with subprocess.Popen(
        live.cli.argv("exec", deployed, "web", "sh", "-c", script),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert "begun\n" == process.stdout.readline()
        process.send_signal(number)
        assert 128 + number == process.wait(30)
    # A shell starts what is in its background with SIGINT ignored.
    assert (["sleep 77"] if number == signal.SIGINT else []) == runs(live, deployed, "sleep")


@contextmanager
def terminal(
    live: LiveSite, environment: int, script: str
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """An exec of a shell script, and our end of its terminal."""
    master, slave = pty.openpty()
    argv = live.cli.argv("exec", environment, "web", "sh", "-c", script)
    process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=subprocess.DEVNULL)
    os.close(slave)
    try:
        yield master, process
    finally:
        process.kill()
        process.wait()
        os.close(master)


def read_until(fd: int, word: bytes) -> None:
    seen, until = b"", time.monotonic() + 30
    while word not in seen:
        assert time.monotonic() < until, seen
        seen += os.read(fd, 1000)


def runs(live: LiveSite, environment: int, program: str) -> list[str]:
    """The command lines of a program in the environment's container."""
    (container,) = live.containers(environment)
    argv = ["docker", "top", container, "-eo", "pid,args"]
    found = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    lines = [line.split(maxsplit=1)[1] for line in found.splitlines()]
    return [line for line in lines if line.startswith(program)]


def test_stats(live: LiveSite, deployed: int) -> None:
    """Every container with what it uses and its limits, and sums."""
    found = live.cli.ok("stats", deployed)
    (web,) = found["containers"]
    assert ("web", str(deployed), "local") == (web["service"], web["environment"], web["engine"])
    assert 0 < web["memory"] < web["memory_limit"] == 256 << 20
    assert web["processes"] >= 1
    assert 0 <= web["cpu"] < 200
    assert web["memory"] == found["environments"][str(deployed)]["memory"]
    assert 1 == found["engines"]["local"]["containers"]
    assert {} == found["away"]
    assert 64 == live.cli("stats", "nothing-there").code
    for by, name in (("container", deployed), ("environment", deployed), ("engine", "local")):
        lines = live.cli("stats", deployed, "--by", by).stdout.splitlines()
        assert [by.upper() if by != "container" else "ENVIRONMENT", str(name)] == [
            line.split("\t")[0] for line in lines
        ]


def test_audit(live: LiveSite, deployed: int, web: Write) -> None:
    """The newest first, filtered, bounded."""
    repo = web()
    (repo / "source" / "note").write_text("2")
    live.cli.ok(
        "deploy", repo, "--change", deployed, "--patchset", 2, env={"PYDEPLOY_USER": "wang"}
    )
    live.cli.ok("restart", deployed)
    acts = live.cli.ok("audit", deployed)
    assert ["restart", "deploy", "deploy"] == [one["action"] for one in acts]
    assert 1 == len(live.cli.ok("audit", deployed, "--limit", 1))
    (mine,) = live.cli.ok("audit", deployed, "--who", "wang@")
    assert f"{deployed}-2" == mine["release"]
    assert acts == live.cli.ok("audit", deployed, "--since", "1h")
    follower = live.cli.start("audit", deployed, "--follow", "--limit", 1, "--json")
    assert follower.stdout
    assert acts[0] == json.loads(follower.stdout.readline())
    live.cli.ok("extend", deployed, "5d")
    assert "extend" == json.loads(follower.stdout.readline())["action"]
    follower.send_signal(signal.SIGINT)
    follower.communicate(timeout=20)
    assert 130 == follower.returncode


def test_restart_of_one_service(live: LiveSite, deployed: int) -> None:
    """The same container, started anew; how long it was away is said; a failure is noted."""
    assert "no service" in live.cli.fails(64, "restart", deployed, "nobody")["message"]
    assert "failed" == live.cli.ok("audit", deployed, "--action", "restart")[0]["result"]
    before = live.containers(deployed)
    started = _started(before[0])
    assert 0 < live.cli.ok("restart", deployed, "web")["gaps_s"]["web"] < 20
    assert before == live.containers(deployed)
    assert started < _started(before[0])
    assert 200 == live.get(deployed).status


def _started(container: str) -> str:
    argv = ["docker", "inspect", "--format", "{{.State.StartedAt}}", container]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def test_releases_and_what_they_differ_in(live: LiveSite, deployed: int, web: Write) -> None:
    """Facts, digests, labels, and the model as a diff; a change goes back to its last two."""
    repo = web()
    for patchset in (2, 3):
        (repo / "source" / "note").write_text(str(patchset))
        compose = (repo / "docker-compose.yml").read_text()
        (repo / "docker-compose.yml").write_text(
            compose + f"    environment: {{N: '{patchset}'}}\n"
            if patchset == 2
            else compose.replace("'2'", "'3'")
        )
        live.cli.ok("deploy", repo, "--change", deployed, "--patchset", patchset)
    known = live.cli.ok("releases", deployed)
    assert [f"{deployed}-3", f"{deployed}-2"] == [one["release"] for one in known]
    assert [True, False] == [one["is_current"] for one in known]
    found = live.cli.ok("diff", deployed, f"{deployed}-2", f"{deployed}-3")
    assert {"before": "2", "after": "3"} == found["facts"]["patchset"]
    assert found["facts"]["image web"]["before"] != found["facts"]["image web"]["after"]
    assert found["facts"]["label web org.opencontainers.image.version"]
    assert "-      N: '2'" in found["model"]
    assert "+      N: '3'" in found["model"]
    assert "choose one of" in live.cli.fails(64, "rollback", deployed, "--to", "x")["hint"]
    back = live.cli.ok("rollback", deployed)
    assert f"{deployed}-2-2" == back["release"]
    assert "2" == live.get(deployed).told["PYDEPLOY_PATCHSET"]


def test_an_expired_environment_goes(live: LiveSite, deployed: int) -> None:
    """Nothing of it stays (with data that is kept: test_backup)."""
    name = str(deployed)
    found = record(live, name)
    past = (datetime.now(UTC) - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    key = live.store.keys.environment(name)
    live.store.etcd.put(key, found.model_copy(update={"expires": past}).text())
    assert name in live.cli.ok("prune")["removed"]["expired"]
    assert [] == live.containers(name) + live.networks(name)
