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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from pydeploy import console, names
from pydeploy.deploy import failpoints, kept, turn
from pydeploy.deploy import plan as plans
from pydeploy.deploy.request import Outcome, Request, Terms
from pydeploy.deploy.session import Session
from pydeploy.deploy.turn import Clock, Turn
from pydeploy.errors import Superseded
from pydeploy.repository import git
from pydeploy.repository.checkout import Checkout
from pydeploy.state import store
from pydeploy.state.records import Environment, Wanted

if TYPE_CHECKING:
    from pydeploy.gerrit.origin import Origin
    from pydeploy.images import BuildIdentity, Prepared


def deploy(session: Session, request: Request) -> Outcome:
    """An Outcome (`running`, `completed`, `superseded`), or a PydeployError after the undo."""
    with turn.audited(session, "deploy", request.environment):
        result = _deploy(session, request)
    turn.note(session, "deploy", result)
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
        with turn.taken(session, request.environment, wish, clock, force=request.force) as mine:
            return _Deploy(mine, request, found).run()
    except Superseded as newer:
        return turn.superseded(request.environment, newer, clock)


class _Deploy:
    """One deploy, from the wish on."""

    def __init__(self, mine: Turn, request: Request, found: git.Revision | None) -> None:
        self.turn = mine
        self.session = mine.session
        self.request = request
        self.clock = mine.clock
        self.found = found  # where the request names no revision

    def run(self) -> Outcome:
        if self._is_recorded(self.turn.record()):
            with self.turn.locked() as held:
                unchanged = self.turn.unchanged(held)
            if unchanged:
                return unchanged
        with self.clock.timed("check"), self._of_gerrit():
            checkout = self._check()
            plans.make(checkout.model, checkout.service)
            kept.expect_services(checkout.model, checkout.service.data)
            self._check_grants(checkout)
        with self.clock.timed("build"):
            prepared = self._build(checkout)
        failpoints.reach("after-build")
        self.turn.wish.ensure()
        with self.turn.locked() as held:
            failpoints.reach("after-lock")
            if self._is_recorded(self.turn.record()) and (same := self.turn.unchanged(held)):
                return same
            from pydeploy.deploy import candidate, seeding

            origin = self.request.data_from
            return self.turn.bring_up(
                held,
                candidate.of_checkout(self.request, checkout, prepared),
                self._terms(checkout),
                seeding.source(self.session, origin) if origin else None,
            )

    @contextmanager
    def _of_gerrit(self) -> Iterator[None]:
        if self.request.change is None or not self.session.site.gerrit.is_configured:
            yield
            return
        from pydeploy.gerrit import origin

        with origin.excused(self._ask_gerrit()):
            yield

    def _ask_gerrit(self) -> Origin | None:
        """Whose change it is says Gerrit, where it can be asked; TrustError if it is untrusted."""
        request = self.request
        if request.change is None:
            return None
        from pydeploy.gerrit import origin

        self.found = self.found or git.revision(request.root)
        said = origin.ask(
            self.session.site,
            origin.Claim(
                change=request.change,
                patchset=request.patchset,
                wanted=request.revision or "",
                revision=self.found.name,
                is_dirty=self.found.is_dirty,
                gerrit_project=request.gerrit_project,
                branch=request.branch,
            ),
        )
        if said is not None:
            self.request = replace(
                request,
                gerrit_project=said.gerrit_project,
                branch=said.branch,
                topic=said.topic,
                owner=said.owner,
            )
        return said

    def _check_grants(self, checkout: Checkout) -> None:
        if not checkout.model.get("secrets"):
            return
        from pydeploy.deploy import secrets

        secrets.check(
            self.session.site,
            self.request.environment,
            checkout.model,
            gerrit_project=self.request.gerrit_project,
            branch=self.request.branch,
        )

    def _terms(self, checkout: Checkout) -> Terms:
        from pydeploy.deploy import draft

        request, settings = self.request, checkout.service
        is_named = request.environment != str(request.change)
        return Terms(
            environment=request.environment,
            data=kept.mode(request.data, settings.data, is_named=is_named),
            expires=draft.expires(self.session.site, request, settings, store.now()),
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

    def _is_recorded(self, record: Environment | None) -> bool:
        """Whether this very patchset is what runs there already."""
        current = record.current if record else None
        if self.request.force or current is None or current.engine != self.session.engine.name:
            return False
        wish = self.turn.wish.wanted
        return (current.patchset, current.revision) == (wish.patchset, wish.revision)


def _import_the_rest() -> None:
    """What is needed once the check has passed, imported while Compose is waited for."""
    importlib.import_module("pydeploy.deploy.attempt")
