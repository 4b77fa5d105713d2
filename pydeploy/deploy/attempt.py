"""One attempt to bring up a release under a lock: its steps, and the undo of each.

Everything that is created carries the lock's token as its `attempt`, so that the undo, here or
by whoever comes after a crash, finds it and touches nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from pydeploy import console, interrupts, names
from pydeploy.clients.etcd import Compare
from pydeploy.deploy import (
    claiming,
    draft,
    failpoints,
    gateways,
    inventory,
    kept,
    refused,
    retire,
    secrets,
    switch,
)
from pydeploy.deploy import plan as plans
from pydeploy.deploy.candidate import Candidate
from pydeploy.deploy.claiming import Claimed
from pydeploy.deploy.launch import Launch, Launched, Task
from pydeploy.deploy.request import Terms
from pydeploy.deploy.seeding import Source
from pydeploy.deploy.session import Session
from pydeploy.errors import Fenced, PydeployError, ServiceError
from pydeploy.state import claims, store
from pydeploy.state.records import Environment, Release, Route

Timed = Callable[[str], AbstractContextManager[None]]
_TRIES = 3  # how often what something foreign took under our hands is replaced


@dataclass(frozen=True, kw_only=True)
class Work:
    """What an attempt starts from.  `still` begins with the lock's condition."""

    session: Session
    terms: Terms
    candidate: Candidate
    source: Source | None
    before: Environment | None
    taken_names: frozenset[str]  # of releases that the environment knows
    still: tuple[Compare, ...]
    token: int
    ensure: Callable[[], None]  # raises Superseded


@dataclass(frozen=True, kw_only=True)
class Raised:
    """What came of it: the new record, and how long stateful services were away (seconds)."""

    record: Environment
    gaps: dict[str, float]


class Attempt:
    """Brings up one release; `run` returns the new record or leaves nothing behind."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.session = work.session
        self.store = work.session.store
        self.environment = work.terms.environment
        self.old = work.before.current if work.before else None
        self.is_served = bool(work.before and work.before.hosts)  # by the old release
        self.release_name = draft.release_name(
            self.environment, work.candidate.version, work.taken_names
        )
        self.plan = plans.make(work.candidate.model, work.candidate.settings)
        self.split = kept.split(work.candidate.model, work.candidate.settings.data, work.terms.data)
        kept.expect_services(work.candidate.model, work.candidate.settings.data)
        self.scope = self.session.scope(self.environment, work.token)
        self.gateways = gateways.live(self.store) if self.plan.ports else {}
        self.hosts = [names.host(self.environment, domain) for domain in self.session.site.domains]
        self.secrets = secrets.files(self.session.site, self.environment, work.candidate)
        self._launch: Launch | None = None
        self._is_switch_sent = False  # from then on etcd may name this attempt
        self._is_back_unsure = False  # going back was begun, and is not known to be applied

    def run(self, timed: Timed) -> Raised:
        with secrets.hidden(self.secrets):
            return self._run(timed)

    def _run(self, timed: Timed) -> Raised:
        try:
            with timed("start"), console.step(f"start {self.release_name}"):
                self._say_starting()
                release, launched = self._start()
            failpoints.reach("after-healthy")
            with timed("switch"), console.step("switch"):
                record = self._switch(release, launched)
        except BaseException:
            with interrupts.held_back():
                self._undo()
            raise
        self._finish(record, launched)  # the new release stands: nothing is undone now
        return Raised(record=record, gaps=dict(launched.gaps))

    # -- start --------------------------------------------------------------------------

    def _say_starting(self) -> None:
        """A first release has no old one to serve meanwhile: the gateway says that it starts."""
        if self.plan.front is None or self.is_served:
            return
        route = Route(environment=self.environment, release=self.release_name, state="starting")
        switch.mark(self.store, self.work.still, self.environment, dict.fromkeys(self.hosts, route))

    def _start(self) -> tuple[Release, Launched]:
        """Claim and start; where something foreign takes one under our hands, claim again."""
        for _ in range(_TRIES):
            claimed = self._claim()
            failpoints.reach("after-claim")
            release = self._release(claimed)
            try:
                self._launch = Launch(self._task(release, claimed))
                return release, self._launch.run()
            except refused.Taken as taken:
                console.warn(f"{taken} is held by something foreign; taking another")
                self._step_back()
                claiming.note_foreign(self.session, taken)
        raise ServiceError(
            f"{_TRIES} times in a row something foreign held what was claimed",
            service="docker",
            hint="choose ports and subnets in site.yml that nothing else on that machine uses",
        )

    def _claim(self) -> Claimed:
        claimant = claims.Claimant(
            engine=self.session.engine.name,
            environment=self.environment,
            release=self.release_name,
            token=self.work.token,
            still=self.work.still[:1],
        )
        swapped = kept.part(self.work.candidate.model, self.split.swapped)
        return claiming.claim(
            self.session,
            self.plan,
            self.split,
            self.work.before,
            claimant,
            plans.networks(swapped),
        )

    def _release(self, claimed: Claimed) -> Release:
        candidate = self.work.candidate
        prefix = self.session.site.compose_prefix
        project = names.compose_project(prefix, self.release_name, self.work.token)
        return Release(
            name=self.release_name,
            attempt=self.work.token,
            engine=self.session.engine.name,
            revision=candidate.revision,
            patchset=candidate.patchset,
            version=candidate.version,
            change=candidate.change,
            gerrit_project=candidate.gerrit_project,
            branch=candidate.branch,
            origin=candidate.origin,
            settings=candidate.settings.model_dump(mode="json", exclude_defaults=True),
            model=candidate.model,
            images=candidate.images,
            ports=claimed.ports,
            networks=claimed.networks,
            address=self.session.engine.settings.bind,
            health_path=self.plan.settings.path,
            health_status=self.plan.settings.status,
            created=store.timestamp(),
            volumes={
                name: f"{project}_{name}"
                for name in candidate.model.get("volumes") or {}
                if name not in self.split.volumes
            },
        )

    def _task(self, release: Release, claimed: Claimed) -> Task:
        return Task(
            session=self.session,
            environment=self.environment,
            candidate=self.work.candidate,
            plan=self.plan,
            split=self.split,
            before=self.work.before,
            release=release,
            kept_subnet=claimed.kept_subnet,
            host=self.hosts[0],
            url=self._url(self.hosts[0]) if self.plan.front else None,
            ensure=self.work.ensure,
            fence=self._fence,
            source=self.work.source,
            secrets=self.secrets,
            is_data_replaced=self.work.terms.is_data_replaced,
            are_secrets_new=self.work.terms.are_secrets_new,
        )

    def _fence(self) -> None:
        """What is done to containers that are not this attempt's own needs the lock."""
        self.store.fence(self.environment, self.work.still[0])

    def _url(self, host: str) -> str:
        return gateways.url(next(iter(self.gateways.values())), host)

    # -- switch -------------------------------------------------------------------------

    def _switch(self, release: Release, launched: Launched) -> Environment:
        """The transaction, then wait until every gateway has applied it and the front answers."""
        site = self.session.site
        named = draft.name_ports(site, self.environment, self.plan.front, launched.http)
        record = self._record(release, launched, named)
        log = self._log(launched)
        self._is_switch_sent = True
        switched = switch.forward(
            self.store,
            self.work.still,
            record,
            draft.routes(release, self.environment, named),
            log=log,
            tombstone=site.gateway.tombstone,
        )
        failpoints.reach("after-switch")
        try:
            if named.front or switched.before.routes:
                gateways.wait_applied(self.store, switched.revision)
            failpoints.reach("after-applied")
            if named.front:
                self._fetch(record)
            if not switch.standing(self.store, self.environment, self.work.token):
                raise Fenced(self.environment)  # we slept, and somebody else has gone on
        except BaseException:
            with interrupts.held_back():
                self._switch_back(switched)
            raise
        return record

    def _record(self, release: Release, launched: Launched, named: draft.Named) -> Environment:
        before, now = self.work.before, store.now()
        urls = {service: self._url(host) for service, host in named.by_service.items()}
        return Environment(
            name=self.environment,
            service=self.work.candidate.service,
            state="completed" if launched.is_completed else "running",
            url=urls[named.front.service] if named.front else None,
            urls=urls,
            hosts=tuple(named.hosts),
            change=self.work.candidate.change,
            current=release,
            previous_release=self.old.name if self.old else None,
            kept=launched.kept,
            discarded=kept.discarded(before, launched.kept),
            created=before.created if before else store.timestamp(now),
            updated=store.timestamp(now),
            expires=self.work.terms.expires,
            warnings=(),
        )

    def _log(self, launched: Launched) -> str | None:
        """A one-shot's log stays with the record, because its containers do not."""
        return retire.log_of_job(self.session, launched.states) if launched.is_completed else None

    def _fetch(self, record: Environment) -> None:
        settings = self.plan.settings
        answer = gateways.fetch(
            self.session.site,
            self.gateways,
            self.hosts[0],
            settings.path,
            accepts=settings.accepts,
        )
        if answer.kind != "http" or not settings.accepts(answer.status):
            said = f"HTTP {answer.status}" if answer.kind == "http" else answer.detail
            raise ServiceError(
                f"{record.url} does not answer through the gateway ({said}), but does directly",
                service="gateway",
                hint="`pydeploy doctor`: is the gateway up, does it reach the engine's address?",
            )

    def _switch_back(self, switched: switch.Switched) -> None:
        """The wish may have changed meanwhile; that the lock is ours is enough to go back."""
        self._is_back_unsure = True
        revision = switch.back(self.store, self.work.still[:1], switched)
        if revision:
            gateways.wait_applied(self.store, revision)
        self._is_back_unsure = False

    # -- the end ------------------------------------------------------------------------

    def _finish(self, record: Environment, launched: Launched) -> None:
        """Keep it running, or let a one-shot go; then the old release goes."""
        try:
            if not launched.is_completed:
                wanted = retire.lasting(record)
                retire.keep_running(self.session.engine, launched.states, wanted)
            retire.retire(self.session, record, self.old, self.work.token)
        except PydeployError as failure:
            console.warn(
                f"{record.name} is up, but tidying after the switch failed: {failure.message}; "
                "the next deploy, remove or prune does it"
            )

    def _undo(self) -> None:
        """Nothing of this attempt stays; the old release was never touched.

        Unless etcd may name it, or a gateway may still lead to it: then it stays until whoever
        comes next has looked.  What serves is never erased on a guess.
        """
        if self._may_serve():
            console.warn(
                f"{self.release_name} may serve already, so it was left as it is; the next deploy, "
                "remove or prune of this environment finds out and tidies up"
            )
            return
        try:
            self._step_back()
            self._say_failed()
        except PydeployError as failure:
            console.warn(
                f"could not undo everything: {failure.message}; the next deploy, remove or prune "
                "of this environment does it"
            )

    def _may_serve(self) -> bool:
        if not self._is_switch_sent:
            return False
        if self._is_back_unsure:
            return True
        try:
            return bool(switch.standing(self.store, self.environment, self.work.token))
        except ServiceError:
            return True

    def _put_back(self) -> None:
        """Not where the lock is somebody else's by now, who may have replaced it, too."""
        if self._launch is None:
            return
        try:
            self._launch.put_back()
        except Fenced:
            console.warn(
                f"the lock of {self.environment} is not ours any more: what was stopped for this "
                "attempt is left to who has it, or to the next deploy or prune"
            )

    def _step_back(self) -> None:
        """Containers first: a claim goes only when nothing uses what it stands for.

        And when what was stopped runs again: should we die before, prune comes for the claims.
        """
        engine, site = self.session.engine, self.session.site
        found = inventory.take(engine, self.scope)
        inventory.erase(engine, found.where(lambda item: not item.is_kept), grace=1)
        # These have written where the old ones go on.
        inventory.erase(
            engine, found.where(lambda item: item.is_kept), grace=site.defaults.stop_grace
        )
        failpoints.reach("undo-after-erase")
        self._put_back()
        token = self.work.token
        claims.let_go(self.store, self.session.engine.name, lambda _, one: one.token == token)

    def _say_failed(self) -> None:
        """Where `starting` was said, the name says `failed` for a while; or nothing any more."""
        if self.is_served or self.plan.front is None:
            return
        lease = self.store.etcd.grant(self.session.site.gateway.tombstone)
        route = Route(environment=self.environment, release=self.release_name, state="failed")
        said = switch.mark(
            self.store, self.work.still, self.environment, dict.fromkeys(self.hosts, route), lease
        )
        if not said:
            self.store.etcd.revoke(lease)
            switch.unmark(self.store, self.environment, self.release_name, self.hosts)
