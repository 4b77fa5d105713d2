"""The commands that look: status, url, logs, watch, prune, config; and expiry."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.integration.support.site import LiveSite

Web = Callable[..., Path]


def test_status_of_all_and_of_one(live: LiveSite, change: int, web: Web) -> None:
    """Tab-separated for scripts, JSON in full, and how the containers are right now."""
    live.cli.ok("deploy", web(), "--change", change, "--patchset", 1, "--owner", "Ann")
    rows = [line.split("\t") for line in live.cli("status").stdout.splitlines()]
    (row,) = [row for row in rows if row[0] == str(change)]
    assert row[2:5] == [f"{change}-1", "running", "1/1 up"]
    one = live.cli.ok("status", change)
    assert one["change"]["owner"] == "Ann"
    assert one["ports"][0]["container_port"] == 8080
    subprocess.run(["docker", "stop", "-t", "1", *live.containers(change)], check=True)
    assert live.cli.ok("status", change)["health"].startswith("0/1")


def test_an_environment_that_does_not_exist(live: LiveSite) -> None:
    """Exit 64, and which ones there are."""
    for command in ("status", "url", "logs"):
        error = live.cli.fails(64, command, "nosuch")
        assert "there is no environment 'nosuch'" in error["message"]


def test_removing_what_is_not_there_is_no_error(live: LiveSite) -> None:
    """Jenkins may say it twice."""
    assert live.cli.ok("remove", "59999")["residue"] == 0


def test_an_expired_environment_goes_with_prune(live: LiveSite, change: int, web: Web) -> None:
    """Only what expired; a dry run says so and removes nothing."""
    live.cli.ok("deploy", web(), "--change", change, "--patchset", 1, "--ttl", "2s")
    stays = f"stays-{change}"
    live.cli.ok("deploy", web(name="stays"), "--name", stays)
    try:
        time.sleep(2.5)
        would = live.cli.ok("prune", "--dry-run")["would_remove"]
        assert would["expired"] == [str(change)]
        assert live.get(change).status == 200
        assert live.cli.ok("prune")["residue"] == 0
        assert live.containers(change) == []
        assert live.get(change).status == 410
        assert live.get(stays).status == 200
        assert live.cli.ok("status", stays)["expires"] is None
    finally:
        live.cli("remove", stays)


def test_prune_touches_nothing_foreign(live: LiveSite) -> None:
    """Containers, networks and volumes without our label stay, whatever they are called."""
    name = f"{live.site.compose_prefix}-r-foreign"
    subprocess.run(["docker", "volume", "create", name], check=True, capture_output=True)
    subprocess.run(["docker", "network", "create", name], check=True, capture_output=True)
    try:
        assert live.cli.ok("prune")["residue"] == 0
        for kind in ("volume", "network"):
            subprocess.run(["docker", kind, "inspect", name], check=True, capture_output=True)
    finally:
        subprocess.run(["docker", "volume", "rm", name], check=True, capture_output=True)
        subprocess.run(["docker", "network", "rm", name], check=True, capture_output=True)


def test_watch_prints_each_change_and_runs_a_program(
    live: LiveSite, change: int, web: Web, tmp_path: Path
) -> None:
    """JSON lines of environments, claims and routes; the program gets each on its stdin."""
    since = live.store.etcd.range(live.store.keys.route()).revision + 1
    out = tmp_path / "seen"
    watch = live.cli.start("watch", "--since", since, "--exec", f"tee -a {out}")
    try:
        live.cli.ok("deploy", web(), "--change", change, "--patchset", 1)
        live.cli.ok("remove", change)
        until = time.monotonic() + 20
        while not _seen(out, "environments", "delete"):
            assert time.monotonic() < until
            time.sleep(0.2)
    finally:
        watch.terminate()
        stdout, _ = watch.communicate(timeout=20)
    lines = [json.loads(line) for line in stdout.splitlines()]
    assert lines[0]["event"] == "start"
    kinds = {line["kind"] for line in lines if "kind" in line}
    assert kinds == {"environments", "ports", "subnets", "routes"}
    revisions = [line["revision"] for line in lines]
    assert revisions == sorted(revisions)
    assert watch.returncode == 143


def _seen(path: Path, kind: str, event: str) -> bool:
    lines = path.read_text().splitlines() if path.exists() else []
    return any(
        (one := json.loads(line))["kind"] == kind and one["event"] == event for line in lines
    )


def test_logs_of_one_service_and_of_all(live: LiveSite, change: int, web: Web) -> None:
    """With the service in front where there are several; an unknown one is named."""
    compose = """
    services:
      a: &it
        image: pydeploy-test/python:1
        command: ["sh", "-c", "echo from a; sleep 900"]
        init: true
        restart: always
      b: {<<: *it, command: ["sh", "-c", "echo from b; sleep 900"]}
    """
    live.cli.ok("deploy", web(compose), "--change", change, "--patchset", 1)
    assert live.cli("logs", change).stdout.splitlines() == ["a | from a", "b | from b"]
    assert live.cli("logs", change, "b").stdout == "from b\n"
    error = live.cli.fails(64, "logs", change, "c")
    assert "no service 'c'" in error["message"]


def test_a_log_cannot_drive_the_terminal(live: LiveSite, change: int, web: Web) -> None:
    """Escape sequences of a change's program come out harmless."""
    compose = """
    services:
      a:
        image: pydeploy-test/python:1
        command: ["printf", "\\\\033]0;owned\\\\007\\\\033[2Jx\\\\n"]
    """
    live.cli.ok("deploy", web(compose), "--change", change, "--patchset", 1)
    assert "\x1b" not in live.cli("logs", change).stdout


def test_the_audit_says_who_did_what(live: LiveSite, change: int, web: Web) -> None:
    """One entry per act, with its result."""
    live.cli.ok("deploy", web(), "--change", change, "--patchset", 1)
    live.cli.ok("remove", change)
    acts = [one for one in live.keys("audit/").values() if one["environment"] == str(change)]
    assert [(one["action"], one["result"]) for one in acts] == [
        ("deploy", "running"),
        ("remove", "removed"),
    ]
    assert all("@" in one["who"] for one in acts)


def test_the_image_of_a_named_environment_goes_with_it(
    live: LiveSite, change: int, web: Web
) -> None:
    """Its build's record names it too, and goes with it; unless another environment runs it."""
    root = web("services:\n  job:\n    build: .\n    command: ['true']\n")
    name, other = f"named-{change}", f"other-{change}"
    (image,) = live.cli.ok("deploy", root, "--name", name)["images"]
    (same,) = live.cli.ok("deploy", root, "--name", other)["images"]
    assert same["digest"] == image["digest"]
    assert live.cli.ok("remove", name)["removed"]["images"] == 0
    assert live.engine.api.images(name=image["ref"])
    assert live.cli.ok("remove", other)["removed"]["images"] == 1
    assert live.engine.api.images(name=image["ref"]) == []
    assert image["digest"] not in str(live.keys("builds/"))


def test_a_job_that_says_so_must_end(live: LiveSite, change: int, web: Web) -> None:
    """`kind: job` and still running at the deadline: the author's fault, nothing stays."""
    compose = """
    services:
      a: {image: "pydeploy-test/python:1", command: ["sleep", "900"], init: true}
    """
    root = web(compose, **{"pydeploy.yml": "kind: job\ndeadline: 4s\n"})
    error = live.cli.fails(4, "deploy", root, "--change", change, "--patchset", 1)
    assert "a has not ended" in error["message"]
    assert live.containers(change) == []
