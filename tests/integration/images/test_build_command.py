"""`pydeploy build`, as Jenkins calls it."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.images.build_world import BASE, World, inspect, runs, wait_until

COMPOSE = "services:\n  web:\n    build: .\n    ports: ['8000']\n"


@pytest.fixture
def repository(pushing: World) -> World:
    """A commit in the layout."""
    pushing.write(
        **{
            "Dockerfile": f"FROM {BASE}\nRUN echo hello > /hello\n",
            "docker-compose.yml": COMPOSE,
            "makefile": "build:\n\trun:\n",
            "readme": "hello\n",
        }
    )
    (pushing.root / "source").mkdir()
    (pushing.root / "source/main.sh").write_text("#!/bin/sh\n")
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        git(pushing.root, *arguments)
    return pushing


def git(root: Path, *arguments: str) -> str:
    person = ["-c", "user.name=t", "-c", "user.email=t@t.test"]
    command = ["git", *person, "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def command(world: World, *arguments: str) -> list[str]:
    site = world.root.parent / "site.yml"
    site.write_text(json.dumps(world.site.model_dump(mode="json", exclude_none=True)))
    program = [sys.executable, "-m", "pydeploy", "--site", str(site)]
    return [*program, "build", str(world.root), *arguments]


def build(world: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(world, *arguments), capture_output=True, text=True, check=False)


CHANGE = ("--change", "12", "--patchset", "3", "--gerrit-project", "docs/hello")


def test_digests_as_json(repository: World) -> None:
    finished = build(repository, *CHANGE, "--json")
    assert finished.returncode == 0, finished.stderr
    printed = json.loads(finished.stdout)
    revision = git(repository.root, "rev-parse", "HEAD")
    (image,) = printed["images"]
    tag = f"12-3-{revision[:7]}"
    assert printed["revision"] == revision
    assert image["ref"] == (f"{repository.registry}/{repository.namespace}/docs/hello/web:{tag}")
    assert image["digest"].startswith("sha256:")
    assert set(printed["timings_s"]) == {"check", "build"}
    assert "[web]" in finished.stderr


def test_a_table_without_json(repository: World) -> None:
    finished = build(repository, *CHANGE)
    header, row = finished.stdout.splitlines()
    assert header.split("\t") == ["service", "image", "digest"]
    assert row.startswith("web\t")


def test_without_pushing_the_image_stays_here(repository: World) -> None:
    finished = build(repository, *CHANGE, "--no-push", "--json")
    (image,) = json.loads(finished.stdout)["images"]
    assert image["ref"].startswith(f"{repository.namespace}/docs/hello/web:")
    assert inspect(image["ref"])["Id"] == image["digest"]


def test_a_failing_build_is_exit_3_with_the_line(repository: World) -> None:
    repository.write(Dockerfile=f"FROM {BASE}\nRUN echo why; false\n")
    finished = build(repository, *CHANGE, "--json")
    assert finished.returncode == 3
    error = json.loads(finished.stdout)["error"]
    assert (error["class"], error["fault"]) == ("BuildError", "author")
    assert "Dockerfile:2" in error["message"]
    assert "why" in error["logs"]


def test_an_abort_by_jenkins_leaves_no_build_behind(repository: World) -> None:
    """SIGTERM: exit 143, the engine has stopped, lock and folders are gone."""
    seconds = 60 + time.time_ns() % 1000 / 1e3
    repository.write(Dockerfile=f"FROM {BASE}\nRUN sleep {seconds}\n")
    process = subprocess.Popen(
        command(repository, *CHANGE), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_until(lambda: runs(f"sleep {seconds}"))
    process.terminate()
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 143, stderr
    assert not runs(f"sleep {seconds}")
    prefix = repository.site.etcd.prefix
    assert repository.etcd.range(f"{prefix}/").kvs == ()


def test_another_revision_than_the_checkouts_is_refused(repository: World) -> None:
    """The digest would be recorded under a revision that it was not built from."""
    finished = build(repository, *CHANGE, "--revision", "1234567")
    assert finished.returncode == 64
    assert "not at 1234567" in finished.stderr
