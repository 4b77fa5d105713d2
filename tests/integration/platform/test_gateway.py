"""The gateway as HAProxy runs it: what it answers, and what reaches an environment."""

from __future__ import annotations

import base64
import hashlib
import http.client
import http.server
import json
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import pytest

from tests.integration.platform.parts import Parts, free_port, get, running, serving, wait_until

MAP = "/var/lib/pydeploy/gateway/routes.map"


@dataclass(frozen=True, kw_only=True)
class Gateway:
    parts: Parts
    http_port: int
    https_port: int
    certificate: Path

    def tell(self, command: str) -> str:
        """One command to HAProxy's runtime API."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.parts.volume("gateway") / "admin.sock"))
            connection.sendall(command.encode() + b"\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        return answer.decode().strip()

    @contextmanager
    def route(self, host: str, value: str) -> Iterator[None]:
        assert self.tell(f"add map {MAP} {host} {value}") == ""
        try:
            yield
        finally:
            self.tell(f"del map {MAP} {host}")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("certificate")
    certificate = folder / "wildcard.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=test", "-addext", "subjectAltName=DNS:*.deploy.deepin.test",
         "-keyout", str(folder / "key"), "-out", str(folder / "cert")],
        check=True, capture_output=True,
    )  # fmt: skip
    certificate.write_text((folder / "cert").read_text() + (folder / "key").read_text())
    certificate.chmod(0o600)
    http_port, https_port = free_port(), free_port()
    with running(
        "gateway",
        PYDEPLOY_GATEWAY_BIND="127.0.0.1",
        PYDEPLOY_GATEWAY_HTTP_PORT=str(http_port),
        PYDEPLOY_GATEWAY_HTTPS_PORT=str(https_port),
        PYDEPLOY_GATEWAY_CERTIFICATE=str(certificate),
        PYDEPLOY_GATEWAY_WAIT="0",
    ) as parts:
        yield Gateway(
            parts=parts, http_port=http_port, https_port=https_port, certificate=certificate
        )


class Echo(http.server.BaseHTTPRequestHandler):
    """Says which server it is and which headers it got; keeps connections open."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        seen = {name.lower(): value for name, value in self.headers.items()}
        count = len(self.headers.get_all("X-Forwarded-For") or [])
        address = self.client_address
        body = json.dumps(
            {"server": self.server.server_port, "headers": seen, "path": self.path,
             "forwarded_for": count, "connection": f"{address[0]}:{address[1]}"}
        ).encode()  # fmt: skip
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    with serving(Echo) as port:
        yield port


@pytest.mark.parametrize(
    ("value", "status", "text"),
    [
        ("starting", 503, "is starting"),
        ("failed", 502, "did not start"),
        ("removed", 410, "was removed"),
    ],
)
def test_a_host_without_a_running_environment_gets_a_page(
    gateway: Gateway, value: str, status: int, text: str
) -> None:
    """Each state has its status and a page that names the host and is never kept."""
    with gateway.route("10020.deploy.deepin.test", value):
        answer = get(gateway.http_port, "10020.deploy.deepin.test")
    assert answer.status == status
    assert text in answer.body
    assert "10020.deploy.deepin.test" in answer.body
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_starting_asks_to_come_back(gateway: Gateway) -> None:
    """For programs by Retry-After, for people by a page that looks again."""
    with gateway.route("10020.deploy.deepin.test", "starting"):
        answer = get(gateway.http_port, "10020.deploy.deepin.test")
    assert answer.headers["retry-after"] == "2"
    assert '<meta http-equiv="refresh" content="2">' in answer.body


def test_an_unknown_host_is_404(gateway: Gateway) -> None:
    answer = get(gateway.http_port, "unknown.deploy.deepin.test")
    assert answer.status == 404
    assert "unknown.deploy.deepin.test" in answer.body
    assert answer.headers["cache-control"] == "no-store"


def test_an_environment_that_does_not_listen_is_503(gateway: Gateway) -> None:
    """At once, not after retries."""
    with gateway.route("10020.deploy.deepin.test", f"127.0.0.1:{free_port()}"):
        answer = get(gateway.http_port, "10020.deploy.deepin.test")
    assert answer.status == 503
    assert "does not answer" in answer.body
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "host",
    [
        "<script>alert(1)</script>",
        '"onload=alert(1)',
        "a b.deploy.deepin.test",
        "a_b.deploy.deepin.test",
        "-a.deploy.deepin.test",
        "..",
        "%[env(PATH)]",
        "[::1]",
        "ä.deploy.deepin.test".encode().decode("latin-1"),
        "x" * 300,
        "",
    ],
)
def test_what_is_no_host_name_is_not_echoed(gateway: Gateway, host: str) -> None:
    """The Host header is untrusted: it never becomes markup, nor a key of the map."""
    answer = get(gateway.http_port, host)
    assert answer.status == 400
    if host:
        assert host not in answer.body
    assert "alert" not in answer.body


def test_host_is_looked_up_without_port_case_and_final_dot(gateway: Gateway, echo: int) -> None:
    with gateway.route("10020.deploy.deepin.test", f"127.0.0.1:{echo}"):
        for host in (
            "10020.deploy.deepin.test",
            "10020.Deploy.Deepin.TEST",
            f"10020.deploy.deepin.test:{gateway.http_port}",
            "10020.deploy.deepin.test.",
        ):
            assert get(gateway.http_port, host).status == 200, host


def test_forwarded_headers_are_ours(gateway: Gateway, echo: int) -> None:
    """What the client claims is dropped; what we saw is said once."""
    with gateway.route("10020.deploy.deepin.test", f"127.0.0.1:{echo}"):
        answer = get(
            gateway.http_port,
            "10020.deploy.deepin.test",
            X_Forwarded_For="6.6.6.6",
            X_Forwarded_Proto="https",
            X_Forwarded_Host="evil.test",
            X_Forwarded_Prefix="/evil",
            X_Real_IP="6.6.6.6",
            Forwarded="for=6.6.6.6",
        )
    seen = json.loads(answer.body)
    forwarded = {k: v for k, v in seen["headers"].items() if "forwarded" in k or "real" in k}
    assert forwarded == {
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-host": "10020.deploy.deepin.test",
        "x-forwarded-port": str(gateway.http_port),
        "x-forwarded-proto": "http",
    }
    assert seen["forwarded_for"] == 1


def test_one_connection_may_ask_for_many_environments(gateway: Gateway) -> None:
    """Idle connections to one environment are never used for another."""
    with serving(Echo) as one, serving(Echo) as other:
        hosts = {"1.deploy.deepin.test": one, "2.deploy.deepin.test": other}
        with (
            gateway.route("1.deploy.deepin.test", f"127.0.0.1:{one}"),
            gateway.route("2.deploy.deepin.test", f"127.0.0.1:{other}"),
        ):
            connection = http.client.HTTPConnection("127.0.0.1", gateway.http_port, timeout=5)
            for host, port in list(hosts.items()) * 50:
                connection.request("GET", "/", headers={"Host": host})
                assert json.loads(connection.getresponse().read())["server"] == port
            connection.close()


def test_a_route_that_moves_takes_open_client_connections_along(gateway: Gateway) -> None:
    """The next request of a kept-alive connection goes to the new address."""
    with (
        serving(Echo) as old,
        serving(Echo) as new,
        gateway.route("1.deploy.deepin.test", f"127.0.0.1:{old}"),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", gateway.http_port, timeout=5)
        for port in (old, new, old, new):
            gateway.tell(f"set map {MAP} 1.deploy.deepin.test 127.0.0.1:{port}")
            connection.request("GET", "/", headers={"Host": "1.deploy.deepin.test"})
            assert json.loads(connection.getresponse().read())["server"] == port
        connection.close()


class Impatient(Echo):
    """Closes each connection after its answer without having said so."""

    def do_GET(self) -> None:
        super().do_GET()
        self.close_connection = True


def test_a_connection_that_the_environment_closed_costs_no_request(gateway: Gateway) -> None:
    """Servers that close idle connections are common; nobody may see an error for it."""
    with (
        serving(Impatient) as port,
        gateway.route("1.deploy.deepin.test", f"127.0.0.1:{port}"),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", gateway.http_port, timeout=5)
        for _ in range(200):
            connection.request("GET", "/", headers={"Host": "1.deploy.deepin.test"})
            assert connection.getresponse().read()
        connection.close()


def _websocket(port: int, host: str) -> socket.socket:
    """Ask for an upgrade; the connection after the answer's headers."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=5)
    connection.sendall(
        f"GET /chat HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        assert byte, head
        head += byte
    assert head.startswith(b"HTTP/1.1 101"), head
    return connection


class Upgrading(Echo):
    """Accepts the upgrade, then sends back what it gets."""

    def do_GET(self) -> None:
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()  # noqa: S324 (RFC 6455)
        self.send_header("Sec-WebSocket-Accept", accept)
        self.end_headers()
        while data := self.connection.recv(1024):
            self.connection.sendall(data)
        self.close_connection = True


def test_websockets_pass_and_are_counted(gateway: Gateway) -> None:
    """An open WebSocket is what an old release has to be drained of."""
    with (
        serving(Upgrading) as port,
        gateway.route("1.deploy.deepin.test", f"127.0.0.1:{port}"),
    ):
        key = f"show table streams key 127.0.0.1:{port}"
        with _websocket(gateway.http_port, "1.deploy.deepin.test") as connection:
            connection.sendall(b"hello")
            assert connection.recv(16) == b"hello"
            assert "conn_cur=1" in gateway.tell(key)
        wait_until(lambda: "conn_cur=0" in gateway.tell(key))


def test_websockets_over_http2_pass(gateway: Gateway) -> None:
    """RFC 8441: what browsers do when the page came by HTTP/2."""
    context = ssl.create_default_context(cafile=str(gateway.certificate))
    context.set_alpn_protocols(["h2"])
    host = "1.deploy.deepin.test"
    with (
        serving(Upgrading) as port,
        gateway.route(host, f"127.0.0.1:{port}"),
        socket.create_connection(("127.0.0.1", gateway.https_port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=host) as connection,
    ):
        state = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        state.initiate_connection()
        connection.sendall(state.data_to_send())
        _h2_until(connection, state, h2.events.RemoteSettingsChanged)
        head = [
            (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"),
            (":path", "/chat"), (":authority", host), ("sec-websocket-version", "13"),
        ]  # fmt: skip
        state.send_headers(1, head)
        connection.sendall(state.data_to_send())
        (answer,) = _h2_until(connection, state, h2.events.ResponseReceived)
        assert dict(answer.headers)[":status"] == "200"
        state.send_data(1, b"hello")
        connection.sendall(state.data_to_send())
        (echoed,) = _h2_until(connection, state, h2.events.DataReceived)
        assert echoed.data == b"hello"


def _h2_until(
    connection: socket.socket, state: h2.connection.H2Connection, kind: type[h2.events.Event]
) -> list[h2.events.Event]:
    """Read until an event of that kind came; the events of that kind."""
    while True:
        found = [e for e in state.receive_data(connection.recv(65536)) if isinstance(e, kind)]
        connection.sendall(state.data_to_send())
        if found:
            return found


def test_a_finished_request_is_no_open_stream(gateway: Gateway, echo: int) -> None:
    """Kept-alive connections do not keep an old release from being drained."""
    with gateway.route("1.deploy.deepin.test", f"127.0.0.1:{echo}"):
        connection = http.client.HTTPConnection("127.0.0.1", gateway.http_port, timeout=5)
        connection.request("GET", "/", headers={"Host": "1.deploy.deepin.test"})
        connection.getresponse().read()
        wait_until(
            lambda: "conn_cur=0" in gateway.tell(f"show table streams key 127.0.0.1:{echo}"),
            limit=1,
        )
        connection.close()


def _ask_h2(connection: socket.socket, host: str, scheme: str) -> tuple[int, bytes]:
    """One GET over HTTP/2 with prior knowledge."""
    state = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    state.initiate_connection()
    state.send_headers(
        1,
        [(":method", "GET"), (":path", "/"), (":scheme", scheme), (":authority", host)],
        end_stream=True,
    )
    connection.sendall(state.data_to_send())
    status, body = 0, b""
    while True:
        for event in state.receive_data(connection.recv(65536)):
            if isinstance(event, h2.events.ResponseReceived):
                status = int(dict(event.headers)[":status"])
            elif isinstance(event, h2.events.DataReceived):
                body += event.data
            elif isinstance(event, h2.events.StreamEnded):
                return status, body
        connection.sendall(state.data_to_send())


def test_http2_in_clear_text(gateway: Gateway, echo: int) -> None:
    """With prior knowledge (h2c), as gRPC and proxies speak it."""
    with (
        gateway.route("1.deploy.deepin.test", f"127.0.0.1:{echo}"),
        socket.create_connection(("127.0.0.1", gateway.http_port), timeout=5) as connection,
    ):
        status, body = _ask_h2(connection, "1.deploy.deepin.test", "http")
    assert status == 200
    assert json.loads(body)["headers"]["x-forwarded-host"] == "1.deploy.deepin.test"


def test_https_with_http2(gateway: Gateway, echo: int) -> None:
    """With a certificate, TLS is served, h2 is offered, and the environment is told so."""
    context = ssl.create_default_context(cafile=str(gateway.certificate))
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        gateway.route("1.deploy.deepin.test", f"127.0.0.1:{echo}"),
        socket.create_connection(("127.0.0.1", gateway.https_port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="1.deploy.deepin.test") as connection,
    ):
        assert connection.selected_alpn_protocol() == "h2"
        status, body = _ask_h2(connection, "1.deploy.deepin.test", "https")
    assert status == 200
    assert json.loads(body)["headers"]["x-forwarded-proto"] == "https"


def test_connect_is_refused(gateway: Gateway, echo: int) -> None:
    """The gateway is nobody's forward proxy."""
    with socket.create_connection(("127.0.0.1", gateway.http_port), timeout=5) as connection:
        target = f"127.0.0.1:{echo}"
        connection.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        assert connection.recv(64).startswith((b"HTTP/1.1 405", b"HTTP/1.1 400", b"HTTP/1.1 404"))


def test_big_headers_are_refused_not_passed_on(gateway: Gateway, echo: int) -> None:
    """8 KiB of cookies pass, 32 KiB are answered with 400."""
    with gateway.route("1.deploy.deepin.test", f"127.0.0.1:{echo}"):
        assert get(gateway.http_port, "1.deploy.deepin.test", Cookie="a" * 8192).status == 200
        with socket.create_connection(("127.0.0.1", gateway.http_port), timeout=5) as connection:
            head = "GET / HTTP/1.1\r\nHost: 1.deploy.deepin.test\r\nCookie: "
            connection.sendall(head.encode() + b"a" * 32768 + b"\r\n\r\n")
            assert connection.recv(64).startswith(b"HTTP/1.1 400")


def test_says_who_it_is(gateway: Gateway) -> None:
    """Under a name that no environment can have; `up` and `doctor` tell it from others by that."""
    answer = get(gateway.http_port, "gateway.invalid")
    assert (answer.status, answer.body) == (200, "ok\n")
    assert answer.headers["x-pydeploy-site"] == gateway.parts.project


def test_its_socket_is_for_its_own_user_and_group(gateway: Gateway) -> None:
    """The group is that user's alone; it lets the next gateway's root take the sockets over."""
    found = (gateway.parts.volume("gateway") / "admin.sock").stat()
    assert (found.st_mode & 0o777, found.st_uid, found.st_gid) == (0o660, 990, 990)


def test_a_killed_worker_comes_back_with_the_routes_of_the_file(gateway: Gateway) -> None:
    """`kill -9` of HAProxy: the engine starts it again, the map is read from disk."""
    folder = gateway.parts.volume("gateway")
    (folder / "routes.map").write_text("77.deploy.deepin.test removed\n")
    (worker,) = _workers(gateway)
    os.kill(int(worker), signal.SIGKILL)

    def is_back() -> bool:
        try:
            return get(gateway.http_port, "77.deploy.deepin.test").status == 410
        except OSError:
            return False

    wait_until(is_back)


def test_a_reload_drops_nobody(gateway: Gateway, echo: int) -> None:
    """A renewed certificate is taken with SIGUSR2, without a refused connection."""
    (gateway.parts.volume("gateway") / "routes.map").write_text(
        f"1.deploy.deepin.test 127.0.0.1:{echo}\n"
    )
    container = gateway.parts.container("gateway")
    before = gateway.tell("show info")
    subprocess.run(["docker", "kill", "-s", "USR2", container], check=True, capture_output=True)
    for _ in range(300):
        get(gateway.http_port, "gateway.invalid")
    wait_until(lambda: _pid(gateway.tell("show info")) != _pid(before))
    wait_until(lambda: get(gateway.http_port, "1.deploy.deepin.test").status == 200)
    wait_until(lambda: len(_workers(gateway)) == 1)  # the old one has gone


def _workers(gateway: Gateway) -> list[str]:
    argv = ["docker", "inspect", "-f", "{{.State.Pid}}", gateway.parts.container("gateway")]
    master = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()
    return Path(f"/proc/{master}/task/{master}/children").read_text().split()


def test_it_stops_in_order_and_at_once(gateway: Gateway) -> None:
    """Nothing is open, so nothing is waited for; 0, not killed."""
    container = gateway.parts.container("gateway")
    started = time.monotonic()
    subprocess.run(["docker", "stop", container], check=True, capture_output=True)
    took = time.monotonic() - started
    argv = ["docker", "inspect", "-f", "{{.State.ExitCode}}", container]
    code = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()
    gateway.parts.compose("up", "--detach", "--no-build", "--wait", "gateway")
    assert code == "0"
    assert took < 3


def _pid(info: str) -> str:
    return next(line for line in info.splitlines() if line.startswith("Pid:"))
