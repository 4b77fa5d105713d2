"""What killed test sessions left on the engine: found by name, because the name has their pid."""

from __future__ import annotations

import os
import re
import subprocess


def erase(site: str) -> None:
    """All that carries the label of `site`, and all images below its namespace."""
    _erase_by(f"label=io.pydeploy.site={site}")
    images = _docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}")
    mine = [one for one in images if re.match(rf"([^/]+/)?{site}/", one)]
    if mine:
        subprocess.run(["docker", "image", "rm", "--force", *mine], capture_output=True)


def erase_dead(prefix: str) -> None:
    """The same, and the platform's own compose project, for sessions whose process is gone."""
    found = _docker("ps", "--all", "--format", '{{.Label "com.docker.compose.project"}}')
    found += _docker("ps", "--all", "--format", '{{.Label "io.pydeploy.site"}}')
    sites = {one.removeprefix("pydeploy-") for one in found}
    for site in sites:
        pid = site.removeprefix(prefix)
        if site.startswith(prefix) and pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            erase(site)
            _erase_by(f"label=com.docker.compose.project=pydeploy-{site}")


def _erase_by(filter_: str) -> None:
    for kind, flags in (("container", ["--all"]), ("network", []), ("volume", [])):
        found = _docker(kind, "ls", *flags, "--quiet", "--filter", filter_)
        if found:
            force = [] if kind == "network" else ["--force"]
            subprocess.run(["docker", kind, "rm", *force, *found], check=True, capture_output=True)


def _docker(*arguments: str) -> list[str]:
    done = subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True)
    return done.stdout.split()
