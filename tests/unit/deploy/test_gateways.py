"""Waiting for the gateways: real etcd, made-up gateways."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import pytest

from pydeploy.config.site import Site
from pydeploy.deploy import gateways
from pydeploy.errors import ServiceError
from pydeploy.state.records import Gateway
from pydeploy.state.store import Store
from tests.unit.deploy.test_probe import says, serving


def gateway(applied: int = 0, **keys: object) -> Gateway:
    return Gateway.model_validate(
        {"applied": applied, "address": "127.0.0.1", "http_port": 80, **keys}
    )


def publish(store: Store, name: str, value: Gateway, *, lease: int = 0) -> None:
    store.etcd.put(store.keys.gateway(name), value.text(), lease=lease)


def soon(act: Callable[[], object], after: float = 0.3) -> None:
    timer = threading.Timer(after, act)
    timer.daemon = True
    timer.start()


def seconds(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def test_no_live_gateway_is_the_operators(store: Store) -> None:
    """No URL would answer: exit 6 before anything is started."""
    with pytest.raises(ServiceError, match="no gateway is alive") as refused:
        gateways.live(store)
    assert "gateway" == refused.value.service


def test_live_gateways(store: Store) -> None:
    """By name."""
    publish(store, "a", gateway())
    assert {"a": gateway()} == gateways.live(store)


@pytest.mark.parametrize(
    ("keys", "url"),
    [
        ({}, "http://x.test"),
        ({"http_port": 8080}, "http://x.test:8080"),
        ({"https_port": 443}, "https://x.test"),
        ({"https_port": 8443}, "https://x.test:8443"),
    ],
)
def test_urls_are_complete(keys: dict[str, int], url: str) -> None:
    """Scheme, and the port unless it is the scheme's own; https where there is TLS."""
    assert url == gateways.url(gateway(**keys), "x.test")


# -- applied ----------------------------------------------------------------------------


def test_what_is_applied_is_not_waited_for(store: Store) -> None:
    """One look is enough; more than that revision will do, too."""
    publish(store, "a", gateway(5))
    publish(store, "b", gateway(9))
    assert seconds(lambda: gateways.wait_applied(store, 5)) < 0.3


def test_all_live_gateways_are_waited_for(store: Store) -> None:
    """Until the slowest has applied it, and no longer."""
    publish(store, "a", gateway(5))
    publish(store, "b", gateway(1))
    soon(lambda: publish(store, "b", gateway(5)))
    assert 0.2 < seconds(lambda: gateways.wait_applied(store, 5)) < 1


def test_a_gateway_that_dies_does_not_block(store: Store) -> None:
    """Its key goes with its lease; it reconciles before it serves again."""
    lease = store.etcd.grant(60)
    publish(store, "a", gateway(5))
    publish(store, "dead", gateway(1), lease=lease)
    soon(lambda: store.etcd.revoke(lease))
    assert 0.2 < seconds(lambda: gateways.wait_applied(store, 5)) < 1


def test_a_live_gateway_that_does_not_apply(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is the operator's, by name, after a while."""
    monkeypatch.setattr(gateways, "APPLY_LIMIT", 0.5)
    publish(store, "a", gateway(5))
    publish(store, "stuck", gateway(1))
    with pytest.raises(ServiceError, match="gateway stuck is alive but does not apply"):
        gateways.wait_applied(store, 5)


def test_without_gateways_there_is_nothing_to_wait_for(store: Store) -> None:
    """Nobody serves a stale route."""
    assert seconds(lambda: gateways.wait_applied(store, 5)) < 0.3


# -- drained ----------------------------------------------------------------------------


def test_streams_to_the_old_release_are_waited_for(store: Store) -> None:
    """Of every gateway; to one of its addresses, not to others."""
    publish(store, "a", gateway(draining=["127.0.0.1:20000", "127.0.0.1:20009"]))
    publish(store, "b", gateway(draining=["127.0.0.1:20001"]))
    soon(lambda: publish(store, "a", gateway(draining=["127.0.0.1:20009"])))
    soon(lambda: publish(store, "b", gateway()), 0.4)
    old = {"127.0.0.1:20000", "127.0.0.1:20001"}
    assert 0.3 < seconds(lambda: gateways.wait_drained(store, old, 5)) < 1


def test_streams_that_do_not_end(store: Store) -> None:
    """Are waited for until the limit, which is no error."""
    publish(store, "a", gateway(draining=["127.0.0.1:20000"]))
    assert not gateways.wait_drained(store, {"127.0.0.1:20000"}, 0.4)
    assert gateways.wait_drained(store, {"127.0.0.1:20001"}, 0.4)


# -- fetched ----------------------------------------------------------------------------


def test_fetched_through_each_gateway() -> None:
    """By the environment's host; the first that is not accepted is the answer."""
    heard: list[bytes] = []

    def listen(connection: socket.socket) -> None:
        heard.append(connection.recv(10_000))
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    with serving(listen) as good, serving(says(b"HTTP/1.1 503 x\r\n\r\n")) as bad:
        everyone = {
            "a": gateway(http_port=good),
            "b": gateway(http_port=bad),
            "c": gateway(http_port=good),
        }

        def fetch(*names: str) -> int:
            chosen = {name: everyone[name] for name in names}
            answer = gateways.fetch(
                Site(), chosen, "10020.test", "/x", accepts=lambda status: status < 400
            )
            return answer.status

        assert (200, 503) == (fetch("a", "c"), fetch("a", "b", "c"))
    assert all(b"GET /x " in one and b"Host: 10020.test" in one for one in heard)
    assert 3 == len(heard)


def test_a_gateway_that_does_not_answer() -> None:
    """Is the answer, whatever the others say."""
    with serving(says(b"HTTP/1.1 200 OK\r\n\r\n")) as good:
        both = {"a": gateway(http_port=1), "b": gateway(http_port=good)}
        assert "closed" == gateways.fetch(Site(), both, "x", "/", accepts=lambda _: True).kind
