"""How long from an etcd put until HAProxy routes by it, with many routes present.

    python bench/gateway_latency.py [--routes 10000] [--changes 500] [--json]

Starts etcd, the gateway and gateway-sync of platform/ on free ports, fills in the routes, then
changes routes one at a time. After each put, two things are waited for: that a raw watch on the
same etcd sees it (what any follower has to pay), and that a request through the gateway gets the
new answer. The numbers to look at are put → routed, and its ratio to the raw watch.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from pydeploy.clients.etcd import Etcd
from pydeploy.state.keys import Keys
from pydeploy.state.records import Route
from tests.integration.platform.parts import Parts, free_port, running

DOMAIN = "deploy.localhost"
PAUSE = 0.02  # seconds between changes: one is measured, not a queue of them
LIMITS = {"median": 5.0, "p99": 25.0, "memory": 80.0}  # ms, ms, MB


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        ports = {name: free_port() for name in ("etcd", "peer", "http")}
        site = Path(folder, "site.yml")
        site.write_text(f"etcd:\n  endpoints: [http://127.0.0.1:{ports['etcd']}]\n")
        site.chmod(0o644)
        with running(
            "etcd",
            "gateway",
            "gateway-sync",
            PYDEPLOY_ETCD_CLIENT_PORT=str(ports["etcd"]),
            PYDEPLOY_ETCD_PEER_PORT=str(ports["peer"]),
            PYDEPLOY_GATEWAY_BIND="127.0.0.1",
            PYDEPLOY_GATEWAY_HTTP_PORT=str(ports["http"]),
            PYDEPLOY_SITE_FILE=str(site),
        ) as parts:
            etcd = Etcd([f"http://127.0.0.1:{ports['etcd']}"])
            result = measure(parts, etcd, ports["http"], options.routes, options.changes)
    report(result, as_json=options.json)
    sys.exit(any(result[name] > limit for name, limit in LIMITS.items()))


def measure(
    parts: Parts, etcd: Etcd, http_port: int, routes: int, changes: int
) -> dict[str, float]:
    keys = Keys("/pydeploy/v1")
    fill(etcd, keys, routes)
    door = Door(http_port)
    door.wait_for(f"{routes - 1}.{DOMAIN}", 410, limit=60)
    raw: list[float] = []
    routed: list[float] = []
    watcher = RawWatch(etcd, keys)
    for number in range(changes):
        time.sleep(PAUSE)
        # One after another all over the map: set and delete scan it.
        host = f"{number * 7919 % routes}.{DOMAIN}"
        state, status = (("failed", 502), ("removed", 410))[number // routes % 2]
        record = Route(environment="bench", state=state).text()
        started = time.perf_counter()
        revision = etcd.put(keys.route(host), record)
        routed.append((door.wait_for(host, status) - started) * 1e3)
        raw.append((watcher.seen_at(revision) - started) * 1e3)
    watcher.stop.set()
    routed.sort()
    return {
        "routes": routes,
        "changes": changes,
        "median": statistics.median(routed),
        "p99": routed[int(len(routed) * 0.99)],
        "raw": statistics.median(raw),
        "ratio": statistics.median(routed) / statistics.median(raw),
        "memory": resident(parts.container("gateway-sync")),
    }


def fill(etcd: Etcd, keys: Keys, routes: int) -> None:
    record = Route(environment="bench", state="removed").text()
    from pydeploy.clients import etcd as ops

    for first in range(0, routes, 500):
        hosts = [f"{n}.{DOMAIN}" for n in range(first, min(first + 500, routes))]
        etcd.txn([], [ops.put(keys.route(host), record) for host in hosts])


class Door:
    """One kept-alive connection to the gateway."""

    def __init__(self, port: int) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port))
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def wait_for(self, host: str, status: int, *, limit: float = 10.0) -> float:
        """When the first request was sent that got `status`."""
        until = time.monotonic() + limit
        while time.monotonic() < until:
            if self._status(host) == status:
                return time.perf_counter()
        raise SystemExit(f"{host} did not answer {status} within {limit:g} s")

    def _status(self, host: str) -> int:
        self._connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        head, _, body = self._connection.recv(65536).partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += self._connection.recv(65536)
        return int(head[9:12])


class RawWatch:
    """A watch on the same keys that does nothing but note when a revision came."""

    def __init__(self, etcd: Etcd, keys: Keys) -> None:
        self.stop = threading.Event()
        self._seen: dict[int, float] = {}
        self._news = threading.Condition()
        revision = etcd.range(keys.lock()).revision
        batches = etcd.watch(keys.route(), after=revision, stop=self.stop)
        self._run(lambda: [self._note(e.kv.mod_revision) for b in batches for e in b.events])

    def seen_at(self, revision: int) -> float:
        with self._news:
            self._news.wait_for(lambda: revision in self._seen, timeout=10)
            return self._seen.pop(revision)

    def _note(self, revision: int) -> None:
        with self._news:
            self._seen[revision] = time.perf_counter()
            self._news.notify()

    def _run(self, work: Callable[[], object]) -> None:
        threading.Thread(target=work, daemon=True).start()


def resident(container: str) -> float:
    """MB of resident memory of the container's first process."""
    argv = ["docker", "inspect", "-f", "{{.State.Pid}}", container]
    pid = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def report(result: dict[str, float], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(result))
        return
    print(f"{result['routes']:g} routes, {result['changes']:g} changes")
    print(f"put → routed   median {result['median']:.2f} ms   p99 {result['p99']:.2f} ms")
    print(f"put → watched  median {result['raw']:.2f} ms   ratio {result['ratio']:.2f}")
    print(f"gateway-sync   {result['memory']:.0f} MB resident")


def _options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--routes", type=int, default=10_000)
    parser.add_argument("--changes", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
