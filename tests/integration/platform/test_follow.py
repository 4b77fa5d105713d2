"""`pydeploy gateway` between a real etcd and a real HAProxy, as the site runs them."""

from __future__ import annotations

import http.server
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pydeploy.clients.etcd import Etcd
from pydeploy.errors import ServiceError
from pydeploy.state.keys import Keys
from pydeploy.state.records import Gateway, Route, RouteState
from tests.integration.platform.parts import (
    Answer,
    Parts,
    get,
    running,
    serving,
    site_ports,
    wait_until,
)

HOST = "10020.deploy.localhost"
DRAIN = 3  # seconds, in site.yml below


@dataclass(frozen=True, kw_only=True)
class Site:
    parts: Parts
    etcd: Etcd
    keys: Keys
    http_port: int

    def put(self, port: int, host: str = HOST, *, address: str = "127.0.0.1") -> int:
        route = Route(environment="10020", address=address, port=port)
        return self.etcd.put(self.keys.route(host), route.text())

    def say(self, state: RouteState, host: str = HOST) -> int:
        return self.etcd.put(self.keys.route(host), Route(environment="10020", state=state).text())

    def get(self, host: str = HOST) -> Answer:
        return get(self.http_port, host)

    def answers(self, text: str, host: str = HOST) -> bool:
        try:
            return self.get(host).body == text
        except OSError:
            return False

    def gateways(self) -> list[Gateway]:
        return [Gateway.read(kv.value) for kv in self.etcd.range(self.keys.gateway()).kvs]

    def gateway(self) -> Gateway:
        (only,) = self.gateways()
        return only

    def wait_applied(self, revision: int) -> None:
        wait_until(lambda: any(g.applied >= revision for g in self.gateways()))

    def pid(self, service: str) -> int:
        argv = ["docker", "inspect", "-f", "{{.State.Pid}}", self.parts.container(service)]
        return int(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    ports = site_ports()
    file = tmp_path_factory.mktemp("site") / "site.yml"
    file.write_text(
        f"etcd: {{endpoints: ['http://127.0.0.1:{ports['PYDEPLOY_ETCD_CLIENT_PORT']}']}}\n"
        "engines: {local: {ports: 1024-65535}}\n"  # so that servers of this test are let in
        f"gateway: {{drain: {DRAIN}s}}\n"
    )
    with running("etcd", "gateway", "gateway-sync", PYDEPLOY_SITE_FILE=str(file), **ports) as parts:
        yield Site(
            parts=parts,
            etcd=Etcd([f"http://127.0.0.1:{ports['PYDEPLOY_ETCD_CLIENT_PORT']}"]),
            keys=Keys("/pydeploy/v1"),
            http_port=int(ports["PYDEPLOY_GATEWAY_HTTP_PORT"]),
        )


@pytest.fixture(autouse=True)
def no_routes(site: Site) -> Iterator[None]:
    yield
    site.etcd.delete_prefix(site.keys.route())


class Named(http.server.BaseHTTPRequestHandler):
    """Says its port; `/wait` holds the request open until the client goes."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = str(self.server.server_port).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) + (self.path == "/wait")))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def one() -> Iterator[int]:
    with serving(Named) as port:
        yield port


@pytest.fixture
def other() -> Iterator[int]:
    with serving(Named) as port:
        yield port


@contextmanager
def open_request(site: Site) -> Iterator[None]:
    """A request whose answer does not end."""
    with socket.create_connection(("127.0.0.1", site.http_port), timeout=5) as connection:
        connection.sendall(f"GET /wait HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        assert connection.recv(64).startswith(b"HTTP/1.1 200")
        yield


def test_a_route_is_followed_through_its_life(site: Site, one: int, other: int) -> None:
    site.wait_applied(site.say("starting"))
    assert site.get().status == 503
    site.wait_applied(site.put(one))
    assert site.get().body == str(one)
    site.wait_applied(site.put(other))
    assert site.get().body == str(other)
    site.wait_applied(site.say("removed"))
    assert site.get().status == 410
    site.wait_applied(site.etcd.delete(site.keys.route(HOST)))
    assert site.get().status == 404


def test_applied_is_published_with_where_it_is(site: Site, one: int) -> None:
    """Deploy takes the URL's port from there."""
    revision = site.put(one)
    site.wait_applied(revision)
    gateway = site.gateway()
    assert (gateway.address, gateway.http_port) == ("127.0.0.1", site.http_port)
    assert gateway.https_port is None


@pytest.mark.parametrize(("address", "port"), [("127.0.0.1", 443), ("192.0.2.1", 20000)])
def test_a_target_that_is_no_engines_is_not_routed(site: Site, address: str, port: int) -> None:
    site.wait_applied(site.put(port, address=address))
    assert site.get().status == 404


def test_a_route_that_becomes_inadmissible_goes(site: Site, one: int) -> None:
    site.wait_applied(site.put(one))
    site.wait_applied(site.put(443))
    assert site.get().status == 404


def test_many_changes_at_once(site: Site) -> None:
    hosts = [f"{n}.deploy.localhost" for n in range(300)]
    revision = 0
    for host in hosts:
        revision = site.say("failed", host)
    site.wait_applied(revision)
    assert {site.get(host).status for host in hosts} == {502}
    revision = site.etcd.delete_prefix(site.keys.route()) and site.say("failed")
    site.wait_applied(revision)
    assert {site.get(host).status for host in hosts} == {404}


def test_an_old_target_drains_until_its_requests_end(site: Site, one: int, other: int) -> None:
    """And is named as draining by the very state that says the switch is applied."""
    site.wait_applied(site.put(one))
    with open_request(site):
        site.wait_applied(site.put(other))
        assert site.gateway().draining == (f"127.0.0.1:{one}",)
        assert site.get().body == str(other)
    wait_until(lambda: site.gateway().draining == (), limit=1)


def test_an_idle_old_target_is_drained_at_once(site: Site, one: int, other: int) -> None:
    site.wait_applied(site.put(one))
    site.get()
    started = time.monotonic()
    site.wait_applied(site.put(other))
    wait_until(lambda: site.gateway().draining == ())
    assert time.monotonic() - started < 0.5


def test_draining_ends_after_the_time_of_the_site(site: Site, one: int, other: int) -> None:
    site.wait_applied(site.put(one))
    with open_request(site):
        site.wait_applied(site.put(other))
        started = time.monotonic()
        wait_until(lambda: site.gateway().draining == ())
        assert DRAIN - 0.5 < time.monotonic() - started < DRAIN + 1


def test_a_restarted_follower_still_knows_what_drains(site: Site, one: int, other: int) -> None:
    """It asks HAProxy, which has been there all the time."""
    site.wait_applied(site.put(one))
    with open_request(site):
        site.parts.compose("stop", "--timeout", "5", "gateway-sync")
        revision = site.put(other)
        site.parts.compose("start", "gateway-sync")
        site.wait_applied(revision)
        assert site.gateway().draining == (f"127.0.0.1:{one}",)


def test_a_killed_follower_comes_back(site: Site, one: int, other: int) -> None:
    """HAProxy serves meanwhile, and does not notice."""
    site.wait_applied(site.put(one))
    os.kill(site.pid("gateway-sync"), signal.SIGKILL)
    assert site.answers(str(one))
    site.wait_applied(site.put(other))
    assert site.answers(str(other))


def test_a_killed_haproxy_comes_back_with_all_routes(site: Site, one: int, other: int) -> None:
    """Also with those that changed while it was away."""
    site.wait_applied(site.put(one))
    os.kill(site.pid("gateway"), signal.SIGKILL)
    revision = site.put(other)
    wait_until(lambda: site.answers(str(other)))
    site.wait_applied(revision)


def test_a_haproxy_that_starts_while_etcd_is_away_serves_what_was_known(
    site: Site, one: int
) -> None:
    site.wait_applied(site.put(one))
    site.parts.compose("stop", "etcd")
    try:
        assert site.answers(str(one))
        os.kill(site.pid("gateway"), signal.SIGKILL)
        wait_until(lambda: site.answers(str(one)), limit=20)
    finally:
        site.parts.compose("up", "--detach", "--no-build", "--wait", "etcd")


def test_changes_are_followed_again_after_etcd_was_away(site: Site, one: int, other: int) -> None:
    site.wait_applied(site.put(one))
    site.parts.compose("restart", "etcd")
    wait_until(lambda: _is_up(site.etcd))
    site.wait_applied(site.put(other))
    assert site.answers(str(other))


def _is_up(etcd: Etcd) -> bool:
    try:
        return bool(etcd.status())
    except ServiceError:
        return False


def test_a_compaction_in_between_loses_nothing(site: Site, one: int, other: int) -> None:
    """The follower is away while its revision is compacted: it reads everything anew."""
    site.wait_applied(site.put(one))
    site.parts.compose("stop", "gateway-sync")
    for _ in range(3):
        site.say("starting")
    revision = site.put(other)
    site.etcd.call("kv/compaction", {"revision": str(revision), "physical": True})
    site.parts.compose("start", "gateway-sync")
    site.wait_applied(revision)
    assert site.answers(str(other))


def test_a_follower_that_slept_is_not_taken_for_alive(site: Site, one: int) -> None:
    """SIGSTOP beyond the lease: its key goes; woken, it applies what it missed, then says so."""
    site.wait_applied(site.say("starting"))
    pid = site.pid("gateway-sync")
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: site.gateways() == [], limit=20)
        revision = site.put(one)
    finally:
        os.kill(pid, signal.SIGCONT)
    site.wait_applied(revision)
    assert site.answers(str(one))


def test_a_gateway_without_haproxy_is_not_waited_for(site: Site) -> None:
    site.wait_applied(site.say("starting"))
    site.parts.compose("stop", "gateway")
    try:
        wait_until(lambda: site.gateways() == [], limit=15)
    finally:
        site.parts.compose("up", "--detach", "--no-build", "--wait", "gateway")
    wait_until(lambda: len(site.gateways()) == 1)


def test_a_reloaded_haproxy_gets_later_changes(site: Site, one: int, other: int) -> None:
    """After SIGUSR2 another process has the socket, and the old one lives on for a while."""
    site.wait_applied(site.put(one))
    with open_request(site):
        argv = ["docker", "kill", "--signal", "USR2", site.parts.container("gateway")]
        subprocess.run(argv, check=True, capture_output=True)
        time.sleep(0.5)
        site.wait_applied(site.put(other))
        wait_until(lambda: site.answers(str(other)), limit=5)


def test_it_runs_as_an_ordinary_user_with_little(site: Site) -> None:
    argv = ["docker", "inspect", site.parts.container("gateway-sync")]
    (found,) = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
    assert found["Config"]["User"] == "gateway"
    assert found["HostConfig"]["ReadonlyRootfs"]
    assert found["HostConfig"]["CapDrop"] == ["ALL"]
    status = Path(f"/proc/{found['State']['Pid']}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    assert "CapEff:\t0000000000000000" in status
