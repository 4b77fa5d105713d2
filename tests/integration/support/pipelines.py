"""Runs a Jenkinsfile with the library on, and a real `sh`; see tests/groovy."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.support.waiting import eventually

GROOVY = Path(__file__).parents[2] / "groovy"
_MAIN = "com.deepin.pydeploy.live.Live"
_DEPENDENCY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
_OPENED = ("java.lang", "java.util", "java.util.regex", "java.io")


@dataclass(frozen=True)
class Ended:
    """What came of a pipeline, and what its console showed."""

    outcome: dict[str, Any]
    console: str

    @property
    def returned(self) -> dict[str, Any]:
        assert "failure" not in self.outcome, self.outcome["failure"] + self.console
        value: dict[str, Any] = self.outcome["returned"]
        return value

    @property
    def failure(self) -> str:
        assert "failure" in self.outcome, self.console
        return str(self.outcome["failure"])


@dataclass(frozen=True)
class Jenkins:
    """Something that runs pipelines on this machine as its agent."""

    classpath: str
    folder: Path  # for its own files
    env_vars: dict[str, str] = field(default_factory=dict)  # that every build has
    credentials: dict[str, Any] = field(default_factory=dict)  # by id: kind, secrets

    def start(self, jenkinsfile: str, workspace: Path, **env_vars: str) -> Build:
        folder = self.folder / f"build{len(list(self.folder.iterdir()))}"
        folder.mkdir()
        build = Build(folder=folder)
        asked = {
            "jenkinsfile": jenkinsfile,
            "workspace": str(workspace),
            "credentials": self.credentials,
            "env": {
                **self.env_vars,
                "BUILD_TAG": f"jenkins-{folder.name}",
                "BUILD_URL": f"http://ci.test/{folder.name}/",
                **env_vars,
            },
            **{name: str(folder / name) for name in ("console", "pid", "aborted", "outcome")},
        }
        (folder / "asked.json").write_text(json.dumps(asked))
        opened = [
            word for name in _OPENED for word in ("--add-opens", f"java.base/{name}=ALL-UNNAMED")
        ]
        library = f"-Dlibrary={GROOVY.parents[1]}"
        build.java = subprocess.Popen(
            ["java", *opened, library, "-cp", self.classpath, _MAIN, str(folder / "asked.json")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        )
        return build

    def run(self, jenkinsfile: str, workspace: Path, **env_vars: str) -> Ended:
        return self.start(jenkinsfile, workspace, **env_vars).ended()


@dataclass
class Build:
    folder: Path
    java: subprocess.Popen[str] = field(init=False)

    @property
    def pid(self) -> int:
        """Of the program that `sh` has become."""
        eventually((self.folder / "pid").exists, 60)
        return int((self.folder / "pid").read_text())

    def abort(self, signal_number: int) -> None:
        """As Jenkins does: the pipeline's step is over once its process is.

        ProcessTree.UnixProcess.killRecursively: the children first, and each is waited for.
        """
        (self.folder / "aborted").touch()
        for child in _children(self.pid):
            _end(child, signal_number)
            time.sleep(1)  # at most so long Jenkins does not look whether it is gone
        os.kill(self.pid, signal_number)

    def ended(self) -> Ended:
        said, _ = self.java.communicate(timeout=240)
        outcome = self.folder / "outcome"
        assert outcome.exists(), said
        console = self.folder / "console"
        return Ended(
            outcome=json.loads(outcome.read_text()),
            console=console.read_text(errors="replace") if console.exists() else "",
        )


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def _end(pid: int, signal_number: int) -> None:
    for child in _children(pid):
        _end(child, signal_number)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal_number)
    until, pause = time.monotonic() + 5, 0.01
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
        time.sleep(pause)
        pause = min(2 * pause, 1)


def classpath(into: Path) -> str:
    """Compile tests/groovy with what it needs, and say where all of it is."""
    file = into / "classpath"
    goals = ["test-compile", f"{_DEPENDENCY}:build-classpath"]
    options = [f"-Dmdep.outputFile={file}", "-Dmdep.includeScope=test"]
    subprocess.run(["mvn", "-B", "-q", *goals, *options], cwd=GROOVY, check=True)
    return f"{GROOVY / 'target' / 'test-classes'}:{file.read_text()}"
