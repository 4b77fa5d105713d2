"""The registry's client against a small server that answers as the specification says."""

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pydeploy.clients.registry import Registry, is_loopback
from pydeploy.errors import ServiceError

BASIC = "Basic " + base64.b64encode(b"bot:pw").decode()
Answer = tuple[int, dict[str, str], str]


class Server(ThreadingHTTPServer):
    """Answers from a table; remembers what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, Answer] = {}
        self.wanted = ""  # the Authorization header that opens the door
        self.challenge = ""
        self.seen: list[str] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        sent = f" {self.headers['Content-Type']} {body}" if body else ""
        self.server.seen.append(f"{self.command} {self.path}{sent}")
        status, headers, body = self.server.answers.get(self.path, (404, {}, ""))
        is_token = self.path.startswith("/token")
        if not is_token and self.headers.get("Authorization", "") != self.server.wanted:
            status, headers, body = 401, {"WWW-Authenticate": self.server.challenge}, ""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())

    do_GET = do_HEAD = do_DELETE = do_PUT = answer  # noqa: N815 (http.server's names)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    threading.Thread(target=one.serve_forever, daemon=True).start()
    yield one
    one.shutdown()
    one.server_close()


def test_a_digest_is_there_or_not(server: Server) -> None:
    headers = {"Docker-Content-Digest": "sha256:1"}
    server.answers["/v2/a/b/manifests/sha256:1"] = (200, headers, "")
    registry = Registry(server.address)
    assert registry.exists("a/b", "sha256:1")
    assert not registry.exists("a/b", "sha256:2")
    assert server.seen[0] == "HEAD /v2/a/b/manifests/sha256:1"


def test_a_registry_that_does_not_tell_the_digest(server: Server) -> None:
    """It is that of the bytes."""
    server.answers["/v2/a/manifests/1"] = (200, {}, "{}")
    digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert Registry(server.address).digest("a", "1") == digest


def test_deleting_says_whether_there_was_something(server: Server) -> None:
    server.answers["/v2/a/manifests/sha256:1"] = (202, {}, "")
    registry = Registry(server.address)
    assert registry.delete("a", "sha256:1")
    assert not registry.delete("a", "sha256:2")


def test_a_registry_that_forbids_deletion_says_what_to_allow(server: Server) -> None:
    server.answers["/v2/a/manifests/sha256:1"] = (
        405,
        {},
        '{"errors": [{"message": "unsupported"}]}',
    )
    with pytest.raises(ServiceError, match="HTTP 405 unsupported") as refused:
        Registry(server.address).delete("a", "sha256:1")
    assert "delete/enabled" in refused.value.hint


def test_a_manifest_gets_one_more_tag_byte_for_byte(server: Server) -> None:
    """The digest is that of the bytes: they are passed on as they came."""
    server.answers["/v2/a/manifests/sha256:1"] = (200, {"Content-Type": "m/t"}, '{"a":  1}')
    server.answers["/v2/a/manifests/new"] = (201, {}, "")
    Registry(server.address).tag("a", "sha256:1", "new")
    assert server.seen[-1] == 'PUT /v2/a/manifests/new m/t {"a":  1}'


def test_tags_are_read_over_all_pages(server: Server) -> None:
    link = {"Link": '</v2/a/tags/list?last=1&n=1>; rel="next"'}
    server.answers["/v2/a/tags/list"] = (200, link, '{"tags": ["1"]}')
    server.answers["/v2/a/tags/list?last=1&n=1"] = (200, {}, '{"tags": ["2"]}')
    assert Registry(server.address).tags("a") == ("1", "2")


def test_an_unknown_repository_has_no_tags(server: Server) -> None:
    assert Registry(server.address).tags("nosuch") == ()


def test_a_password_is_sent_when_it_is_asked_for(server: Server) -> None:
    server.answers["/v2/"] = (200, {}, "{}")
    server.wanted, server.challenge = BASIC, 'Basic realm="r"'
    Registry(server.address, login=("bot", "pw")).ping()
    with pytest.raises(ServiceError, match="HTTP 401") as refused:
        Registry(server.address).ping()
    assert "PYDEPLOY_REGISTRY_PASSWORD" in refused.value.hint


def test_a_token_server_is_asked_for_the_scope(server: Server) -> None:
    server.answers["/v2/a/manifests/x"] = (200, {"Docker-Content-Digest": "sha256:1"}, "")
    scope = "/token?service=reg&scope=repository%3Aa%3Apull"
    server.answers[scope] = (200, {}, '{"token": "T"}')
    server.wanted = "Bearer T"
    server.challenge = f'Bearer realm="http://{server.address}/token",service="reg"'
    registry = Registry(server.address, login=("bot", "pw"))
    assert registry.digest("a", "x") == "sha256:1"
    assert registry.exists("a", "x")
    assert sum("/token" in seen for seen in server.seen) == 1


def test_no_password_in_clear_text_to_another_machine(server: Server) -> None:
    server.wanted, server.challenge = "never", 'Bearer realm="http://tokens.test/t",service="x"'
    with pytest.raises(ServiceError, match="clear text"):
        Registry(server.address, login=("bot", "pw")).ping()


def test_nobody_there_is_a_service_error() -> None:
    with pytest.raises(ServiceError, match="does not answer"):
        Registry("127.0.0.1:1").ping()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:5000", True),
        ("localhost", True),
        ("[::1]:5000", True),
        ("registry.test", False),
        ("10.0.0.1:5000", False),
    ],
)
def test_plain_http_is_for_loopback(address: str, expected: bool) -> None:
    assert is_loopback(address) is expected
