"""The example of docs/jenkins.md, "From Python", is run as it stands there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.jenkins import fake as kinds
from tests.unit.jenkins.fake import FakeJenkins, Job

PAGE = Path(__file__).parents[3] / "docs" / "jenkins.md"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    path = tmp_path / "example.py"
    path.write_text(block)
    return path


def run(example: Path, fake: FakeJenkins) -> subprocess.CompletedProcess[str]:
    site = example.with_name("site.yml")
    site.write_text(json.dumps({"jenkins": {"url": fake.url, "username": "ci"}}))
    env_vars = {"PYDEPLOY_SITE": str(site), "PYDEPLOY_JENKINS_TOKEN": fake.users["ci"].api_token}
    return subprocess.run(
        [sys.executable, str(example)],
        env={**os.environ, **env_vars, "PYTHONPATH": str(PAGE.parents[1])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_example_follows_a_build_to_its_result(fake: FakeJenkins, example: Path) -> None:
    """Queue item, console, result."""
    fake.folders.add("docs")
    fake.jobs["docs/hello"] = Job([kinds.string("BRANCH")], coming=(b"one\n", b"two\n"))
    done = run(example, fake)
    url = "https://jenkins.elsewhere.example/ci/job/docs/job/hello/1/"
    assert (0, "") == (done.returncode, done.stderr)
    assert ["queue item 42", "one", "two", f"1 SUCCESS {url}"] == done.stdout.splitlines()
    assert {"BRANCH": "master"} == fake.items[42].parameters


def test_the_example_says_what_to_do_next(fake: FakeJenkins, example: Path) -> None:
    """With the exit code of the command line."""
    fake.jobs["docs_hello"] = Job()
    done = run(example, fake)
    assert 64 == done.returncode
    assert "Jenkins has no job 'docs/hello'" in done.stdout
    assert "did you mean 'docs_hello'?" in done.stdout


def test_the_example_has_types(example: Path) -> None:
    """As strict as our own code."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", str(example)],
        cwd=PAGE.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stdout
