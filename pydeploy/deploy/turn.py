"""One command's turn at an environment: its wish, announced and followed; its lock; its attempt.

deploy, promote, rollback and restart differ in what they bring up and in nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pydeploy import console
from pydeploy.clients import shell
from pydeploy.deploy import failpoints
from pydeploy.deploy.request import Outcome, Terms, Timings, outcome
from pydeploy.deploy.session import Session
from pydeploy.errors import Fenced, Interrupted, PydeployError, Superseded
from pydeploy.state import audit, lock, wanted, work
from pydeploy.state.lock import Held
from pydeploy.state.records import Environment, Holder, Wanted
from pydeploy.state.wanted import Wish

if TYPE_CHECKING:
    from pydeploy.deploy.candidate import Candidate
    from pydeploy.deploy.seeding import Source


TermsOf = Callable[[Environment | None], Terms]  # from the record as it is under the lock


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


@dataclass(frozen=True, kw_only=True)
class Turn:
    """From the wish on; whoever holds one works for the newest wish until told otherwise."""

    session: Session
    environment: str
    wish: Wish
    clock: Clock

    def locked(self) -> AbstractContextManager[Held]:
        """The environment's lock; waiting for it ends when something newer is wished."""
        return lock_of(
            self.session,
            self.environment,
            patchset=self.wish.wanted.patchset,
            check=self.wish.ensure,
        )

    def record(self) -> Environment | None:
        return self.session.store.environment(self.environment)

    def swept(self, held: Held) -> Environment | None:
        """The record, after what dead attempts left was removed, and what they stopped runs."""
        from pydeploy.deploy import stateful, sweep

        record, engine = self.record(), self.session.engine
        sweep.leftovers(self.session, self.environment, record, engine, held.token)
        if record:
            fence = partial(self.session.store.fence, self.environment, held.still())
            stateful.revive(self.session, record, engine, fence)
        return record

    def unchanged(self, held: Held) -> Outcome | None:
        """The outcome if everything of what is on record still holds; None if there is work."""
        from pydeploy.deploy import confirm

        record = self.swept(held)
        if record is None or record.current is None or not confirm.holds(self.session, record):
            return None
        console.say(f"unchanged: {record.current.name} runs already")
        return outcome(record, self.clock.timings(), is_unchanged=True)

    def bring_up(
        self, held: Held, candidate: Candidate, terms: Terms, source: Source | None = None
    ) -> Outcome:
        """A new release; what was there before serves until it stands."""
        from pydeploy.deploy import admission, history
        from pydeploy.deploy.attempt import Attempt, Work

        record = self.swept(held)
        admission.check(self.session, record, candidate, terms, source)
        known = {release.name for release in history.of(self.session, self.environment)}
        if record and record.current:
            known.add(record.current.name)
        raised = Attempt(
            Work(
                session=self.session,
                terms=terms,
                candidate=candidate,
                source=source,
                before=record,
                taken_names=frozenset(known),
                still=(held.still(), self.wish.still()),
                token=held.token,
                ensure=self.wish.ensure,
            )
        ).run(self.clock.timed)
        return outcome(raised.record, self.clock.timings(), gaps=raised.gaps)


def lock_of(
    session: Session,
    environment: str,
    *,
    patchset: int | None = None,
    check: Callable[[], None] = lambda: None,
) -> AbstractContextManager[Held]:
    """The lock of an environment; CapacityError when it is not had within the site's time."""

    def say_who_holds(holder: Holder) -> None:
        console.say(f"{environment} is locked by {holder.holder} since {holder.since}; waiting")

    return lock.hold(
        session.store.etcd,
        session.store.keys.lock(environment),
        session.holder(patchset),
        wait=session.site.defaults.lock_wait,
        ttl=session.site.defaults.lock_ttl,
        check=check,
        on_wait=say_who_holds,
        lost=session.cancel,
    )


@contextmanager
def taken(
    session: Session, environment: str, wish: Wanted, clock: Clock, *, force: bool = False
) -> Iterator[Turn]:
    """Wish, and work for it; what was refused as no longer ours ends as the wish says why.

    Raises Superseded.
    """
    holder = session.holder(wish.patchset)
    with work.announced(session.store, environment, holder, session.site.defaults.lock_ttl):
        mine = wanted.wish(session.store, environment, wish, force=force, overtaken=session.cancel)
        failpoints.reach("after-want")
        try:
            with wanted.followed(session.store, mine):
                yield Turn(session=session, environment=environment, wish=mine, clock=clock)
        except (Fenced, shell.Cancelled) as stopped:
            raise mine.verdict() from stopped


def superseded(environment: str, newer: Superseded, clock: Clock) -> Outcome:
    """No failure: the newer wish is worked for."""
    console.say(f"superseded by {newer.by}")
    return Outcome(
        environment=environment,
        state="superseded",
        superseded_by=newer.by,
        timings_s=clock.timings(),
    )


@contextmanager
def audited(session: Session, action: str, environment: str, **details: Any) -> Iterator[None]:
    """Note a failure of the block; a success is noted by `note`, which knows what came of it."""
    try:
        yield
    except (PydeployError, Interrupted) as failure:
        why = f"{type(failure).__name__}: {failure.message}"[:2000]
        audit.record(session.store, action, environment, "failed", why=why, **details)
        raise


def note(session: Session, action: str, result: Outcome, **details: Any) -> None:
    """Audit what was done; nothing was where it found all unchanged."""
    if result.is_unchanged:
        return
    audit.record(
        session.store,
        action,
        result.environment,
        result.state,
        release=result.release,
        digests={image.service: image.digest for image in result.images},
        **({"gaps_s": result.gaps_s} if result.gaps_s else {}),
        **details,
    )
