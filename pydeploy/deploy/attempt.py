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
    draft,
    failpoints,
    gateways,
    inventory,
    model,
    probe,
    refused,
    retire,
    start,
    subnets,
    switch,
)
from pydeploy.deploy.plan import Plan
from pydeploy.deploy.request import Request
from pydeploy.deploy.session import Session
from pydeploy.errors import Fenced, PydeployError, ServiceError
from pydeploy.images import Prepared
from pydeploy.repository.checkout import Checkout
from pydeploy.state import claims, store
from pydeploy.state.claims import Claimant
from pydeploy.state.records import Environment, Image, Port, Release, Route

Timed = Callable[[str], AbstractContextManager[None]]
_TRIES = 3  # how often what something foreign took under our hands is replaced


@dataclass(frozen=True, kw_only=True)
class Work:
    """What an attempt starts from.  `still` begins with the lock's condition."""

    session: Session
    request: Request
    checkout: Checkout
    plan: Plan
    prepared: Prepared
    before: Environment | None
    still: tuple[Compare, ...]
    token: int
    ensure: Callable[[], None]  # raises Superseded


class Attempt:
    """Brings up one release; `run` returns the new record or leaves nothing behind."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.session = work.session
        self.store = work.session.store
        self.environment = work.request.environment
        self.old = work.before.current if work.before else None
        self.is_served = bool(work.before and work.before.hosts)  # by the old release
        self.revision = work.request.revision or work.checkout.revision
        self.release_name = draft.release_name(work.request, self.revision, work.before)
        self.plan = work.plan
        self.scope = self.session.scope(self.environment, work.token)
        self.gateways = gateways.live(self.store) if self.plan.ports else {}
        self.hosts = [names.host(self.environment, domain) for domain in self.session.site.domains]
        self._is_switch_sent = False  # from then on etcd may name this attempt
        self._is_back_unsure = False  # going back was begun, and is not known to be applied

    def run(self, timed: Timed) -> Environment:
        try:
            with timed("start"), console.step(f"start {self.release_name}"):
                self._say_starting()
                release, started = self._start()
            failpoints.reach("after-healthy")
            with timed("switch"), console.step("switch"):
                record = self._switch(release, started)
        except BaseException:
            with interrupts.held_back():
                self._undo()
            raise
        self._finish(record, release, started)  # the new release stands: nothing is undone now
        return record

    # -- start --------------------------------------------------------------------------

    def _say_starting(self) -> None:
        """A first release has no old one to serve meanwhile: the gateway says that it starts."""
        if self.plan.front is None or self.is_served:
            return
        route = Route(environment=self.environment, release=self.release_name, state="starting")
        switch.mark(self.store, self.work.still, self.environment, dict.fromkeys(self.hosts, route))

    def _start(self) -> tuple[Release, start.Started]:
        """Claim and start; where something foreign takes one under our hands, claim again."""
        for _ in range(_TRIES):
            ports, networks = self._claim()
            failpoints.reach("after-claim")
            release = self._release(ports, networks)
            try:
                return release, start.run(self._as_start(release))
            except refused.Taken as taken:
                console.warn(f"{taken} is held by something foreign; taking another")
                self._erase_and_let_go()
                self._note_foreign(taken)
        raise ServiceError(
            f"{_TRIES} times in a row something foreign held what was claimed",
            service="docker",
            hint="choose ports and subnets in site.yml that nothing else on that machine uses",
        )

    def _note_foreign(self, taken: refused.Taken) -> None:
        engine = self.session.engine.name
        if taken.port:
            claims.note_foreign_port(self.store, engine, taken.port)
        if taken.subnet:
            claims.note_foreign_subnet(self.store, engine, taken.subnet)

    def _claim(self) -> tuple[tuple[Port, ...], dict[str, str]]:
        engine, settings = self.session.engine, self.session.engine.settings
        claimant = Claimant(
            engine=engine.name,
            environment=self.environment,
            release=self.release_name,
            token=self.work.token,
            still=self.work.still,
        )
        host_ports = claims.claim_ports(
            self.store,
            settings,
            claimant,
            [(want.service, want.container_port) for want in self.plan.ports],
            is_free=lambda port: not engine.is_local or probe.is_port_free(settings.bind, port),
        )
        networks = claims.claim_subnets(
            self.store, settings, claimant, self.plan.networks, taken=subnets.taken(engine)
        )
        ports = tuple(
            Port(
                service=want.service,
                container_port=want.container_port,
                protocol=want.protocol,
                host_port=host_port,
            )
            for want, host_port in zip(self.plan.ports, host_ports, strict=True)
        )
        return ports, networks

    def _release(self, ports: tuple[Port, ...], networks: dict[str, str]) -> Release:
        return Release(
            name=self.release_name,
            attempt=self.work.token,
            engine=self.session.engine.name,
            revision=self.revision,
            patchset=self.work.request.patchset,
            model=self.work.prepared.model,
            images=tuple(
                Image(service=one.service, ref=one.ref, digest=one.digest)
                for one in self.work.prepared.images
            ),
            ports=ports,
            networks=networks,
            address=self.session.engine.settings.bind,
            health_path=self.plan.settings.path,
            health_status=self.plan.settings.status,
            created=store.timestamp(),
        )

    def _as_start(self, release: Release) -> start.Start:
        site, request = self.session.site, self.work.request
        project = names.compose_project(site.compose_prefix, release.name, self.work.token)
        deadline = draft.deadline(site, self.work.checkout)
        url = self._url(self.hosts[0]) if self.plan.front else None
        placement = model.Placement(
            project=project,
            labels=draft.labels(site, request, release.name, self.work.token),
            identity=draft.identity(request, release.revision, url),
            bind=release.address,
            ports=release.ports,
            subnets=release.networks,
            limits=site.limits,
            deadline=deadline,
        )
        return start.Start(
            engine=self.session.engine,
            scope=self.scope,
            project=project,
            model=model.release_model(release.model, placement),
            plan=self.plan,
            ports=release.ports,
            subnets=tuple(release.networks.values()),
            host=self.hosts[0],
            folder=self.work.checkout.root,
            deadline=deadline,
            cancel=self.session.cancel,
            ensure=self.work.ensure,
        )

    def _url(self, host: str) -> str:
        return gateways.url(next(iter(self.gateways.values())), host)

    # -- switch -------------------------------------------------------------------------

    def _switch(self, release: Release, started: start.Started) -> Environment:
        """The transaction, then wait until every gateway has applied it and the front answers."""
        site = self.session.site
        named = draft.name_ports(site, self.environment, self.plan.front, started.http)
        record = self._record(release, started, named)
        log = self._log(started)
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

    def _record(self, release: Release, started: start.Started, named: draft.Named) -> Environment:
        before, now = self.work.before, store.now()
        urls = {service: self._url(host) for service, host in named.by_service.items()}
        return Environment(
            name=self.environment,
            service=self.work.checkout.service_name,
            state="completed" if started.is_completed else "running",
            url=urls[named.front.service] if named.front else None,
            urls=urls,
            hosts=tuple(named.hosts),
            change=self.work.request.as_change(release.revision),
            current=release,
            previous=self.old,
            created=before.created if before else store.timestamp(now),
            updated=store.timestamp(now),
            expires=draft.expires(self.session.site, self.work.request, self.work.checkout, now),
            warnings=started.warnings,
        )

    def _log(self, started: start.Started) -> str | None:
        """A one-shot's log stays with the record, because its containers do not."""
        return retire.log_of_job(self.session, started.states) if started.is_completed else None

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

    def _finish(self, record: Environment, release: Release, started: start.Started) -> None:
        """Keep it running, or let a one-shot go; then the old release goes."""
        try:
            if started.is_completed:
                self._erase_and_let_go()
            else:
                served = {port.service for port in release.ports}
                everything = set(self.plan.services) if self.plan.kind == "worker" else served
                retire.keep_running(self.session, started.states, everything)
            if self.old:
                retire.retire(self.session, self.environment, self.old)
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
            self._erase_and_let_go()
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

    def _erase_and_let_go(self) -> None:
        """Containers first: a claim goes only when nothing uses what it stands for."""
        found = inventory.take(self.session.engine, self.scope)
        inventory.erase(self.session.engine, found, grace=1)
        token = self.work.token
        claims.let_go(self.store, self.session.engine.name, lambda one: one.token == token)

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
