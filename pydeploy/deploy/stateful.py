"""The stateful services of an environment: made once, replaced in place, put back when that fails.

A replacement is made beside the old container, then the old one stops, then the new one starts on
the same volumes: the gap is a stop and a start.  The old container goes only after the switch, so
that everything before it can be undone by starting it again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydeploy import console, names
from pydeploy.clients.docker import DockerEngine
from pydeploy.deploy import attach, containers, kept, model, secrets, start, volumes
from pydeploy.deploy.health import ContainerState
from pydeploy.deploy.kept import Split
from pydeploy.deploy.model import Placement
from pydeploy.deploy.plan import Model, Plan
from pydeploy.deploy.session import Session
from pydeploy.errors import ServiceError
from pydeploy.state.records import Environment, Kept, KeptService, Port

STOPPED = ("created", "exited", "dead")  # what a container's status is when it is to be started
_UP = ("running", "restarting")
_AGAIN = {"Name": "always"}


@dataclass(frozen=True, kw_only=True)
class Place:
    """What the stateful part of one attempt starts from.

    `placement` is that of the whole attempt, but for what containers are told; `make_start` gives
    the start of a project; `fence` raises when the lock is not ours any more.
    """

    session: Session
    environment: str
    before: Environment | None
    model: Model
    split: Split
    plan: Plan
    subnet: str
    placement: Placement
    make_start: Callable[[Placement, Model, Plan], start.Start]
    fence: Callable[[], None]
    token: int
    secrets: secrets.Files
    are_secrets_new: bool
    is_data_replaced: bool


class Stateful:
    """Brings the stateful services to what the new release wants of them."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.engine = place.session.engine
        self.old = kept.on_engine(place.before, self.engine.name)
        self._there = self.old.volumes if self.old and not place.is_data_replaced else {}
        project = names.kept_project(
            place.session.site.compose_prefix, place.environment, place.token
        )
        self.network = self.old.network if self.old else f"{project}_{kept.NETWORK}"
        self.volumes = {
            name: self._there.get(name) or f"{project}_{name}" for name in place.split.volumes
        }
        self._placement = replace(
            place.placement,
            project=project,
            labels={**place.placement.labels, names.KEPT: "true"},
            subnets={},
            volumes=self.volumes,
            networks={kept.NETWORK: self.network},
        )
        part = kept.in_own_network(kept.part(place.model, place.split.stateful))
        self.model = model.release_model(part, self._placement)
        self.states = self._states()
        self.prints = self._fingerprints()
        self.changed = tuple(name for name in place.split.stateful if self._is_changed(name))
        self.unchanged = tuple(one for one in place.split.stateful if one not in self.changed)
        self._stopped: list[ContainerState] = []
        self._secrets: dict[str, str] = {}  # service → volume, of those that are made anew
        self.gaps: dict[str, float] = {}

    # -- before anything of the release starts ------------------------------------------

    @property
    def new_volumes(self) -> dict[str, str]:
        """Those that are empty now."""
        return {name: one for name, one in self.volumes.items() if name not in self._there}

    @property
    def is_data_new(self) -> bool:
        """Whether the environment had no volumes: only then is there anything to load."""
        return not self._there

    def prepare(self) -> None:
        """The network and the volumes, where they are not there yet."""
        if self.old is None:
            is_internal = kept.is_internal(kept.part(self.place.model, self.place.split.stateful))
            attach.make_network(
                self.engine,
                self.network,
                self.place.subnet,
                self._placement.labels,
                is_internal=is_internal,
            )
        for name, volume in self.new_volumes.items():
            volumes.make(self.engine, volume, kept.volume_labels(self._placement.labels, name))

    def join(self, networks: Mapping[str, str]) -> None:
        """Let the containers that stay be found in a release's networks (model → engine)."""
        for name in self.unchanged:
            attach.join(self.engine, self.states[name].identity, self._names_in(name, networks))

    # -- replacing ----------------------------------------------------------------------

    def replace(self, networks: Iterable[Mapping[str, str]]) -> start.Started | None:
        """Start what is new or changed; its containers join `networks` before they start."""
        if not self.changed:
            return None
        self._secrets = secrets.deliver(
            self.engine,
            self._placement.project,
            self.changed,
            self.place.secrets,
            self.place.model,
            self.labels,
        )
        asked = self.start_of(self.changed)
        start.create(asked)
        for state in containers.states(self.engine, asked.scope):
            for one in networks:
                attach.join(self.engine, state.identity, self._names_in(state.service, one))
        began = time.monotonic()
        self._stop_old()
        self.place.fence()
        started = start.run(asked)
        self._note_gaps(time.monotonic() - began)
        return started

    def start_of(self, services: Collection[str]) -> start.Start:
        """The start of these services, as one compose project."""
        part = kept.in_own_network(kept.part(self.place.model, services))
        there = {name: one for name, one in self._secrets.items() if name in services}
        placement = replace(self._placement, secrets=there)
        return self.place.make_start(placement, part, self.place.plan.of(services))

    @property
    def labels(self) -> Mapping[str, str]:
        return self._placement.labels

    def _note_gaps(self, seconds: float) -> None:
        self.gaps = {one.service: round(seconds, 3) for one in self._stopped}
        for service, gap in self.gaps.items():
            console.say(f"{service} was replaced; it was away for {gap:.1f} s")

    def _stop_old(self) -> None:
        """Those that are replaced, and those that are gone but use the same volumes."""
        grace = self.place.session.site.defaults.stop_grace
        mine = set().union(*(self._volumes_of(name) for name in self.changed))
        for name, state in self.states.items():
            is_gone = name not in self.place.split.stateful
            if name in self.changed or (is_gone and mine & set(self._old_volumes(name))):
                self.place.fence()
                with self.engine.obeying():
                    self.engine.api.update_container(state.identity, restart_policy={"Name": "no"})
                    if state.status in _UP:
                        self._stopped.append(state)
                        self.engine.api.stop(state.identity, timeout=max(grace, state.stop_grace))

    def put_back(self) -> None:
        """Start again what was stopped; whatever replaced it has been erased.

        Raises Fenced once the lock is not ours: another one may run on the same volumes by now.
        """
        _start_all_again(
            self.engine,
            self._stopped,
            self.place.session.site.defaults.deadline,
            self.place.fence,
        )

    # -- what comes out -----------------------------------------------------------------

    def record(self, started: Iterable[ContainerState], http: Collection[Port]) -> Kept:
        """What belongs to the environment from now on.  Volumes are never forgotten."""
        done = {one.service for one in started if one.status == "exited"}
        services = {
            name: KeptService(
                attempt=self.place.token,
                fingerprint=self.prints[name],
                ports=tuple(port for port in self.place.placement.ports if port.service == name),
                http=tuple(port for port in http if port.service == name),
                is_done=name in done,
                secrets=self._secrets.get(name, ""),
            )
            for name in self.changed
        }
        if self.old:
            services |= {name: self.old.services[name] for name in self.unchanged}
        return Kept(
            engine=self.engine.name,
            network=self.network,
            subnet=self.old.subnet if self.old else self.place.subnet,
            services=services,
            volumes={**self._there, **self.volumes},
        )

    # -- reading ------------------------------------------------------------------------

    def _states(self) -> dict[str, ContainerState]:
        return containers.kept(self.place.session, self.place.environment, self.old)

    def _fingerprints(self) -> dict[str, str]:
        found = {}
        with self.engine.obeying():
            for name, definition in self.model["services"].items():
                image = self.engine.api.inspect_image(definition["image"])
                found[name] = kept.fingerprint(_without_host_ports(definition), image)
        return found

    def _is_changed(self, name: str) -> bool:
        old = self.old.services.get(name) if self.old else None
        return (
            old is None
            or old.is_done
            or old.fingerprint != self.prints[name]
            or name not in self.states
            or self.place.is_data_replaced
            or (self.place.are_secrets_new and name in self.place.secrets)
        )

    def _names_in(self, name: str, networks: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
        """Network on the engine → the names under which a service is found in it."""
        wanted = kept.memberships(self.place.model["services"][name])
        return {
            networks[network]: (name, *aliases)
            for network, aliases in wanted.items()
            if network in networks
        }

    def _volumes_of(self, name: str) -> tuple[str, ...]:
        return kept.named_volumes(self.place.model["services"][name])

    def _old_volumes(self, name: str) -> tuple[str, ...]:
        record = self.place.before
        services = record.current.model["services"] if record and record.current else {}
        return kept.named_volumes(services.get(name) or {})


def revive(
    session: Session, record: Environment, engine: DockerEngine, fence: Callable[[], None]
) -> None:
    """Start the recorded stateful containers that a dead attempt has stopped.

    What replaced them has been swept.  `fence` raises when the caller's lock is not theirs any
    more: then another one may run on the same volumes.
    """
    if record.kept is None or record.kept.engine != engine.name or record.state != "running":
        return
    there = containers.kept(session, record.name, record.kept)
    stopped = [
        state
        for name, state in there.items()
        if state.status in STOPPED and not record.kept.services[name].is_done
    ]
    if stopped:
        names_ = ", ".join(state.service for state in stopped)
        console.warn(f"{record.name}: stopped by somebody who died: {names_}; starting again")
    _start_all_again(engine, stopped, session.site.defaults.deadline, fence)


def _start_all_again(
    engine: DockerEngine,
    states: Iterable[ContainerState],
    limit: float,
    fence: Callable[[], None],
) -> None:
    """All that can be; the first failure is raised in the end, a lost lock at once."""
    failures = []
    for state in states:
        fence()
        try:
            _start_again(engine, state, limit)
            console.say(f"{state.service}: the old one runs again")
        except ServiceError as failure:
            failures.append(failure)
    if failures:
        raise failures[0]


def _start_again(engine: DockerEngine, state: ContainerState, limit: float) -> None:
    with engine.obeying():
        engine.api.update_container(state.identity, restart_policy=_AGAIN)
        engine.api.start(state.identity)
    if state.status == "restarting":
        return  # it was not up before either
    if not containers.wait_up(engine, state.identity, limit):
        console.warn(f"{state.service} was started again, but is not healthy after {limit:g} s")


def _without_host_ports(definition: Mapping[str, Any]) -> dict[str, Any]:
    """A port that was claimed anew is no new definition."""
    ports = [{**one, "published": ""} for one in definition.get("ports") or ()]
    return {**definition, "ports": ports}
