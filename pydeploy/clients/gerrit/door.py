"""Which door to Gerrit the site has, and with which secrets of the process environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydeploy.clients.gerrit.model import Gerrit
from pydeploy.config import site
from pydeploy.errors import SiteConfigError

USERNAME = "PYDEPLOY_GERRIT_USERNAME"
PASSWORD = "PYDEPLOY_GERRIT_PASSWORD"  # noqa: S105 (the variable's name)
TOKEN = "PYDEPLOY_GERRIT_TOKEN"  # noqa: S105 (likewise)
SSH_KEY = "PYDEPLOY_GERRIT_SSH_KEY"


def has_credentials(settings: site.Gerrit, env_vars: Mapping[str, str] | None = None) -> bool:
    """SSH has its own, or its agent; whether they are any good shows when it is used."""
    return bool(settings.ssh or (settings.url and secrets(env_vars)))


def secrets(env_vars: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """What must never be printed."""
    variables = os.environ if env_vars is None else env_vars
    return tuple(value for name in (PASSWORD, TOKEN) if (value := variables.get(name)))


def opened(settings: site.Gerrit, env_vars: Mapping[str, str] | None = None) -> Gerrit:
    """REST where there is a password or token for it, else SSH; nothing is contacted yet."""
    variables = os.environ if env_vars is None else env_vars
    if settings.url and secrets(variables):
        return _rest(settings.url, settings, variables)
    if settings.ssh:
        return _ssh(settings.ssh, settings, variables)
    if settings.url:
        raise SiteConfigError(
            "there are no credentials for Gerrit",
            hint=f"set {USERNAME} and {PASSWORD} (or {TOKEN}), or gerrit/ssh in site.yml",
        )
    raise SiteConfigError(
        "site.yml names no Gerrit", hint="set gerrit/url or gerrit/ssh: docs/gerrit.md"
    )


def _rest(url: str, settings: site.Gerrit, variables: Mapping[str, str]) -> Gerrit:
    from pydeploy.clients.gerrit.rest import Rest

    username = settings.username or variables.get(USERNAME)
    token = variables.get(TOKEN, "").strip()  # a line feed at its end is no part of it
    if not (token.isascii() and token.isprintable()):
        raise SiteConfigError(f"{TOKEN} holds what cannot be a token", hint="set it anew")
    if not (username or token):
        raise SiteConfigError(
            "it is not said as whom Gerrit is asked",
            hint=f"set {USERNAME}, or gerrit/username in site.yml",
        )
    login = (username, variables.get(PASSWORD, "")) if username else None
    return Rest(url, login=login, token=token, ca=settings.ca, timeout=settings.timeout)


def _ssh(address: str, settings: site.Gerrit, variables: Mapping[str, str]) -> Gerrit:
    from pydeploy.clients.gerrit.ssh import Ssh

    user, _, rest = address.rpartition("@")
    host, _, port = rest.partition(":")
    key = variables.get(SSH_KEY)
    return Ssh(
        host,
        port=int(port) if port else None,
        username=user or settings.username or variables.get(USERNAME) or None,
        key=Path(key).absolute() if key else None,
        known_hosts=settings.known_hosts,
        timeout=settings.timeout,
    )
