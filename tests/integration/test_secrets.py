"""Secrets of the site: delivered as files to whom they are granted, and to be seen nowhere else."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from pydeploy.config import site as site_config
from tests.integration.support.keeping import container_of
from tests.integration.support.repositories import PYTHON
from tests.integration.support.site import LiveSite
from tests.integration.support.waiting import eventually

Write = Callable[..., Path]
VALUE = "opensesame-0123456789"
SERVICE = f"""
services:
  web:
    image: {PYTHON}
    command: ["python3", "/app/server.py"]
    volumes: ["./source:/app"]
    ports: ["8080"]
    read_only: true
    tmpfs: ["/run"]
    secrets:
      - token
      - {{source: key, target: the-key, uid: "33", gid: "34", mode: "0400"}}
      - own
  store:
    image: {PYTHON}
    command: ["sleep", "1000"]
    init: true
    volumes: ["data:/data"]
    secrets: [token]
volumes: {{data: {{}}}}
secrets:
  token: {{external: true}}
  key: {{external: true}}
  own: {{file: ./own.txt}}
"""
ASKING = ("--gerrit-project", "docs/hello", "--branch", "master")


@pytest.fixture
def granting(live: LiveSite, tmp_path: Path) -> LiveSite:
    """The same site with grants; `token` differs by environment."""
    (tmp_path / "token").write_text(VALUE)
    who = {"gerrit_project": "docs/hello", "branch": "mas*"}
    grants = [
        {"name": "token", "file": str(tmp_path / "token"), **who, "environments": ["staging-*"]},
        {"name": "token", "variable": "CHANGES_TOKEN", **who, "environments": ["[0-9]*"]},
        {"name": "key", "command": ["echo", f"{VALUE}-key"], **who, "environments": ["*"]},
        {"name": "only-staging", "command": ["echo", "x" * 9], **who, "environments": ["staging"]},
    ]
    data = yaml.safe_load(live.file.read_text())
    file = tmp_path / "site.yml"
    file.write_text(yaml.safe_dump({**data, "secrets": grants}))
    return replace(live, file=file, site=site_config.load(str(file), {}))


@pytest.fixture
def staging(granting: LiveSite, change: int) -> Iterator[str]:
    name = f"staging-{change}"
    yield name
    granting.cli("remove", name, "--purge-data")


def inside(live: LiveSite, name: object, service: str, *argv: str) -> str:
    done = live.cli("exec", name, service, *argv)
    assert 0 == done.code, done.stderr
    return done.stdout


def test_files_are_there_and_values_nowhere_else(
    granting: LiveSite, staging: str, web: Write, tmp_path: Path
) -> None:
    """Owner and mode as asked, beside the repository's own.

    Not in etcd, engine, output, argv, backups.
    """
    seen: list[str] = []
    stop = threading.Event()
    watcher = threading.Thread(target=_watch_argv, args=(seen, stop))
    watcher.start()
    repo = web(SERVICE, **{"own.txt": "mine"})
    result = granting.cli("deploy", repo, "--name", staging, *ASKING, "--json")
    stop.set()
    watcher.join()
    assert 0 == result.code, result.stderr
    assert VALUE == inside(granting, staging, "web", "cat", "/run/secrets/token")
    assert f"{VALUE}-key" == inside(granting, staging, "web", "cat", "/run/secrets/the-key")
    assert "mine" == inside(granting, staging, "web", "cat", "/run/secrets/own")
    assert VALUE == inside(granting, staging, "store", "cat", "/run/secrets/token")
    stat = inside(granting, staging, "web", "stat", "-c", "%a %u %g", "/run/secrets/the-key")
    assert "400 33 34" == stat.strip()
    assert (
        "444 0 0"
        == inside(granting, staging, "web", "stat", "-c", "%a %u %g", "/run/secrets/token").strip()
    )
    assert VALUE not in result.stdout + result.stderr
    assert [] == [one for one in seen if VALUE in one]
    assert VALUE not in json.dumps(granting.keys())
    assert VALUE not in _everything_the_engine_tells(granting, staging)
    saved = granting.cli.ok("backup", staging, "--to", tmp_path / "saved.tar")
    assert ["data"] == list(saved["volumes"])
    assert VALUE.encode() not in Path(saved["file"]).read_bytes()


def _watch_argv(seen: list[str], stop: threading.Event) -> None:
    while not stop.wait(0.02):
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = path.read_bytes().decode(errors="replace")
            except OSError:
                continue
            if "echo" not in line:  # the operator's own program has it as an argument here
                seen.append(line)


def _everything_the_engine_tells(live: LiveSite, name: str) -> str:
    containers, volumes = live.containers(name), live.volumes(name)
    images = {
        one["Image"] for one in json.loads(_docker("inspect", *containers)) if one.get("Image")
    }
    told = [_docker("inspect", *containers), _docker("volume", "inspect", *volumes)]
    told += [_docker("inspect", *images)]
    told += [_docker("history", "--no-trunc", image) for image in images]
    return "".join(told)


def _docker(*argv: str) -> str:
    return subprocess.run(["docker", *argv], check=True, capture_output=True, text=True).stdout


def test_each_environment_gets_its_own_value(granting: LiveSite, change: int, web: Write) -> None:
    """The first grant that matches; a variable of the agent is the source here."""
    repo = web(SERVICE, **{"own.txt": "mine"})
    variables = {"CHANGES_TOKEN": "harmless-value"}
    granting.cli.ok("deploy", repo, "--change", change, "--patchset", 1, *ASKING, env=variables)
    assert "harmless-value" == inside(granting, change, "web", "cat", "/run/secrets/token")
    gone = granting.cli.ok("remove", change)
    assert 0 == gone["residue"]
    assert [] == granting.volumes(change)


@pytest.mark.parametrize(
    "who",
    [
        (),
        ("--gerrit-project", "docs/hello"),
        ("--gerrit-project", "docs/other", "--branch", "master"),
        ("--gerrit-project", "docs/hello", "--branch", "feature"),
    ],
)
def test_it_is_for_whom_gerrit_names(
    granting: LiveSite, staging: str, web: Write, who: tuple[str, ...]
) -> None:
    """Who cannot say project and branch, or says others, gets nothing."""
    repo = web(SERVICE, **{"own.txt": "mine"})
    error = granting.cli.fails(2, "deploy", repo, "--name", staging, *who)
    assert "is not granted" in error["message"]


def test_it_is_for_the_environments_of_its_grant(
    granting: LiveSite, change: int, web: Write
) -> None:
    """The project has it, this environment has not."""
    compose = SERVICE.replace("token", "only-staging")
    repo = web(compose, **{"own.txt": "mine"})
    error = granting.cli.fails(2, "deploy", repo, "--change", change, "--patchset", 1, *ASKING)
    assert f"not in environment {change}" in error["message"]
    assert [] == granting.volumes(change)


def test_a_source_that_fails_is_the_operators(granting: LiveSite, change: int, web: Write) -> None:
    """It says which, and where it would come from."""
    repo = web(SERVICE, **{"own.txt": "mine"})
    error = granting.cli.fails(6, "deploy", repo, "--change", change, "--patchset", 1, *ASKING)
    assert "variable CHANGES_TOKEN: it is empty" in error["message"]


def test_a_program_that_prints_its_secret_does_not_print_it_through_us(
    granting: LiveSite, staging: str, web: Write
) -> None:
    """Last lines of a failed container, on the console and in the result."""
    compose = SERVICE.replace(
        '["python3", "/app/server.py"]', '["sh", "-c", "cat /run/secrets/token; exit 3"]'
    )
    repo = web(compose, **{"own.txt": "mine"})
    result = granting.cli("deploy", repo, "--name", staging, *ASKING, "--json")
    assert 4 == result.code
    assert "***" in result.error["logs"]
    assert VALUE not in result.stdout + result.stderr
    assert VALUE not in json.dumps(granting.keys())


def test_refresh_brings_todays_values(
    granting: LiveSite, change: int, staging: str, web: Write, tmp_path: Path
) -> None:
    """To who is swapped and to who stays, without a build; a promoted release has those of where
    it runs, not of where it comes from."""
    repo = web(SERVICE, **{"own.txt": "mine"})
    variables = {"CHANGES_TOKEN": "harmless-value"}
    asked = ("deploy", repo, "--change", change, "--patchset", 1, *ASKING)
    first = granting.cli.ok(*asked, env=variables)
    granting.cli.ok("promote", change, "--to", staging)
    assert VALUE == inside(granting, staging, "web", "cat", "/run/secrets/token")
    (tmp_path / "token").write_text("a-new-value")
    found = granting.cli.ok("secrets", "refresh", staging)
    assert first["images"] == found["images"]
    assert ["store"] == list(found["gaps_s"])
    for service in ("web", "store"):
        assert "a-new-value" == inside(granting, staging, service, "cat", "/run/secrets/token")
    assert 3 == len(granting.volumes(staging))


def test_a_refresh_that_fails_leaves_what_serves(
    granting: LiveSite, staging: str, web: Write, tmp_path: Path
) -> None:
    """No value to be had, one that the program does not like, or kill -9: the old ones serve."""
    likes = "grep -q opensesame /run/secrets/token"
    compose = SERVICE.replace(
        '["sleep", "1000"]', f'["sh", "-c", "{likes} && exec sleep 1000"]'
    ).replace(
        '["python3", "/app/server.py"]', f'["sh", "-c", "{likes} && exec python3 /app/server.py"]'
    )
    granting.cli.ok("deploy", web(compose, **{"own.txt": "mine"}), "--name", staging, *ASKING)
    store = container_of(granting, staging, "store")
    refresh = ("secrets", "refresh", staging)

    def expect_all_as_it_was() -> None:
        assert store == container_of(granting, staging, "store")
        for service in ("web", "store"):
            assert VALUE == inside(granting, staging, service, "cat", "/run/secrets/token")
        assert 200 == granting.get(staging).status
        assert 3 == len(granting.volumes(staging))

    (tmp_path / "token").rename(tmp_path / "away")
    granting.cli.fails(6, *refresh)
    expect_all_as_it_was()
    (tmp_path / "token").write_text("nobody-likes-this")
    granting.cli.fails(4, *refresh)
    expect_all_as_it_was()
    (tmp_path / "token").write_text(f"{VALUE}-new")
    assert -9 == granting.cli(*refresh, env={"PYDEPLOY_FAILPOINT": "after-start"}).code
    eventually(lambda: not granting.keys("locks") and not granting.keys("work"))
    assert 0 == granting.cli.ok("prune")["residue"]
    expect_all_as_it_was()
    assert -9 == granting.cli(*refresh, env={"PYDEPLOY_FAILPOINT": "after-healthy"}).code
    granting.cli.ok(*refresh)
    for service in ("web", "store"):
        assert f"{VALUE}-new" == inside(granting, staging, service, "cat", "/run/secrets/token")
    assert 3 == len(granting.volumes(staging))
    assert 0 == granting.cli.ok("prune")["residue"]


@pytest.mark.parametrize("point", ["after-claim", "during-start"])
def test_a_killed_deploy_leaves_no_secret(
    granting: LiveSite, staging: str, web: Write, point: str
) -> None:
    """The next deploy has its own volumes and no other."""
    repo = web(SERVICE, **{"own.txt": "mine"})
    died = granting.cli(
        "deploy", repo, "--name", staging, *ASKING, env={"PYDEPLOY_FAILPOINT": point}
    )
    assert -9 == died.code
    granting.cli.ok("deploy", repo, "--name", staging, *ASKING)
    assert 3 == len(granting.volumes(staging))


def test_the_list_shows_no_value(granting: LiveSite) -> None:
    """Names, sources, who and where; with --check what cannot be read."""
    listed = granting.cli.ok("secrets", "list")
    assert ["token", "token", "key", "only-staging"] == [one["name"] for one in listed["secrets"]]
    assert VALUE not in json.dumps(listed)
    checked = granting.cli("secrets", "list", "--check", "--json")
    assert 6 == checked.code
    problems = [bool(one["problem"]) for one in checked.json["secrets"]]
    assert [False, True, False, False] == problems


CLASHING = f"""
services:
  web:
    image: {PYTHON}
    command: ["python3", "/app/server.py"]
    volumes: ["./source:/app"]
    ports: ["8080"]
    secrets: [token]
  thief:
    image: {PYTHON}
    command: ["sleep", "1000"]
    init: true
    volumes: ["secrets-web:/a", "io.pydeploy.secrets.web:/b"]
volumes: {{secrets-web: {{}}, io.pydeploy.secrets.web: {{}}}}
secrets: {{token: {{external: true}}}}
"""


def test_no_other_service_gets_it_by_a_volumes_name(
    granting: LiveSite, change: int, web: Write
) -> None:
    """A change's own volumes of such names are its own, and empty."""
    variables = {"CHANGES_TOKEN": "harmless-value"}
    repo = web(CLASHING)
    granting.cli.ok("deploy", repo, "--change", change, "--patchset", 1, *ASKING, env=variables)
    assert "harmless-value" == inside(granting, change, "web", "cat", "/run/secrets/token")
    assert "" == inside(granting, change, "thief", "find", "/a", "/b", "-type", "f")


def test_what_an_image_has_there_cannot_bend_a_secret(
    granting: LiveSite, change: int, web: Write
) -> None:
    """A link in its place is replaced, the folder is root's; anonymous volumes leave no trace."""
    dockerfile = (
        f"FROM {PYTHON}\nRUN mkdir -p /run/secrets && ln -s /etc/passwd /run/secrets/token "
        "&& chmod 0777 /run/secrets\nVOLUME /somewhere\n"
    )
    compose = CLASHING.replace(f"image: {PYTHON}", "build: .", 1).partition("  thief:")[0]
    compose += "secrets: {token: {external: true}}\n"
    before = set(_docker("volume", "ls", "--quiet").split())
    variables = {"CHANGES_TOKEN": "harmless-value"}
    repo = web(compose, Dockerfile=dockerfile)
    granting.cli.ok("deploy", repo, "--change", change, "--patchset", 1, *ASKING, env=variables)
    stat = inside(granting, change, "web", "stat", "-c", "%F %a %u", "/run/secrets")
    assert "directory 755 0" == stat.strip()
    assert "harmless-value" == inside(granting, change, "web", "cat", "/run/secrets/token")
    assert (
        "regular file"
        == inside(granting, change, "web", "stat", "-c", "%F", "/run/secrets/token").strip()
    )
    mine = [
        one for one in set(_docker("volume", "ls", "--quiet").split()) - before if len(one) == 64
    ]
    assert len(mine) <= 1  # the service's own
    granting.cli.ok("remove", change)
    left = set(_docker("volume", "ls", "--quiet").split())
    assert set() == left & set(mine)
