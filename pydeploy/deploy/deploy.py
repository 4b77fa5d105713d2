"""deploy: from a wish to a name that answers, with the old release serving until the end.

    want → check → build → lock → claim → start beside the old release → healthy
         → switch → gateways have applied it → answered through the gateway
         → drain and remove the old release → unlock

Every step before "answered through the gateway" has its undo; a failure after the switch has the
reverse switch.  From then on the new release stands, whatever happens to the old one.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from pydeploy import console, names
from pydeploy.clients import shell
from pydeploy.deploy import failpoints
from pydeploy.deploy import plan as plans
from pydeploy.deploy.plan import Plan
from pydeploy.deploy.request import Outcome, Request, Timings, outcome
from pydeploy.deploy.session import Session
from pydeploy.errors import Fenced, Interrupted, PydeployError, Superseded
from pydeploy.repository import git
from pydeploy.repository.checkout import Checkout
from pydeploy.state import audit, lock, store, wanted, work
from pydeploy.state.lock import Held
from pydeploy.state.records import Environment, Holder, Wanted
from pydeploy.state.wanted import Wish

if TYPE_CHECKING:
    from pydeploy.images import BuildIdentity, Prepared


class Clock:
    """Seconds of each step, by name."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._steps: dict[str, float] = {}

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self._steps[step] = self._steps.get(step, 0.0) + time.monotonic() - began

    def timings(self) -> Timings:
        return Timings(**self._steps, total=time.monotonic() - self._began)


def deploy(session: Session, request: Request) -> Outcome:
    """An Outcome (`running`, `completed`, `superseded`), or a PydeployError after the undo."""
    try:
        result = _deploy(session, request)
    except (PydeployError, Interrupted) as failure:
        note = f"{type(failure).__name__}: {failure.message}"
        audit.record(session.store, "deploy", request.environment, "failed", why=note[:2000])
        raise
    if not result.is_unchanged:
        digests = {image.service: image.digest for image in result.images}
        audit.record(
            session.store,
            "deploy",
            request.environment,
            result.state,
            release=result.release,
            digests=digests,
        )
    return result


def _deploy(session: Session, request: Request) -> Outcome:
    clock = Clock()
    session.engine.warm_up()
    found = None if request.revision else git.revision(request.root)
    wish = Wanted(
        generation=0,
        action="deploy",
        change=request.change,
        patchset=request.patchset,
        revision=found.name if found else request.revision,
        by=store.whoami(),
    )
    try:
        with work.announced(
            session.store,
            request.environment,
            session.holder(request.patchset),
            session.site.defaults.lock_ttl,
        ):
            return _for_wish(session, request, wish, clock, found)
    except Superseded as newer:
        console.say(f"superseded by {newer.by}")
        return Outcome(
            environment=request.environment,
            state="superseded",
            superseded_by=newer.by,
            timings_s=clock.timings(),
        )


def _for_wish(
    session: Session, request: Request, wish: Wanted, clock: Clock, found: git.Revision | None
) -> Outcome:
    """Wish, and work for it; what was refused as no longer ours ends as the wish says why."""
    mine = wanted.wish(
        session.store, request.environment, wish, force=request.force, overtaken=session.cancel
    )
    failpoints.reach("after-want")
    try:
        with wanted.followed(session.store, mine):
            return _Deploy(session, request, mine, clock, found).run()
    except (Fenced, shell.Cancelled) as stopped:
        raise mine.verdict() from stopped


class _Deploy:
    """One deploy, from the wish on."""

    def __init__(
        self,
        session: Session,
        request: Request,
        wish: Wish,
        clock: Clock,
        found: git.Revision | None,
    ) -> None:
        self.session = session
        self.request = request
        self.wish = wish
        self.clock = clock
        self.found = found  # where the request names no revision
        self.environment = request.environment

    def run(self) -> Outcome:
        if self._is_recorded(self.session.store.environment(self.environment)):
            with self._locked() as held:
                unchanged = self._unchanged(held)
            if unchanged:
                return unchanged
        with self.clock.timed("check"):
            checkout = self._check()
            plan = plans.make(checkout.model, checkout.service)
        with self.clock.timed("build"):
            prepared = self._build(checkout)
        failpoints.reach("after-build")
        self.wish.ensure()
        with self._locked() as held:
            failpoints.reach("after-lock")
            return self._unchanged(held) or self._attempt(held, checkout, plan, prepared)

    def _locked(self) -> AbstractContextManager[Held]:
        return lock.hold(
            self.session.store.etcd,
            self.session.store.keys.lock(self.environment),
            self.session.holder(self.request.patchset),
            wait=self.session.site.defaults.lock_wait,
            ttl=self.session.site.defaults.lock_ttl,
            check=self.wish.ensure,
            on_wait=self._say_who_holds,
            lost=self.session.cancel,
        )

    def _check(self) -> Checkout:
        from pydeploy import repository

        threading.Thread(target=_import_the_rest, daemon=True).start()
        with console.step("check"):
            checkout = repository.read(
                self.request.root,
                site=self.session.site,
                gerrit_project=self.request.gerrit_project or None,
                branch=self.request.branch or None,
                revision=self.found,
            )
        checkout.agree_with(self.request.revision)
        for finding in checkout.findings:
            console.warn(f"{finding.file}:{finding.line}: {finding.message}")
        return checkout

    def _build(self, checkout: Checkout) -> Prepared:
        from pydeploy import images

        with console.step("build"):
            return images.prepare(
                checkout.model,
                root=checkout.root,
                identity=self._identity(checkout),
                site=self.session.site,
                engine=self.session.engine,
                etcd=self.session.store.etcd,
                cancel=self.session.cancel,
                on_line=lambda line: console.say(f"  {line}"),
            )

    def _identity(self, checkout: Checkout) -> BuildIdentity:
        """`created` is the commit's time, so that the same revision labels its image alike."""
        from pydeploy.images import BuildIdentity

        return BuildIdentity(
            gerrit_project=names.project(
                self.request.gerrit_project,
                change=self.request.change,
                folder=checkout.root.name,
            ),
            change=self.request.change,
            patchset=self.request.patchset,
            revision=checkout.revision,
            created=git.committed(checkout.root) or store.timestamp(),
        )

    def _say_who_holds(self, holder: Holder) -> None:
        console.say(
            f"{self.environment} is locked by {holder.holder} since {holder.since}; waiting"
        )

    def _attempt(self, held: Held, checkout: Checkout, plan: Plan, prepared: Prepared) -> Outcome:
        from pydeploy.deploy.attempt import Attempt, Work

        record = self._swept(held)
        new = Attempt(
            Work(
                session=self.session,
                request=self.request,
                checkout=checkout,
                plan=plan,
                prepared=prepared,
                before=record,
                still=(held.still(), self.wish.still()),
                token=held.token,
                ensure=self.wish.ensure,
            )
        ).run(self.clock.timed)
        return outcome(new, self.clock.timings())

    def _swept(self, held: Held) -> Environment | None:
        """The record, after what dead attempts left was removed."""
        from pydeploy.deploy import sweep

        record = self.session.store.environment(self.environment)
        sweep.leftovers(self.session, self.environment, record, self.session.engine, held.token)
        return record

    def _unchanged(self, held: Held) -> Outcome | None:
        """The outcome when this very patchset runs already; None when there is work to do."""
        from pydeploy.deploy import confirm

        if not self._is_recorded(self.session.store.environment(self.environment)):
            return None
        record = self._swept(held)
        if record is None or record.current is None or not confirm.holds(self.session, record):
            return None
        console.say(f"unchanged: {record.current.name} runs already")
        return outcome(record, self.clock.timings(), is_unchanged=True)

    def _is_recorded(self, record: Environment | None) -> bool:
        current = record.current if record else None
        if self.request.force or current is None or current.engine != self.session.engine.name:
            return False
        wish = self.wish.wanted
        return (current.patchset, current.revision) == (wish.patchset, wish.revision)


def _import_the_rest() -> None:
    """What is needed once the check has passed, imported while Compose is waited for."""
    importlib.import_module("pydeploy.deploy.attempt")
