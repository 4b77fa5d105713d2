"""The containers of one attempt, in the order in which they may start.

    fresh data: (whoever loads data → data →) everything
    kept data:  whom the stateful ones wait for → stateful ones → (data →) the others (→ data)

Stateful services that have not changed go on running; the new release's networks are opened to
them before anything of the release starts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from pydeploy import names
from pydeploy.deploy import attach, draft, kept, model, secrets, seeding, start
from pydeploy.deploy.candidate import Candidate
from pydeploy.deploy.health import ContainerState
from pydeploy.deploy.kept import Split
from pydeploy.deploy.model import Placement
from pydeploy.deploy.plan import Model, Plan
from pydeploy.deploy.seeding import Source
from pydeploy.deploy.session import Session
from pydeploy.deploy.stateful import Place, Stateful
from pydeploy.state.records import Environment, Kept, Port, Release


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to run.

    `ensure` raises once something newer is wished, `fence` once the lock is somebody else's.
    """

    session: Session
    environment: str
    candidate: Candidate
    plan: Plan
    split: Split
    before: Environment | None
    release: Release
    kept_subnet: str  # empty where the environment has its network, or needs none
    host: str  # the front's
    url: str | None
    ensure: Callable[[], None]
    fence: Callable[[], None]
    source: Source | None = None  # whose data new volumes start with
    secrets: secrets.Files = field(default_factory=dict)
    is_data_replaced: bool = False  # then stateful services get new volumes, from `source`
    are_secrets_new: bool = False  # then who has some is made anew, also if it is stateful


@dataclass(frozen=True, kw_only=True)
class Launched:
    """How it came up; `http` are the ports that answered HTTP."""

    states: tuple[ContainerState, ...]
    http: tuple[Port, ...]
    is_completed: bool
    kept: Kept | None = None
    gaps: Mapping[str, float] = field(default_factory=dict)  # seconds, by stateful service


class Launch:
    """Runs a task; what was begun is undone by the caller's inventory and `put_back`."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.engine = task.session.engine
        self.stateful: Stateful | None = None
        self._started: list[start.Started] = []

    def run(self) -> Launched:
        is_kept = self.task.split.stateful or self.task.split.volumes
        return self._run_kept() if is_kept else self._run_fresh()

    def put_back(self) -> None:
        """Start again what was stopped for this launch."""
        if self.stateful is not None:
            self.stateful.put_back()

    # -- fresh data ---------------------------------------------------------------------

    def _run_fresh(self) -> Launched:
        task, placement = self.task, self._placement()
        if task.source:  # compose would make them, too, but with what the images have there
            seeding.make(self.engine, task.release.volumes, placement.labels)
            placement = replace(placement, volumes=task.release.volumes)
            self._copy_files(task.release.volumes, placement.labels)
        placement = self._with_secrets(placement, task.plan.services)
        whole = self.start_of(placement, task.release.model, task.plan)
        if loaders := self._loaders(task.release.volumes):
            needed = kept.with_needs(task.release.model, loaders)
            start.run(narrowed(whole, task.plan.of(needed), loaders))
            self._load(whole, loaders)
        started = start.run(whole)
        return Launched(states=started.states, http=started.http, is_completed=started.is_completed)

    # -- kept data ----------------------------------------------------------------------

    def _run_kept(self) -> Launched:
        task, split = self.task, self.task.split
        stateful = self.stateful = Stateful(self._place())
        stateful.prepare()
        swapped = self.start_of(
            self._with_secrets(replace(self._placement(), volumes=stateful.volumes), split.swapped),
            kept.part(task.release.model, split.swapped),
            task.plan.of(split.swapped),
        )
        networks: dict[str, str] = {}
        if split.swapped:
            start.create(swapped)
            networks = attach.of_release(self.engine, swapped.scope)
        stateful.join(networks)
        if split.first:
            start.run(narrowed(swapped, task.plan.of(split.first), split.first))
        self._copy_files(stateful.new_volumes, stateful.labels)
        replaced = stateful.replace([networks, self._old_networks()])
        loaders = self._loaders(stateful.new_volumes) if stateful.is_data_new else ()
        if replaced:
            self._load(stateful.start_of(stateful.changed), _of(loaders, split.stateful))
        started = start.run(swapped) if split.swapped else None
        self._load(swapped, _of(loaders, split.swapped))
        return self._launched(stateful, [one for one in (replaced, started) if one])

    def _launched(self, stateful: Stateful, started: list[start.Started]) -> Launched:
        states = tuple(state for one in started for state in one.states)
        http = tuple(port for one in started for port in one.http)
        kept_ = stateful.record(states, http)
        untouched = [kept_.services[name] for name in stateful.unchanged]
        return Launched(
            states=states,
            http=(*http, *(port for one in untouched for port in one.http)),
            is_completed=not untouched and all(one.is_completed for one in started),
            kept=kept_,
            gaps=stateful.gaps,
        )

    def _place(self) -> Place:
        task = self.task
        identity = draft.lasting_identity(task.environment, task.url)
        return Place(
            session=task.session,
            environment=task.environment,
            before=task.before,
            model=task.release.model,
            split=task.split,
            plan=task.plan,
            subnet=task.kept_subnet,
            placement=replace(self._placement(), identity=identity),
            make_start=self.start_of,
            fence=task.fence,
            token=task.release.attempt,
            secrets=task.secrets,
            are_secrets_new=task.are_secrets_new,
            is_data_replaced=task.is_data_replaced,
        )

    def _old_networks(self) -> dict[str, str]:
        """Of the release that still serves: what replaces a stateful service is for it, too."""
        task = self.task
        old = task.before.current if task.before else None
        if old is None or old.engine != self.engine.name:
            return {}
        scope = task.session.scope(task.environment, old.attempt, is_kept=False)
        return attach.of_release(self.engine, scope)

    # -- data ---------------------------------------------------------------------------

    def _loaders(self, volumes: Collection[str]) -> tuple[str, ...]:
        """The services that have something to load into new `volumes` once they are up."""
        candidate, source = self.task.candidate, self.task.source
        return seeding.loaders(candidate.settings.data, candidate.model, source, volumes)

    def _copy_files(self, volumes: Mapping[str, str], labels: Mapping[str, str]) -> None:
        if self.task.source and volumes:
            target = seeding.Target(
                engine=self.engine,
                model=self.task.release.model,
                data=self.task.candidate.settings.data,
                volumes=volumes,
                labels=labels,
                cancel=self.task.session.cancel,
            )
            seeding.copy_files(self.task.source, target)

    def _load(self, where: start.Start, services: Collection[str]) -> None:
        for service in services:
            seeding.load(
                self.task.session,
                where,
                service,
                data=self.task.candidate.settings.data,
                origin=self.task.source,
            )

    # -- the start of a compose project -------------------------------------------------

    def _placement(self) -> Placement:
        task = self.task
        site, release = task.session.site, task.release
        return Placement(
            project=names.compose_project(site.compose_prefix, release.name, release.attempt),
            labels=draft.labels(
                site, task.environment, task.candidate, release.name, release.attempt
            ),
            identity=draft.identity(task.environment, task.candidate, task.url),
            bind=release.address,
            ports=release.ports,
            subnets=release.networks,
            limits=site.limits,
            deadline=draft.deadline(site, task.candidate.settings),
        )

    def _with_secrets(self, placement: Placement, services: Collection[str]) -> Placement:
        task = self.task
        there = secrets.deliver(
            self.engine,
            placement.project,
            services,
            task.secrets,
            task.release.model,
            placement.labels,
        )
        return replace(placement, secrets=there)

    def start_of(self, placement: Placement, part: Model, plan: Plan) -> start.Start:
        """The start of these services as one compose project."""
        task = self.task
        is_kept = placement.labels[names.KEPT] == "true"
        return start.Start(
            engine=self.engine,
            scope=task.session.scope(task.environment, task.release.attempt, is_kept=is_kept),
            project=placement.project,
            model=model.release_model(part, placement),
            plan=plan,
            ports=tuple(port for port in task.release.ports if port.service in plan.services),
            subnets=tuple(placement.subnets.values()),
            host=task.host,
            deadline=placement.deadline,
            cancel=task.session.cancel,
            ensure=task.ensure,
        )


def narrowed(whole: start.Start, plan: Plan, services: tuple[str, ...]) -> start.Start:
    """Only these services of a project, and whom they wait for, which is all of `plan`."""
    ports = tuple(port for port in whole.ports if port.service in plan.services)
    return replace(whole, plan=plan, services=services, ports=ports)


def _of(services: Collection[str], part: Collection[str]) -> tuple[str, ...]:
    return tuple(name for name in services if name in part)
