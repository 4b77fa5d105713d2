"""`pydeploy build`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pydeploy import cli, console, names
from pydeploy.commands import options

if TYPE_CHECKING:
    from pydeploy.config.site import Site
    from pydeploy.images import Prepared
    from pydeploy.repository import Checkout


@click.command(
    "build",
    epilog="Example: pydeploy build --change 10020 --patchset 1 --gerrit-project docs/hello",
)
@options.path
@options.change
@click.option(
    "--push/--no-push",
    default=True,
    help="Put the images into the site's registry, if it has one.  [default: push]",
)
@options.engine
@options.as_json
def command(path: Path, push: bool, engine: str | None, as_json: bool, **change: Any) -> None:
    """Build the images of the microservice at PATH (default: here), once, and print their digests.

    A revision that was built before is not built again, wherever that was.
    """
    from pydeploy import repository
    from pydeploy.gerrit import origin

    site = cli.load_site()
    started = time.monotonic()
    with console.step("check"):
        said = options.asked_of_gerrit(path.absolute(), change, site=site, is_built=True)
        change.update(said.facts() if said else {})
        with origin.excused(said):
            checkout = repository.read(
                path.absolute(),
                site=site,
                gerrit_project=change["gerrit_project"] or None,
                branch=change["branch"] or None,
            )
    for finding in checkout.findings:
        console.warn(f"{finding.file}:{finding.line}: {finding.message}")
    checkout.agree_with(change["revision"])
    checked = time.monotonic()
    prepared = _build(checkout, site if push else _without_registry(site), engine, change)
    timings = {"check": checked - started, "build": time.monotonic() - checked}
    _print(prepared, checkout, change["change"], timings, as_json)


def _without_registry(site: Site) -> Site:
    registry = site.registry.model_copy(update={"address": None})
    return site.model_copy(update={"registry": registry})


def _build(checkout: Checkout, site: Site, engine: str | None, change: dict[str, Any]) -> Prepared:
    from pydeploy import images
    from pydeploy.clients import docker
    from pydeploy.repository import git
    from pydeploy.state import store

    with console.step("build"):
        return images.prepare(
            checkout.model,
            root=checkout.root,
            identity=images.BuildIdentity(
                gerrit_project=names.project(
                    change["gerrit_project"] or "",
                    change=change["change"],
                    folder=checkout.root.name,
                ),
                change=change["change"],
                patchset=change["patchset"],
                revision=checkout.revision,
                created=git.committed(checkout.root) or store.timestamp(),
            ),
            site=site,
            engine=docker.one(site.engines, site.engine_name(engine)),
            etcd=store.connect(site).etcd,
            on_line=lambda line: console.say(f"  {line}"),
        )


def _print(
    prepared: Prepared,
    checkout: Checkout,
    change: int | None,
    timings: dict[str, float],
    as_json: bool,
) -> None:
    if not as_json:
        rows = [(one.service, one.ref, one.digest) for one in prepared.images]
        console.table(("service", "image", "digest"), rows)
        return
    console.out_json(
        {
            "revision": checkout.revision,
            "change": change,
            "images": [
                {"service": one.service, "ref": one.ref, "digest": one.digest}
                for one in prepared.images
            ],
            "timings_s": {step: round(seconds, 3) for step, seconds in timings.items()},
        }
    )
