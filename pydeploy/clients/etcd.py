"""etcd v3 over its JSON gateway: a thin client with transactions, leases and watches that end.

Wire facts (etcd 3.5 API reference, "gRPC gateway"): keys and values are base64; 64-bit numbers
are strings; absent fields are zero, so `succeeded` is missing when a transaction was refused;
a watch is one POST whose response never ends, one JSON object a line.

Every failure to get an answer is a ServiceError.  A request that was sent and got no answer is
not repeated: it may have been carried out.  Another endpoint is tried only when none was sent.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import urllib3

from pydeploy.errors import ServiceError

Op = dict[str, Any]
Compare = dict[str, Any]
Target = Literal["CREATE", "MOD", "VERSION"]
_FIELD = {"CREATE": "create_revision", "MOD": "mod_revision", "VERSION": "version"}
_HINT = "see that etcd runs and is reachable: `pydeploy doctor`"
# A host that vanished without a word is noticed within half a minute, also by a silent watch.
_KEEP_ALIVE = [
    *urllib3.connection.HTTPConnection.default_socket_options,
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
]
WATCH_SILENCE = 600.0  # etcd sends a progress notice at least every 10 minutes when asked


@dataclass(frozen=True, kw_only=True)
class KeyValue:
    key: str
    value: str
    create_revision: int
    mod_revision: int
    lease: int


@dataclass(frozen=True, kw_only=True)
class Range:
    """Keys at one moment; `revision` is the store's, so a watch goes on at `revision + 1`."""

    kvs: tuple[KeyValue, ...]
    revision: int


@dataclass(frozen=True, kw_only=True)
class TxnResult:
    succeeded: bool
    revision: int
    ranges: tuple[tuple[KeyValue, ...], ...]  # one per `fetch` operation of the branch taken


@dataclass(frozen=True, kw_only=True)
class Event:
    kind: Literal["put", "delete"]
    kv: KeyValue  # for a delete: the key, an empty value, and the revision of the deletion


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Events up to and including `revision`."""

    revision: int
    events: tuple[Event, ...]


class WatchLost(Exception):
    """The watch ended (reconnect, compaction, cancel): read the range again, then watch anew."""


class Compacted(WatchLost):
    """What happened since the revision that was asked for is not known any more."""


def equal(key: str, target: Target, number: int) -> Compare:
    """A condition: `equal(k, "CREATE", 0)` holds when `k` does not exist."""
    return {"key": _encode(key), "target": target, "result": "EQUAL", _FIELD[target]: str(number)}


def put(key: str, value: str, *, lease: int = 0) -> Op:
    return {"request_put": {"key": _encode(key), "value": _encode(value), "lease": str(lease)}}


def delete(key: str) -> Op:
    return {"request_delete_range": {"key": _encode(key)}}


def fetch(key: str) -> Op:
    return {"request_range": {"key": _encode(key)}}


class Etcd:
    """One client; safe to share between threads."""

    def __init__(
        self,
        endpoints: Sequence[str],
        *,
        timeout: float = 5.0,
        username: str | None = None,
        password: str | None = None,
        ca: Path | None = None,
        cert: Path | None = None,
        key: Path | None = None,
    ) -> None:
        self.endpoints = tuple(endpoint.rstrip("/") for endpoint in endpoints)
        self._timeout = urllib3.Timeout(connect=min(timeout, 2.0), read=timeout)
        self._pool = urllib3.PoolManager(
            maxsize=16,
            socket_options=_KEEP_ALIVE,
            retries=False,
            ca_certs=str(ca) if ca else None,
            cert_file=str(cert) if cert else None,
            key_file=str(key) if key else None,
        )
        self._login = {"name": username, "password": password} if username else None
        self._token: str | None = None

    # -- keys ---------------------------------------------------------------------------

    def get(self, key: str) -> KeyValue | None:
        found = self.call("kv/range", {"key": _encode(key)}).get("kvs", [])
        return _key_value(found[0]) if found else None

    def range(self, prefix: str, *, revision: int = 0, since: int = 0) -> Range:
        """All keys below `prefix`, sorted by key; only those written at or after `since`."""
        body = {"key": _encode(prefix), "range_end": _prefix_end(prefix), "revision": str(revision)}
        answer = self.call("kv/range", body | {"min_mod_revision": str(since)})
        return Range(
            kvs=tuple(_key_value(kv) for kv in answer.get("kvs", [])), revision=_revision(answer)
        )

    def first(self, prefix: str) -> KeyValue | None:
        """The first key below `prefix`."""
        body = {"key": _encode(prefix), "range_end": _prefix_end(prefix), "limit": "1"}
        found = self.call("kv/range", body).get("kvs", [])
        return _key_value(found[0]) if found else None

    def last(
        self, prefix: str, *, start: str = "", before: str = "", limit: int, revision: int = 0
    ) -> tuple[KeyValue, ...]:
        """The last `limit` keys below `prefix`, from the last one on.

        etcd reads and sorts the whole range for it: where there are many, bound it by `start`
        and by `before` (both keys; `before` itself is not in it).
        """
        body = {
            "key": _encode(start or prefix),
            "range_end": _encode(before) if before else _prefix_end(prefix),
            "limit": str(limit),
            "revision": str(revision),
            "sort_order": "DESCEND",
            "sort_target": "KEY",
        }
        return tuple(_key_value(kv) for kv in self.call("kv/range", body).get("kvs", []))

    def put(self, key: str, value: str, *, lease: int = 0) -> int:
        """The revision of the write."""
        return _revision(self.call("kv/put", put(key, value, lease=lease)["request_put"]))

    def delete(self, key: str) -> int:
        """The revision of the deletion."""
        return _revision(self.call("kv/deleterange", {"key": _encode(key)}))

    def delete_prefix(self, prefix: str) -> int:
        """How many keys went."""
        body = {"key": _encode(prefix), "range_end": _prefix_end(prefix)}
        return int(self.call("kv/deleterange", body).get("deleted", 0))

    def txn(
        self, compare: Sequence[Compare], success: Sequence[Op], failure: Sequence[Op] = ()
    ) -> TxnResult:
        """All of `success` if every condition holds, else all of `failure`; one revision."""
        body = {"compare": list(compare), "success": list(success), "failure": list(failure)}
        answer = self.call("kv/txn", body)
        return TxnResult(
            succeeded=bool(answer.get("succeeded", False)),
            revision=_revision(answer),
            ranges=tuple(
                tuple(_key_value(kv) for kv in response["response_range"].get("kvs", []))
                for response in answer.get("responses", [])
                if "response_range" in response
            ),
        )

    # -- leases -------------------------------------------------------------------------

    def grant(self, ttl: int) -> int:
        """A new lease that lives `ttl` seconds unless kept alive."""
        return int(self.call("lease/grant", {"TTL": str(ttl)})["ID"])

    def keep_alive(self, lease: int) -> int:
        """The seconds left now; 0 when the lease is gone."""
        answer = self.call("lease/keepalive", {"ID": str(lease)})
        return int(answer.get("result", {}).get("TTL", 0))

    def revoke(self, lease: int) -> None:
        self.call("lease/revoke", {"ID": str(lease)})

    # -- watching -----------------------------------------------------------------------

    def watch(
        self, prefix: str, *, after: int, single: bool = False, stop: threading.Event | None = None
    ) -> Iterator[Batch]:
        """Batches of events after revision `after`, below `prefix` (or of that one key).

        Blocks between events.  Raises WatchLost when it can no longer be relied on; ends
        quietly within a second once `stop` is set.  Batches without events are progress notices.
        """
        request: dict[str, Any] = {
            "key": _encode(prefix),
            "start_revision": str(after + 1),
            "progress_notify": True,
        }
        if not single:
            request["range_end"] = _prefix_end(prefix)
        response = self._send("watch", {"create_request": request}, stream=True)
        if response.status != 200:
            response.close()
            raise WatchLost(f"etcd refused the watch: HTTP {response.status}")
        closer = _close_when(stop, response) if stop else None
        try:
            for line in _lines(response):
                yield from _batches(line)
            if not (stop and stop.is_set()):
                raise WatchLost("the stream ended")
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as problem:
            if not (stop and stop.is_set()):
                raise WatchLost(str(problem)) from problem
        except WatchLost:
            self._token = None  # it may be too old, which a watch is told in words only
            raise
        finally:
            response.close()
            if closer:
                closer.set()

    # -- the rest -----------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """Version, database size and alarms, as maintenance/status gives them."""
        return self.call("maintenance/status", {})

    def alarms(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("maintenance/alarm", {"action": "GET"}).get(
            "alarms", []
        )
        return found

    def call(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        """One request and its JSON answer; ServiceError when there is none."""
        for attempt in (1, 2):
            response = self._send(method, body)
            if response.status == 401 and self._login and attempt == 1:
                self._token = None  # expired: log in again, once
                continue
            break
        try:
            answer: dict[str, Any] = json.loads(response.data)
        except ValueError as problem:
            raise _no_answer(method, f"not JSON (HTTP {response.status})") from problem
        if not isinstance(answer, dict):
            raise _no_answer(method, "what answers there is not etcd")
        if response.status != 200:
            reason = answer.get("message") or answer.get("error") or f"HTTP {response.status}"
            raise _no_answer(method, str(reason))
        if not answer.keys() & {"header", "result"}:
            raise _no_answer(method, "what answers there is not etcd")
        return answer

    def _send(
        self, method: str, body: dict[str, Any], *, stream: bool = False
    ) -> urllib3.BaseHTTPResponse:
        if self._login and self._token is None and method != "auth/authenticate":
            self._token = str(self.call("auth/authenticate", self._login)["token"])
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = self._token
        timeout = (
            urllib3.Timeout(connect=2.0, read=WATCH_SILENCE * 1.5) if stream else self._timeout
        )
        problem: Exception | None = None
        for endpoint in self.endpoints:
            try:
                return self._pool.request(
                    "POST",
                    f"{endpoint}/v3/{method}",
                    body=json.dumps(body),
                    headers=headers,
                    timeout=timeout,
                    preload_content=not stream,
                )
            except (
                urllib3.exceptions.NewConnectionError,
                urllib3.exceptions.ConnectTimeoutError,
                urllib3.exceptions.NameResolutionError,
            ) as error:
                problem = error  # nothing was sent: the next endpoint may be asked
            except urllib3.exceptions.HTTPError as error:
                raise _no_answer(method, f"{type(error).__name__} from {endpoint}") from error
        raise ServiceError(
            f"etcd does not answer at {', '.join(self.endpoints)}", service="etcd", hint=_HINT
        ) from problem


def _no_answer(method: str, reason: str) -> ServiceError:
    return ServiceError(f"etcd: {method}: {reason}", service="etcd", hint=_HINT)


def _close_when(stop: threading.Event, response: urllib3.BaseHTTPResponse) -> threading.Event:
    """Shut the stream when `stop` is set; returns an event that ends the waiting."""
    done = threading.Event()

    def wait() -> None:
        while not done.is_set():
            if stop.wait(0.2):
                with suppress(ValueError, OSError):  # it has ended by itself
                    response.shutdown()  # wakes the reader, which close() would not
                return

    threading.Thread(target=wait, daemon=True).start()
    return done


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    """Whole lines of a chunked response, as they come."""
    rest = b""
    for chunk in response.read_chunked():
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines


def _batches(line: bytes) -> Iterator[Batch]:
    if not line.strip():
        return
    message = json.loads(line)
    if not isinstance(message, dict):
        raise WatchLost("what answers there is not etcd")
    result = message.get("result")
    if result is None:
        raise WatchLost(str(message.get("error")))
    if "compact_revision" in result:
        raise Compacted(f"compacted up to revision {result['compact_revision']}")
    if result.get("canceled"):
        raise WatchLost(str(result.get("cancel_reason") or "cancelled"))
    if result.get("created"):
        return
    events = tuple(_event(event) for event in result.get("events", []))
    # The header tells the store's revision, which may be ahead of events that are still to come.
    revision = events[-1].kv.mod_revision if events else _revision(result)
    yield Batch(revision=revision, events=events)


def _event(event: dict[str, Any]) -> Event:
    return Event(
        kind="delete" if event.get("type") == "DELETE" else "put", kv=_key_value(event["kv"])
    )


def _key_value(kv: dict[str, Any]) -> KeyValue:
    return KeyValue(
        key=_decode(kv["key"]),
        value=_decode(kv.get("value", "")),
        create_revision=int(kv.get("create_revision", 0)),
        mod_revision=int(kv.get("mod_revision", 0)),
        lease=int(kv.get("lease", 0)),
    )


def _revision(answer: dict[str, Any]) -> int:
    return int(answer["header"]["revision"])


def _encode(text: str) -> str:
    return base64.b64encode(text.encode(errors="surrogateescape")).decode()


def _decode(text: str) -> str:
    return base64.b64decode(text).decode("utf-8", "replace")


def _prefix_end(prefix: str) -> str:
    """The first key after all that begin with `prefix`: its last byte raised by one."""
    raw = bytearray(prefix.encode())
    raw[-1] += 1  # prefixes are ASCII and end in '/' or a letter: never 0xff
    return base64.b64encode(bytes(raw)).decode()
