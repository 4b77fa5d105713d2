"""The images of a release, brought to the engine that is to run it: pulled, never built."""

from __future__ import annotations

import os

from pydeploy import console
from pydeploy.deploy.candidate import Candidate
from pydeploy.deploy.session import Session
from pydeploy.errors import ConfigError, ServiceError


def fetch(session: Session, asked: Candidate, source_engine: str = "") -> None:
    """ServiceError where an image is nowhere to be had: the registry lost it, or there is none."""
    from pydeploy.clients.registry import Registry
    from pydeploy.images import credentials
    from pydeploy.images.stop import Stop
    from pydeploy.images.transfer import Transfer

    site = session.site
    login = credentials.login(site, os.environ)
    transfer = Transfer(
        engine=session.engine,
        registry=Registry.of_site(site, login),
        login=login,
        stop=Stop(session.cancel),
        timeout=site.build.timeout,
    )
    for image in dict.fromkeys(one["image"] for one in asked.model["services"].values()):
        if transfer.inspect(image) is not None:
            continue
        if image.startswith("sha256:"):
            raise _only_elsewhere(session, image, source_engine)
        console.say(f"  pull {image}")
        try:
            transfer.pull(image)
        except ConfigError as absent:
            raise ServiceError(
                f"the image {image} is in no registry any more",
                service="registry",
                hint="deploy the change anew, which builds it; or choose another release",
                logs=absent.logs,
            ) from absent


def _only_elsewhere(session: Session, image: str, source_engine: str) -> ServiceError:
    where = f"on engine {source_engine}" if source_engine else "on another engine"
    return ServiceError(
        f"the image {image[:19]} is only {where}, if anywhere, and not on {session.engine.name}",
        service="registry",
        hint="give the site a registry (site.yml: registry/address), then deploy it anew",
    )
