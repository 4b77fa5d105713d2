"""One build a day under an idempotency key, whoever asks, and whoever dies while asking.

Under a lock: a record `asked` is written, then Jenkins is asked, then the record gets the number
of the queue item.  Who finds `asked` (the one who wrote it was killed, or its answer was lost)
looks for a build with the record's mark; where Jenkins shows none, nobody knows, and nothing is
asked a second time.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydeploy import interrupts
from pydeploy.clients import etcd as ops
from pydeploy.clients.etcd import KeyValue
from pydeploy.clients.jenkins import CAUSES, Jenkins, is_of_job, path_of
from pydeploy.clients.jenkins_answers import Unsettled
from pydeploy.errors import Interrupted, ServiceError, UsageError
from pydeploy.jenkins import jobs
from pydeploy.jenkins.values import Job, Triggered
from pydeploy.state import lock, store
from pydeploy.state.records import Holder, Trigger
from pydeploy.state.store import Store

KEPT = 86400  # seconds that a key counts
MARK = "PYDEPLOY_TRIGGER"  # a string parameter; a job that defines it makes each build findable
_LONGEST = 200  # characters of a key
_RECENT = 50  # builds that are looked through


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """What was asked under which key.  `wait` is how long another's request is waited for."""

    store: Store
    lock_ttl: int = lock.TTL
    wait: float = 120.0

    def once(
        self,
        jenkins: Jenkins,
        job: Job,
        key: str,
        ask: Callable[[str], Triggered],
        *,
        warn: Callable[[str], None],
    ) -> Triggered:
        """What `ask` says, or what it said the first time.  It is called with a mark."""
        if len(key) > _LONGEST:
            raise UsageError(f"an idempotency key has at most {_LONGEST} characters")
        identity = _identity(jenkins.url, job.name, key)
        with lock.hold(
            self.store.etcd,
            self.store.keys.lock(f"trigger-{identity}"),
            _holder(),
            wait=self.wait,
            ttl=self.lock_ttl,
        ) as held:
            found = self.store.read(self._key(identity), Trigger)
            if found is None:
                return self._ask(jenkins, job, key, ask, held, warn)
            return self._repeat(jenkins, job, *found)

    def note_number(
        self, jenkins: Jenkins, triggered: Triggered, key: str, warn: Callable[[str], None]
    ) -> None:
        """Remember which build it became: Jenkins forgets queue items after five minutes.

        The build runs whether this works or not, so that is a warning.
        """
        name = self._key(_identity(jenkins.url, triggered.job, key))
        try:
            found = self.store.read(name, Trigger)
            if found and found[1].number is None and found[1].queue_id == triggered.queue_id:
                update = {"number": triggered.number}
                self._write(found[0], found[1].model_copy(update=update))
        except ServiceError as away:
            warn(f"the key {key!r} does not know which build it is: {away.message}")

    def _ask(
        self,
        jenkins: Jenkins,
        job: Job,
        key: str,
        ask: Callable[[str], Triggered],
        held: lock.Held,
        warn: Callable[[str], None],
    ) -> Triggered:
        name = self._key(_identity(jenkins.url, job.name, key))
        record = Trigger(
            state="asked",
            url=jenkins.url,
            job=job.name,
            key=key,
            mark=uuid.uuid4().hex,
            by=store.whoami(),
            since=store.timestamp(),
        )
        lease = self.store.etcd.grant(KEPT)
        with interrupts.deferred():
            try:
                self._begin(name, record, held, lease)
                triggered = ask(record.mark)
            except Unsettled as unknown:
                raise _unknown(jenkins, job, record, unknown.message) from unknown
            except (ServiceError, UsageError, Interrupted):  # Jenkins said no, or was never asked
                with suppress(ServiceError):
                    self.store.etcd.revoke(lease)
                raise
            done = record.model_copy(update={"state": "queued", "queue_id": triggered.queue_id})
            try:
                self.store.etcd.put(name, done.text(), lease=lease)
            except ServiceError as away:
                warn(f"{job.name} was started, and its key does not know it: {away.message}")
            return triggered

    def _begin(self, name: str, record: Trigger, held: lock.Held, lease: int) -> None:
        """Write `asked`, unless we slept beyond our lock, and somebody else may have been here."""
        written = self.store.etcd.txn(
            [ops.equal(name, "CREATE", 0), held.still()],
            [ops.put(name, record.text(), lease=lease)],
        )
        if not written.succeeded:
            raise ServiceError(
                f"the lock of the key {record.key!r} was lost before {record.job} was asked for",
                service="etcd",
                hint="run it again",
            )

    def _repeat(self, jenkins: Jenkins, job: Job, kv: KeyValue, record: Trigger) -> Triggered:
        """What the first one got."""
        if record.queue_id is None:
            record = self._found(jenkins, job, kv, record)
        assert record.queue_id is not None  # noqa: S101 (for mypy: it was found)
        return Triggered(
            job=job.name, queue_id=record.queue_id, number=record.number, is_repeat=True
        )

    def _found(self, jenkins: Jenkins, job: Job, kv: KeyValue, record: Trigger) -> Trigger:
        """The record with what Jenkins shows under its mark; ServiceError when it shows nothing."""
        for item in _items(jenkins, job):
            if _carries(item, record.mark):
                queue_id, number = item.get("queueId", item.get("id")), item.get("number")
                update = {"state": "queued", "queue_id": queue_id, "number": number}
                found = record.model_copy(update=update)
                self._write(kv, found)
                return found
        raise _unknown(
            jenkins,
            job,
            record,
            f"{record.by} asked for {job.name} under the key {record.key!r} at {record.since} and "
            "did not live to hear the answer",
        )

    def _write(self, kv: KeyValue, record: Trigger) -> None:
        """Unless somebody else wrote meanwhile; on the lease that it has."""
        self.store.etcd.txn(
            [ops.equal(kv.key, "MOD", kv.mod_revision)],
            [ops.put(kv.key, record.text(), lease=kv.lease)],
        )

    def _key(self, identity: str) -> str:
        return self.store.keys.trigger(identity)


def _identity(url: str, job: str, key: str) -> str:
    """One name for one Jenkins, job and key; none of them is text that fits a key of etcd."""
    text = "\0".join((url, job, key)).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:32]


def _holder() -> Holder:
    return Holder(
        holder=store.whoami(),
        since=store.timestamp(),
        build_url=os.environ.get("BUILD_URL", ""),
    )


def _items(jenkins: Jenkins, job: Job) -> Iterator[dict[str, Any]]:
    """What waits, and what was built of late; the newest first."""
    for item in jenkins.queue():
        if is_of_job(item.get("task", {}).get("url", ""), job.name):
            yield item
    builds = f"builds[{jobs.BUILD},actions[parameters[name,value],{CAUSES}]]{{0,{_RECENT}}}"
    found = jenkins.read(path_of(job.name), f"list the builds of {job.name}", builds)
    yield from found.get("builds", [])


def _carries(item: dict[str, Any], mark: str) -> bool:
    """As its parameter, or as the note of who started it by the job's trigger token."""
    for action in item.get("actions", []):
        for one in action.get("parameters", []):
            if one.get("name") == MARK and one.get("value") == mark:
                return True
        if any(mark in str(one.get("note", "")) for one in action.get("causes", [])):
            return True
    return False


def _unknown(jenkins: Jenkins, job: Job, record: Trigger, message: str) -> Unsettled:
    return Unsettled(
        f"{message}; so it is not asked again",
        service="jenkins",
        hint=f"look at {job.url or jenkins.url} and at its queue for a build of {record.since}: if "
        "there is none, run it again with another key. A job with a string parameter "
        f"{MARK} settles this by itself",
    )
