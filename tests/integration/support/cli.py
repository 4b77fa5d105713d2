"""Runs pydeploy as its users do: as a process, with a site file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Result:
    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def error(self) -> dict[str, Any]:
        value: dict[str, Any] = self.json["error"]
        return value


@dataclass(frozen=True)
class Cli:
    """`pydeploy --site FILE ...`."""

    site_file: Path

    def argv(self, *arguments: object) -> list[str]:
        site = ["--site", str(self.site_file)]
        return [sys.executable, "-m", "pydeploy", *site, *(str(one) for one in arguments)]

    def __call__(
        self, *arguments: object, env: Mapping[str, str] | None = None, timeout: float = 180
    ) -> Result:
        done = subprocess.run(
            self.argv(*arguments),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=os.environ | dict(env or {}),
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def ok(self, *arguments: object, env: Mapping[str, str] | None = None) -> Any:
        """The JSON of a command that must succeed."""
        result = self(*arguments, "--json", env=env)
        assert result.code == 0, result.stderr + result.stdout
        return result.json

    def fails(
        self, code: int, *arguments: object, env: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The error object of a command that must end with `code`."""
        result = self(*arguments, "--json", env=env)
        assert result.code == code, f"exit {result.code}\n{result.stderr}{result.stdout}"
        return result.error

    def start(
        self, *arguments: object, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """In the background; the caller waits for it."""
        return subprocess.Popen(
            self.argv(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | dict(env or {}),
        )
