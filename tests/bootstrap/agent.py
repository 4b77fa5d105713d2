"""An agent as bootstrap.sh finds it: a library of some version, wheels, a cache, a workspace."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote

from tests.bootstrap import wheels

RESOURCES = Path(__file__).parents[2] / "resources/com/deepin/pydeploy"
PYTHONS = Path(sys.base_prefix, "bin")  # where one is that has venv: ours was made by it
PATH = f"{PYTHONS}:/usr/bin:/bin"


@dataclass(frozen=True, kw_only=True)
class Agent:
    """`library` is a copy of resources/ that pins `version`; the workspace is the change's."""

    version: str
    library: Path
    wheels: Path
    cache: Path
    workspace: Path

    @property
    def environment(self) -> Path:
        """The link that leads to the environment of this library, once that is complete."""
        pins = (self.library / "requirements.txt").read_bytes()
        return self.cache / f"{self.version}-{hashlib.sha256(pins).hexdigest()[:12]}"

    @property
    def env_vars(self) -> dict[str, str]:
        return {
            "PATH": PATH,
            "HOME": str(self.workspace.parent / "home"),
            "PYDEPLOY_CACHE": str(self.cache),
            "PYDEPLOY_WHEELS": str(self.wheels),
            "PYDEPLOY_RESULT": "result",
        }

    def start(self, *arguments: str, **env_vars: str | None) -> subprocess.Popen[str]:
        """In a process group of its own; a variable that is None is not set."""
        wanted = {**self.env_vars, **env_vars}
        return subprocess.Popen(
            ["dash", str(self.library / "bootstrap.sh"), *arguments],
            cwd=self.workspace,
            env={name: value for name, value in wanted.items() if value is not None},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, **env_vars: str | None) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **env_vars)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def other(self, version: str, *, comment: str = "") -> Agent:
        """The same agent, used by a library of another version."""
        library = self.library.with_name(f"library-{version}{len(comment)}")
        return replace(self, version=version, library=library).with_library(comment)

    def with_library(self, comment: str = "") -> Agent:
        self.library.mkdir()
        shutil.copy(RESOURCES / "bootstrap.sh", self.library)
        found = wheels.fake(self.wheels, self.version)
        pin = f"pydeploy=={self.version} \\\n    --hash=sha256:{found}\n{comment}"
        (self.library / "requirements.txt").write_text(pin, encoding="utf-8")
        return self

    def environments(self) -> list[Path]:
        """The links of those that are complete."""
        return sorted(one for one in self.cache.glob("*") if one.is_symlink())

    def folders(self) -> list[Path]:
        """All that environments are in, complete or not."""
        return sorted(one for one in self.cache.glob("*") if one.is_dir() and not one.is_symlink())

    def result(self) -> dict[str, str]:
        """result.properties as the runner step reads it."""
        return dict(self._properties())

    def _properties(self) -> Iterator[tuple[str, str]]:
        text = (self.workspace / "result/result.properties").read_text(encoding="ascii")
        for line in text.splitlines():
            key, _, value = line.partition("=")
            yield unquote(key), unquote(value)


def make(folder: Path, version: str = "1.0") -> Agent:
    """A new agent; nothing is in its cache yet."""
    agent = Agent(
        version=version,
        library=folder / "library",
        wheels=folder / "wheels",
        cache=folder / "cache",
        workspace=folder / "workspace",
    )
    for one in (agent.wheels, agent.workspace, folder / "home"):
        one.mkdir(parents=True)
    return agent.with_library()


def program(file: Path, text: str) -> None:
    """Write a script that can be run."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    file.chmod(0o755)


def tools_without_python(folder: Path) -> str:
    """A PATH with what a system has, but no Python."""
    folder.mkdir()
    for place in ("/bin", "/usr/bin"):
        for tool in Path(place).iterdir():
            if not tool.name.startswith("python") and not os.path.lexists(folder / tool.name):
                (folder / tool.name).symlink_to(tool)
    return str(folder)


def refused(agent: Agent, done: subprocess.CompletedProcess[str]) -> str:
    """Checks that it is the operator's turn, on the console and in the result; the message."""
    assert (6, "") == (done.returncode, done.stdout), done.stderr
    told = agent.result()
    error = told["error.message"]
    assert f"pydeploy: error: {error}\n" in done.stderr
    assert f"  → {told['error.hint']}\n" in done.stderr
    assert "(ServiceError: the operator's turn, exit 6)\n" in done.stderr
    want = {"state": "failed", "exitCode": "6", "file": "result/result.json"}
    want |= {"error.class": "ServiceError", "error.fault": "operator", "error.exitCode": "6"}
    assert want == {key: told[key] for key in told if key not in ("error.message", "error.hint")}
    whole = json.loads((agent.workspace / "result/result.json").read_text(encoding="utf-8"))
    assert ("failed", 6, error) == (whole["state"], whole["exit_code"], whole["error"]["message"])
    assert [] == agent.environments()
    return error
