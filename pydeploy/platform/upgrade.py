"""Replacing parts of a site that runs: each in the way that its users feel least."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from pydeploy import console, interrupts
from pydeploy.config.site import Site
from pydeploy.errors import ServiceError, SiteConfigError
from pydeploy.platform import compose, place
from pydeploy.platform.changes import Change, State
from pydeploy.platform.compose import Project
from pydeploy.state.store import Store, now

SNAPSHOTS_KEPT = 5
_IN_ETCD = "/var/lib/etcd/snapshot.db"
_TAKE_OVER_LIMIT = 60.0  # seconds until a new gateway is healthy
_STOP_LIMIT = 15  # seconds; HAProxy's hard-stop-after is 10
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
Wait = Callable[[Project, list[str]], None]


def check(project: Project, changes: list[Change], there: dict[str, State], store: Store) -> None:
    """Before anything is touched: SiteConfigError for a step that etcd does not allow."""
    etcd = next((one for one in changes if one.part == "etcd"), None)
    if etcd is None or etcd.kind != "image changed" or not there["etcd"].is_running:
        return
    image = project.image("etcd")
    text = project.docker(("run", "--rm", "--entrypoint", "etcd", image, "--version"))
    expect_step(str(store.etcd.status().get("version", "")), text)


def expect_step(running: str, new: str) -> None:
    """etcd goes up one minor version at a time, and never back (its upgrade guides)."""
    before, after = _VERSION.search(running), _VERSION.search(new)
    if before is None or after is None:
        return
    old = (int(before[1]), int(before[2]))
    wanted = (int(after[1]), int(after[2]))
    if wanted < old:
        raise SiteConfigError(
            f"etcd {before[0]} runs, and {after[0]} is older: its data cannot go back",
            hint="use a newer pydeploy; or restore a snapshot, see docs/operations.md",
        )
    if wanted > (old[0], old[1] + 1):
        raise SiteConfigError(
            f"etcd {before[0]} runs; {after[0]} is more than one minor version ahead",
            hint="upgrade by a pydeploy in between, one minor version of etcd at a time",
        )


def replace(
    site: Site, project: Project, changes: list[Change], there: dict[str, State], wait: Wait
) -> None:
    """Each part that has changed and runs; the others are started by `up`."""
    if "gateway" in there:
        _only(site, project, there["gateway"].container)
    for one in changes:
        if one.is_none or one.kind in ("new", "stopped") or not there[one.part].is_running:
            continue
        with console.step(f"replace {one.part}"):
            if one.part == "gateway":
                _take_over(site, project, there["gateway"])
                continue
            if one.part == "etcd":
                snapshot(site, project, there["etcd"].container)
            project.run((*compose.up(()), "--no-deps", one.part), timeout=120)
            wait(project, [one.part])


def snapshot(site: Site, project: Project, container: str) -> Path:
    """All that etcd knows, in a file beside what `up` keeps; the newest few stay."""
    folder = place.state(site) / "snapshots"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{now().strftime('%Y%m%dT%H%M%SZ')}.db"
    endpoint = f"--endpoints={site.etcd.endpoints[0]}"
    project.docker(("exec", container, "etcdctl", endpoint, "snapshot", "save", _IN_ETCD))
    project.docker(("exec", container, "etcdutl", "snapshot", "status", _IN_ETCD))
    project.docker(("cp", f"{container}:{_IN_ETCD}", str(path)))
    project.docker(("exec", container, "rm", _IN_ETCD))
    path.chmod(0o600)
    console.say(f"  what etcd knows is saved in {path}")
    for old in sorted(folder.glob("*.db"))[:-SNAPSHOTS_KEPT]:
        old.unlink()
    return path


def _is_up(project: Project, container: str) -> bool:
    """Once it is healthy; False when it has ended, or is not healthy in time."""
    until = time.monotonic() + _TAKE_OVER_LIMIT
    while time.monotonic() < until:
        (found,) = project.inspect([container])
        if found["RestartCount"] or not found["State"]["Running"]:
            return False
        if found["State"]["Health"]["Status"] == "healthy":
            return True
        time.sleep(0.2)
    return False


def _take_over(site: Site, project: Project, old: State) -> None:
    """A new gateway beside the old one, which hands it its listening sockets; then the old one
    ends what it has begun.  One that does not come up goes, and the old one serves on."""
    two = ("--no-deps", "--no-recreate", "--scale", "gateway=2", "gateway")
    try:
        project.run((*compose.up(()), *two), timeout=120)
        new = _newest(project, beside=old.container)
        if not _is_up(project, new):
            raise ServiceError(
                "the new gateway does not come up; the old one serves on",
                service="gateway",
                hint="its last lines say why; mend it, then run `pydeploy up` again",
                logs=project.docker(("logs", "--tail", "30", new), merge=True),
            )
    except BaseException:
        with interrupts.held_back():
            for one in _gateways(project) - {old.container}:
                project.docker(("rm", "--force", one))
        raise
    _only(site, project, new)


def _only(site: Site, project: Project, gateway: str) -> None:
    """This one serves, under the name that compose gives the first; the others end.

    There are others while one takes over, and where an earlier `up` died in the middle of that.
    """
    for one in _gateways(project) - {gateway}:
        project.docker(("stop", "--time", str(_STOP_LIMIT), one))
        project.docker(("rm", "--force", one))
    name = f"{place.project(site)}-gateway-1"
    (found,) = project.inspect([gateway])
    if found["Name"] != f"/{name}":
        project.docker(("rename", gateway, name))


def _gateways(project: Project) -> set[str]:
    return set(project.run(("ps", "--all", "--quiet", "gateway"), timeout=30).split())


def _newest(project: Project, *, beside: str) -> str:
    new = _gateways(project) - {beside}
    if len(new) != 1:
        raise ServiceError(
            f"compose made {len(new)} new gateways, not one",
            service="docker",
            hint="run `pydeploy up` again",
        )
    return new.pop()
