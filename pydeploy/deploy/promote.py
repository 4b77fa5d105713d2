"""Releases again: elsewhere (promote), an earlier one (rollback), the same one (restart).

What runs is what the record says, digest by digest; no checkout is needed, and nothing is built.
"""

from __future__ import annotations

from dataclasses import replace

from pydeploy import console
from pydeploy.config.service import Mode
from pydeploy.deploy import candidate, fetching, history, kept, seeding, turn
from pydeploy.deploy.candidate import Candidate
from pydeploy.deploy.logs import existing
from pydeploy.deploy.request import Outcome, Terms
from pydeploy.deploy.session import Session
from pydeploy.deploy.turn import Clock, Turn
from pydeploy.errors import Superseded, UsageError
from pydeploy.state import store, work
from pydeploy.state.records import Action, Environment, Origin, Release, Wanted

_AGAIN: tuple[Action, ...] = ("rollback", "restart")  # by which a release runs once more


def promote(
    session: Session,
    name: str,
    target: str,
    *,
    release: str | None = None,
    data: Mode | None = None,
    data_from: str | None = None,
) -> Outcome:
    """The current (or the named) release of `name` in environment `target`, by digest.

    Work is announced for `name`, too: until the target has its record, nobody else names the
    images, and who removes `name` leaves them.
    """
    if target == name:
        raise UsageError(
            f"{name} cannot be promoted to itself", hint="`pydeploy rollback` goes back"
        )
    ttl = session.site.defaults.lock_ttl
    with work.announced(session.store, name, session.holder(), ttl):
        _expect_to_stay(session, name)
        return _promote(session, name, target, release=release, data=data, data_from=data_from)


def _promote(
    session: Session,
    name: str,
    target: str,
    *,
    release: str | None,
    data: Mode | None,
    data_from: str | None,
) -> Outcome:
    chosen, service = _chosen(session, name, release)
    origin = Origin(action="promote", environment=name, release=chosen.name)
    asked = candidate.of_release(chosen, service, origin, _version(chosen))

    def terms(record: Environment | None) -> Terms:
        wanted = data or asked.settings.data.mode
        mode = kept.mode(wanted, asked.settings.data, is_named=not target.isdigit())
        return Terms(environment=target, data=mode, expires=record.expires if record else None)

    again = _Again(session, target, asked, data_from)
    return again.run(terms, source_engine=chosen.engine)


def rollback(session: Session, name: str, to: str | None = None) -> Outcome:
    """An earlier release again (the one before, unless named), in one switch."""
    record = existing(session, name)
    chosen = history.one(session, name, to) if to else _before(session, record)
    origin = Origin(action="rollback", environment=name, release=chosen.name)
    asked = candidate.of_release(chosen, record.service, origin)
    return _Again(session, name, asked).run(_as_it_lives)


def restart(session: Session, name: str, *, are_secrets_new: bool = False) -> Outcome:
    """The current release anew, beside itself: what is swapped is new, and no request fails.

    With `are_secrets_new`, stateful services that have secrets of the site are made anew, too.
    """
    record = existing(session, name)
    if record.current is None:
        raise UsageError(f"{name} has no release to start again")
    if are_secrets_new and record.state == "completed":
        raise UsageError(f"{name} has ended; its next deploy gets today's secrets")
    origin = Origin(action="restart", environment=name, release=record.current.name)
    asked = candidate.of_release(record.current, record.service, origin)

    def terms(now: Environment | None) -> Terms:
        return replace(_as_it_lives(now), are_secrets_new=are_secrets_new)

    return _Again(session, name, asked).run(terms)


class _Again:
    """One such release, from the wish on."""

    def __init__(
        self, session: Session, environment: str, asked: Candidate, data_from: str | None = None
    ) -> None:
        self.session = session
        self.environment = environment
        self.asked = asked
        self.data_from = data_from
        self.clock = Clock()

    def run(self, terms: turn.TermsOf, source_engine: str = "") -> Outcome:
        action = self.asked.origin.action
        origin = {"from": self.asked.origin.environment, "of": self.asked.origin.release}
        self.session.engine.warm_up()
        try:
            with (
                turn.audited(self.session, action, self.environment, **origin),
                turn.taken(
                    self.session, self.environment, self._wish(action), self.clock, force=True
                ) as mine,
            ):
                result = self._work(mine, terms, source_engine)
        except Superseded as newer:
            return turn.superseded(self.environment, newer, self.clock)
        turn.note(self.session, action, result, **origin)
        return result

    def _wish(self, action: Action) -> Wanted:
        change = self.asked.change
        return Wanted(
            generation=0,
            action=action,
            change=change.number if change else None,
            patchset=self.asked.patchset,
            revision=self.asked.revision,
            by=store.whoami(),
        )

    def _work(self, mine: Turn, terms: turn.TermsOf, source_engine: str) -> Outcome:
        with self.clock.timed("build"), console.step("fetch images"):
            fetching.fetch(self.session, self.asked, source_engine)
        mine.wish.ensure()
        with mine.locked() as held:
            record = mine.record()
            if self._is_there(record) and (unchanged := mine.unchanged(held)):
                return unchanged
            source = seeding.source(self.session, self.data_from) if self.data_from else None
            return mine.bring_up(held, self.asked, terms(record), source)

    def _is_there(self, record: Environment | None) -> bool:
        """Whether a promotion would change nothing; one that brings data always would."""
        if self.asked.origin.action != "promote" or self.data_from:
            return False
        current = record.current if record else None
        return (
            current is not None
            and current.engine == self.session.engine.name
            and (current.model, current.images) == (self.asked.model, self.asked.images)
        )


def _as_it_lives(record: Environment | None) -> Terms:
    """Where it runs, with the data it has, until when it was to live anyway."""
    if record is None:
        raise UsageError("it was removed meanwhile", hint="`pydeploy deploy` makes it anew")
    return Terms(
        environment=record.name,
        data="keep" if record.kept else "fresh",
        expires=record.expires,
    )


def _expect_to_stay(session: Session, name: str) -> None:
    """UsageError when its images may go at this moment: who removes has looked for us already."""
    record = existing(session, name)
    wish = session.store.read(session.store.keys.wanted(name), Wanted)
    if wish and wish[1].action == "remove":
        raise UsageError(f"{name} is being removed", hint="deploy it anew, or promote another")
    if record.expires is not None and record.expires <= store.timestamp():
        raise UsageError(
            f"{name} has expired, so prune may take it at any moment",
            hint=f"`pydeploy extend {name} 1d` first",
        )


def _chosen(session: Session, name: str, release: str | None) -> tuple[Release, str]:
    record = existing(session, name)
    chosen = history.one(session, name, release) if release else record.current
    if chosen is None:
        raise UsageError(f"{name} has no release to promote")
    return chosen, record.service


def _before(session: Session, record: Environment) -> Release:
    """The newest one that is older than what runs, which may run again after going back to it.

    So each rollback goes further back, and never forward to what was gone back from.
    """
    known = history.of(session, record.name)
    origin = _first_run(record, known)
    found = [one for one in known if origin and one.attempt < origin.attempt]
    if not found:
        raise UsageError(
            f"{record.name} has no earlier release",
            hint=f"`pydeploy releases {record.name}` shows what it knows; `--to` names one",
        )
    return found[0]


def _first_run(record: Environment, known: list[Release]) -> Release | None:
    """The current release, or the one that it is again; None where that is forgotten."""
    by_name = {one.name: one for one in known}
    found = record.current
    while found and found.origin.action in _AGAIN and found.origin.environment == record.name:
        found = by_name.get(found.origin.release)
    return found


def _version(release: Release) -> str:
    """`10020-3` of a change, so that the name in the other environment tells where it is from."""
    change = release.change
    return f"{change.number}-{change.patchset}" if change else release.version
