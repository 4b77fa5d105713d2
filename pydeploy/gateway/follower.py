"""The gateway's follower: routes in etcd → HAProxy's map → the map's file → what is published.

One thread decides (`run`); three others only wait for something and put it into its queue: the
feed (etcd), the sentinel (HAProxy's life) and, downstream, the presence. The order of a batch is
HAProxy first, because that is what people wait for; then the file, then the key, so that what is
published as applied survives the death of HAProxy.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydeploy.clients.etcd import Event
from pydeploy.clients.haproxy import HAProxy
from pydeploy.errors import ServiceError
from pydeploy.gateway import feed, mapfile, table, targets
from pydeploy.gateway.drain import Drain
from pydeploy.gateway.presence import Presence
from pydeploy.gateway.table import Table
from pydeploy.state.records import Gateway
from pydeploy.state.store import Store

LOOK_EVERY = 2.0  # seconds; for what no event tells
AWAY_LIMIT = 5.0  # seconds without HAProxy until nobody should wait for this gateway
SETTLE_LIMIT = 0.05  # seconds for which a stream of changes may hold back file and key
_RETRY = 0.05
_BULK = 200  # changes; replacing the whole map is quicker than more of them one by one


@dataclass(frozen=True, kw_only=True)
class Attached:
    """HAProxy answers, as this process."""

    pid: int


@dataclass(frozen=True, kw_only=True)
class Detached:
    """HAProxy has gone."""


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A thread ended by a bug; so must the process."""

    problem: BaseException


Item = feed.Item | Attached | Detached | Broken


class Follower:
    """Keeps one HAProxy in step with the routes of one site."""

    def __init__(
        self,
        store: Store,
        haproxy: HAProxy,
        presence: Presence,
        doors: targets.Doors,
        map_file: Path,
        *,
        address: str,
        http_port: int,
        https_port: int | None,
        drain_limit: float,
        say: Callable[[str], None],
    ) -> None:
        self._store = store
        self._haproxy = haproxy
        self._presence = presence
        self._doors = doors
        self._map_file = map_file
        self._place = Gateway(
            applied=0, address=address, http_port=http_port, https_port=https_port
        )
        self._say = say
        self._items: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._table = Table()
        self._drain = Drain(drain_limit, haproxy.open_streams)
        self._revision = 0  # of the last change that is in `wanted`; 0: none was read yet
        self._is_etcd_away = False
        self._is_in_step = False  # HAProxy's map is `wanted`
        self._is_file_old = False
        self._is_key_old = False
        self._pid: int | None = None
        self._away_since = time.monotonic()

    def run(self, stop: threading.Event) -> None:
        """Follow until `stop` is set (or a signal interrupts)."""
        self._start(lambda: feed.follow(self._store, self._items.put, stop))
        self._start(lambda: watch_process(self._haproxy, self._items.put, stop))
        self._start(lambda: self._presence.run(stop))
        while not stop.is_set():
            self._take(self._next(self._pause()))
            self._take_more()
            self._settle()

    # -- taking what came ---------------------------------------------------------------

    def _start(self, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except BaseException as problem:  # handed to the main thread
                self._items.put(Broken(problem=problem))

        threading.Thread(target=guarded, daemon=True).start()

    def _next(self, pause: float) -> Item | None:
        try:
            return self._items.get(timeout=pause)
        except queue.Empty:
            return None

    def _pause(self) -> float:
        """Until something has to be looked at by itself."""
        drain = self._drain.pause()
        return LOOK_EVERY if drain is None else min(drain, LOOK_EVERY)

    def _take_more(self) -> None:
        """What else is there already: file and key are then written once for all of it."""
        until = time.monotonic() + SETTLE_LIMIT
        while time.monotonic() < until:
            try:
                self._take(self._items.get_nowait())
            except queue.Empty:
                return

    def _take(self, item: Item | None) -> None:
        match item:
            case feed.Snapshot():
                self._take_snapshot(item)
            case feed.Changes():
                self._take_changes(item)
            case feed.Lost():
                self._presence.follows(False)
                if not self._is_etcd_away:  # once, not with every try
                    self._say(f"etcd is away, serving what is known: {item.reason}")
                self._is_etcd_away = True
            case Attached():
                self._pid = item.pid
                self._drain.forget()
                self._put_in_step()
            case Detached():
                self._say("HAProxy has gone; waiting for it")
                self._pid, self._away_since, self._is_in_step = None, time.monotonic(), False
            case Broken():
                raise item.problem
            case None:
                pass

    # -- routes -------------------------------------------------------------------------

    def _take_snapshot(self, snapshot: feed.Snapshot) -> None:
        self._table.wanted = {
            host: value
            for host, record in snapshot.routes.items()
            if (value := self._value(host, record)) is not None
        }
        self._revision = snapshot.revision
        self._is_etcd_away = False
        self._is_file_old = self._is_key_old = True
        self._put_in_step()
        self._say(f"following {len(self._table.wanted)} routes from revision {snapshot.revision}")

    def _take_changes(self, changes: feed.Changes) -> None:
        self._revision = changes.revision
        if not changes.events:
            return
        self._is_file_old = self._is_key_old = True
        edits = (self._want(event) for event in changes.events)
        if not self._is_in_step or len(changes.events) > _BULK:
            deque(edits, maxlen=0)  # everything is handed over at once, see _settle
            self._is_in_step = False
            return
        try:
            for edit in edits:  # one by one: an edit depends on what was done before it
                if edit is not None:
                    self._do(edit)
        except ServiceError as problem:
            self._is_in_step = False
            self._say(f"HAProxy did not take a change: {problem}")

    def _want(self, event: Event) -> table.Edit | None:
        host = event.kv.key.removeprefix(self._store.keys.route())
        value = self._value(host, event.kv.value) if event.kind == "put" else None
        return self._table.want(host, value)

    def _value(self, host: str, record: str) -> str | None:
        """What the map should say for `host`; None, with a word about it, when that is refused."""
        try:
            return targets.value(host, record, self._doors)
        except targets.Refused as refusal:
            self._say(f"route of {host!r} is refused: {refusal}")
            return None

    # -- HAProxy ------------------------------------------------------------------------

    def _do(self, edit: table.Edit) -> None:
        if edit.kind == "add":
            self._haproxy.add(edit.host, edit.value)
        elif edit.kind == "set":
            self._haproxy.change(edit.host, edit.value)
        else:
            self._haproxy.delete(edit.host)
        left = self._table.done(edit)
        if edit.kind != "delete":
            self._drain.routed_again(edit.value)
        if left:
            self._drain.left([left])

    def _put_in_step(self) -> None:
        """Hand over all routes at once, if there are both a HAProxy and routes."""
        if self._pid is None or self._revision == 0:
            return
        try:
            self._haproxy.replace(self._table.wanted)
            busy = self._haproxy.busy_targets()  # we may have been away while a route moved
        except ServiceError as problem:
            self._is_in_step = False
            self._say(f"HAProxy did not take the routes: {problem}")
            return
        left = self._table.replaced()
        for target in self._drain.targets:
            if self._table.is_routed(target):
                self._drain.routed_again(target)
        self._drain.left(left | {target for target in busy if not self._table.is_routed(target)})
        self._is_in_step = True
        self._is_key_old = True

    # -- file and key -------------------------------------------------------------------

    def _settle(self) -> None:
        """Make what was done last, and known."""
        if not self._is_in_step:
            self._put_in_step()
        self._look_at_drain()
        if self._is_file_old:
            self._write_file()
        if self._is_key_old and self._is_in_step:
            self._publish()
        if self._pid is None and time.monotonic() - self._away_since > AWAY_LIMIT:
            self._presence.withdraw()

    def _look_at_drain(self) -> None:
        try:
            if self._drain.look():
                self._is_key_old = True
        except ServiceError:
            pass  # HAProxy has gone; the sentinel tells

    def _write_file(self) -> None:
        self._is_file_old = False
        try:
            mapfile.write(self._map_file, table.text(self._table.wanted))
            self._presence.follows(True)
        except OSError as problem:
            self._say(f"cannot write {self._map_file}: {problem}")
            self._presence.follows(False)

    def _publish(self) -> None:
        self._is_key_old = False
        self._presence.publish(
            self._place.model_copy(
                update={"applied": self._revision, "draining": self._drain.targets}
            )
        )


def watch_process(
    haproxy: HAProxy, emit: Callable[[Attached | Detached], None], stop: threading.Event
) -> None:
    """The sentinel: tells when HAProxy answers, and when it has gone. Its end is the end of a
    connection that is held to it. A reload is no end: another process takes over, with the map of
    the file, while the old one waits for us to let go; hence a look every now and then."""
    while not stop.is_set():
        with suppress(ServiceError), haproxy.attach() as connection:
            process = haproxy.process()
            emit(Attached(pid=process[0]))
            with suppress(ServiceError):  # refuses new connections: it is about to stop
                while not haproxy.has_ended(connection, within=LOOK_EVERY):
                    if stop.is_set() or haproxy.process() != process:
                        break
            emit(Detached())
        stop.wait(_RETRY)
