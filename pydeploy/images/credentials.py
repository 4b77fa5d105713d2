"""A docker configuration folder for one command: our registry's password, our proxy, and no more.

It is made anew each time, so that what a user has set up (a selected builder, a context, a
proxy) does not change what is built; and so that the password is in no argv, in no
environment, and on no disk for longer than the command.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydeploy.clients import scratch
from pydeploy.config.site import Proxy, Site

PASSWORD = "PYDEPLOY_REGISTRY_PASSWORD"  # noqa: S105 (the variable's name)
_TAKEN_OVER = ("auths", "credHelpers", "credsStore", "cliPluginsExtraDirs")


def login(site: Site, env_vars: Mapping[str, str]) -> tuple[str, str] | None:
    """User and password of the site's registry; None where it wants none."""
    password = env_vars.get(PASSWORD)
    if not (site.registry.username and password):
        return None
    return site.registry.username, password


@contextmanager
def docker_config(site: Site, env_vars: Mapping[str, str] | None = None) -> Iterator[Path]:
    """The folder, for $DOCKER_CONFIG; readable by us alone, gone afterwards."""
    variables = os.environ if env_vars is None else env_vars
    users = Path(variables.get("DOCKER_CONFIG") or Path.home() / ".docker")
    with scratch.folder() as folder:
        descriptor = os.open(folder / "config.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(_content(site, _users_own(users), login(site, variables)), file)
        if (users / "cli-plugins").is_dir():  # buildx may be installed for this user only
            (folder / "cli-plugins").symlink_to(users / "cli-plugins")
        yield folder


def _users_own(folder: Path) -> dict[str, Any]:
    """What the agent's user may have for other registries."""
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return (
        {key: found[key] for key in _TAKEN_OVER if key in found} if isinstance(found, dict) else {}
    )


def _content(
    site: Site, users_own: dict[str, Any], credentials: tuple[str, str] | None
) -> dict[str, Any]:
    config = dict(users_own)
    address = site.registry.address
    if address and credentials:
        secret = base64.b64encode(":".join(credentials).encode()).decode()
        config["auths"] = {**config.get("auths", {}), address: {"auth": secret}}
        # An empty helper: this one is in the file, whatever store the user's others are in.
        config["credHelpers"] = {**config.get("credHelpers", {}), address: ""}
    if proxies := _proxies(site.build.proxy):
        config["proxies"] = {"default": proxies}
    return config


def _proxies(proxy: Proxy) -> dict[str, str]:
    """buildx gives these to builds as the predefined arguments, which no image keeps.

    By this file and not by --build-arg: a proxy's address may hold a password.
    """
    known = {"httpProxy": proxy.http, "httpsProxy": proxy.https, "noProxy": proxy.no}
    return {key: value for key, value in known.items() if value}
