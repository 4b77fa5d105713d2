"""`up` and `down`."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydeploy import console
from pydeploy.clients import shell
from pydeploy.config.site import Site
from pydeploy.errors import ServiceError, SiteConfigError, UsageError
from pydeploy.platform import changes, compose, place, ports, settings, upgrade
from pydeploy.platform.changes import Change
from pydeploy.platform.compose import Part, Project
from pydeploy.platform.listeners import listeners
from pydeploy.platform.ports import Ports
from pydeploy.state.store import Store

START_LIMIT = 120.0  # seconds until every part is well
ILL_LIMIT = 20.0  # seconds for which a part may be ill without a word
GATEWAY_LIMIT = 20.0  # seconds until the gateway has said that it follows
_BASE_IMAGE = "debian:bookworm-slim"


@dataclass(frozen=True, kw_only=True)
class Running:
    """A site that is up."""

    ports: Ports
    services: list[str]
    changes: list[Change]


def up(
    site: Site,
    site_file: Path,
    store: Store,
    machine: Mapping[str, str],
    *,
    is_dry: bool = False,
) -> Running:
    """Build and start what the site runs on this machine, and wait until all of it is healthy.

    May be called while it runs: what will change is said first, and only that is replaced.  With
    `is_dry` it is only said; images are built all the same.
    """
    compose.expect_engine(site)
    chosen = _choose(site)
    folder = _state_folder(site)
    copy = _copy(site_file, folder / "site.yml")
    services = settings.services(site)

    def project() -> Project:
        return Project(site=site, env_vars=settings.env_vars(site, chosen, copy, machine))

    with console.step("images (a first time takes a minute)"):
        _make_base_image(site)
        project().run(compose.build(services), timeout=compose.BUILD_LIMIT)
    there = changes.there(project())
    wanted = changes.between(there, changes.wanted(project(), services))
    for one in wanted:
        console.say(f"  {one.part}: {one.kind}{one.effect and f' ({one.effect})'}")
    upgrade.check(project(), wanted, there, store)
    if is_dry:
        return Running(ports=chosen, services=services, changes=wanted)
    upgrade.replace(site, project(), wanted, there, _expect_well)
    with console.step("start"):
        chosen = _choose(site, before=chosen)  # a minute may have passed since
        ports.save(place.ports_file(site), chosen)
        _start(project(), services)
        _wait_for_gateway(store, chosen)
    return Running(ports=chosen, services=services, changes=wanted)


def down(site: Site, store: Store, *, purge: bool, force: bool) -> None:
    """Stop the site. With `purge`, what it knows goes, too: then nothing can be left running
    that only it knows of, unless `force`d."""
    compose.expect_engine(site)
    if purge and not force:
        _expect_empty(store)
    project = Project(site=site, env_vars={"PYDEPLOY_SITE": site.site})
    with console.step("stop"):
        project.run(compose.down(volumes=purge), timeout=120)
    if purge:
        shutil.rmtree(place.state(site), ignore_errors=True)


def chosen_ports(site: Site) -> Ports:
    """What `up` chose on this machine, else what site.yml names, else the usual ones."""
    kept = ports.load(place.ports_file(site))
    return kept or Ports(
        **{
            name: need.usual[0] if need.wanted == "auto" else need.wanted
            for name, need in ports.needs(site).items()
        }
    )


# -- up ---------------------------------------------------------------------------------


def _state_folder(site: Site) -> Path:
    folder = place.state(site)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise SiteConfigError(
            f"state_dir: cannot make {folder}: {problem.strerror}",
            hint="run as a user who may, or name another folder in site.yml: state_dir",
        ) from problem
    return folder


def _choose(site: Site, *, before: Ports | None = None) -> Ports:
    parts = Project(site=site, env_vars={}).parts()
    running = [part.service for part in parts if part.state == "running"]
    kept = before or ports.load(place.ports_file(site))
    return ports.choose(site, kept, running, listeners(), say=console.warn)


def _copy(site_file: Path, target: Path) -> Path:
    """For gateway-sync: readable by its user, and another file only when the content is another.

    site.yml holds no secrets; they come from the process environment.
    """
    content = site_file.read_bytes()
    if not target.is_file() or target.read_bytes() != content:
        target.write_bytes(content)
    target.chmod(0o644)
    return target


def _make_base_image(site: Site) -> None:
    """A registry may be out of reach; then the image is made here."""
    script = place.sources() / "base-image.sh"
    done = shell.run(
        ("sh", str(script)),
        env_vars=shell.scrubbed({"DOCKER_HOST": compose.engine(site)}),
        timeout=compose.BUILD_LIMIT,
        merge=True,
    )
    if done.code != 0:
        raise ServiceError(
            f"the image {_BASE_IMAGE} can neither be pulled nor made",
            service="docker",
            hint=f"see above; then try: sudo {script}",
            logs=done.tail,
        )


def _start(project: Project, services: list[str]) -> None:
    project.run(compose.up(services), timeout=START_LIMIT)
    _expect_well(project, services)


def _expect_well(project: Project, services: list[str]) -> None:
    """ServiceError with the last lines of the first part that does not become well.

    `services` may name one twice, while one takes over from another.
    """
    ill = _wait_until_well(project, services)
    if ill:
        names = ", ".join(f"{part.service} ({part.health or part.state})" for part in ill)
        raise ServiceError(
            f"the site did not become healthy: {names}",
            service=ill[0].service,
            hint="its last lines above say why; `pydeploy doctor` checks each part",
            logs=project.run(compose.logs(ill[0].service), timeout=30),
        )


def _wait_until_well(project: Project, services: list[str]) -> list[Part]:
    """The parts that are not well when there is no hope left.

    A part that has ended, or that its check finds ill, may come back: it is started again, and a
    busy machine makes checks late. It gets ILL_LIMIT seconds for that.
    """
    until = time.monotonic() + START_LIMIT
    ill_since: dict[str, float] = {}
    while True:
        now = time.monotonic()
        parts = [part for part in project.parts() if part.service in services]
        waiting = [part for part in parts if not part.is_well]
        if not waiting and len(parts) == len(services):
            return []
        ill = [part.service for part in waiting if part.is_ill]
        ill_since = {name: ill_since.get(name, now) for name in ill}
        if now > until or any(now - since > ILL_LIMIT for since in ill_since.values()):
            return waiting
        time.sleep(0.2)


def _wait_for_gateway(store: Store, chosen: Ports) -> None:
    """Until it has published itself with these ports: from then on URLs can be made."""

    def is_there() -> bool:
        return any(one.http_port == chosen.http for one in store.gateways().values())

    if not _wait_until(is_there, GATEWAY_LIMIT):
        raise ServiceError(
            "the gateway runs, but does not say in etcd that it follows the routes",
            service="gateway",
            hint="see the log of gateway-sync: `docker logs`; `pydeploy doctor`",
        )


def _wait_until(holds: Callable[[], bool], limit: float) -> bool:
    until = time.monotonic() + limit
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


# -- down -------------------------------------------------------------------------------


def _expect_empty(store: Store) -> None:
    try:
        names = sorted(store.environments())
    except ServiceError:
        return  # etcd is down already: there is nothing to ask
    if names:
        some = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        raise UsageError(
            f"{len(names)} environments are still there: {some}",
            hint="remove them first: `pydeploy remove NAME`; --force leaves them behind",
        )
