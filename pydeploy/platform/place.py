"""Where the site's compose project and its images' sources are, and where the site keeps things."""

from __future__ import annotations

from pathlib import Path

import pydeploy
from pydeploy.config.site import Site

PACKAGE = Path(pydeploy.__file__).parent


def sources() -> Path:
    """The folder `platform/`: beside the package in a clone, inside it in a wheel."""
    inside = PACKAGE / "_platform"
    return inside if inside.is_dir() else PACKAGE.parent / "platform"


def requirements() -> Path:
    inside = sources() / "requirements"
    return inside if inside.is_dir() else PACKAGE.parent / "requirements"


def state(site: Site) -> Path:
    """Of this site alone: what `up` chose, and its copy of site.yml."""
    return site.state_dir / site.site


def ports_file(site: Site) -> Path:
    return state(site) / "ports.json"


def project(site: Site) -> str:
    """The compose project of the site itself."""
    return f"pydeploy-{site.site}"
