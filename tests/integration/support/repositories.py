"""Small microservice repositories, written for one test."""

from __future__ import annotations

import textwrap
from pathlib import Path

PYTHON = "pydeploy-test/python:1"
WEB = f"""
services:
  web:
    image: {PYTHON}
    command: ["python3", "/app/server.py"]
    volumes: ["./source:/app"]
    ports: ["8080"]
    stop_grace_period: 5s
"""


def repository(root: Path, compose: str, **files: str) -> Path:
    """A repository in the layout; `files` are written by name, `__` standing for a slash."""
    root.mkdir(parents=True, exist_ok=True)
    server = Path(__file__).with_name("server.py").read_text()
    contents = {
        "docker-compose.yml": textwrap.dedent(compose),
        "readme": "A service for a test.\n",
        "makefile": "build:\n\tdocker compose build\nrun:\n\tdocker compose up\n",
        "Dockerfile": f"FROM {PYTHON}\n",
        "source/server.py": server,
    }
    contents |= {name.replace("__", "/"): text for name, text in files.items()}
    for name, text in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root
