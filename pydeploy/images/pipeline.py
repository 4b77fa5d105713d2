"""From a checked model to one that runs without its checkout."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from pydeploy.clients.docker import DockerEngine
from pydeploy.clients.etcd import Etcd
from pydeploy.clients.registry import Registry
from pydeploy.clients.shell import Cancelled, LineSink
from pydeploy.config.site import Site
from pydeploy.images import building, credentials, model, plan
from pydeploy.images.making import Maker
from pydeploy.images.once import Ledger
from pydeploy.images.plan import Plan
from pydeploy.images.stop import Stop
from pydeploy.images.transfer import Transfer
from pydeploy.images.values import BuildIdentity, Image, Prepared
from pydeploy.state.keys import Keys

AT_ONCE = 4  # services that build in parallel


def prepare(
    checkout_model: dict[str, Any],
    *,
    root: Path,
    identity: BuildIdentity,
    site: Site,
    engine: DockerEngine,
    etcd: Etcd,
    cancel: threading.Event | None = None,
    on_line: LineSink = lambda _: None,
) -> Prepared:
    """Build, bake and pin: a model without the checkout, whose images `engine` holds.

    `checkout_model` is compose's canonical JSON after the policy passed, with absolute paths
    below `root`.  Raises BuildError, LayoutError, ConfigError, PolicyError (author),
    ServiceError, CapacityError (operator), or Cancelled once `cancel` was set and every build
    has stopped.
    """
    stop = Stop(cancel)
    plain = model.plain(checkout_model)
    plans = plan.read(plain, root=root, identity=identity, site=site)
    login = credentials.login(site, os.environ)
    registry = Registry.of_site(site, login)
    with credentials.docker_config(site) as config:
        maker = Maker(
            root=root,
            identity=identity,
            site=site,
            transfer=Transfer(
                engine=engine,
                registry=registry,
                login=login,
                stop=stop,
                timeout=site.build.timeout,
            ),
            builder=building.Builder(
                engine=engine,
                site=site,
                root=root.resolve(),
                config=config,
                stop=stop,
            ),
            ledger=Ledger(
                etcd=etcd, keys=Keys(site.etcd.prefix), wait=site.build.timeout, check=stop.check
            ),
            on_line=on_line,
        )
        images = _all(maker, plans, stop)
    pinned: Mapping[str, str] = {image.service: image.pinned for image in images}
    return Prepared(
        model=model.without_checkout(checkout_model, root=root, pinned=pinned), images=images
    )


def _all(maker: Maker, plans: tuple[Plan, ...], stop: Stop) -> tuple[Image, ...]:
    """The image of each plan; the first failure stops the others, and is what is raised."""
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="build") as pool:
        futures = [pool.submit(maker.image, one) for one in plans]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            failures = [_failure(future) for future in done]
        except BaseException:  # Ctrl-C: leaving the pool waits, so tell the builds first
            stop.set()
            raise
        if any(failures):
            stop.set()
    _raise_first(futures)
    return tuple(future.result() for future in futures)


def _failure(future: Future[Image]) -> BaseException | None:
    return future.exception()


def _raise_first(futures: list[Future[Image]]) -> None:
    """What went wrong first; that others were cancelled is only its consequence."""
    failures = [failure for future in futures if (failure := future.exception())]
    for failure in failures:
        if not isinstance(failure, Cancelled):
            raise failure
    for failure in failures:
        raise failure
