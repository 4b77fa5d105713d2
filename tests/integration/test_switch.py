"""The switch under load, draining, and ports that are not given out too early."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydeploy.clients import etcd as ops
from pydeploy.state.records import Gateway
from tests.integration.support.repositories import WEB
from tests.integration.support.site import LiveSite

Web = Callable[..., Path]


def test_no_request_fails_while_patchsets_replace_each_other(
    live: LiveSite, change: int, web: Web
) -> None:
    """Constant requests through the gateway over five replacements: every one is a 200."""
    root = web()
    live.cli.ok("deploy", root, "--change", change, "--patchset", 1)
    seen: Counter[str] = Counter()
    failed: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                answer = live.get(change, timeout=10)
                if answer.status == 200:
                    seen[answer.told["PYDEPLOY_PATCHSET"]] += 1
                else:
                    failed.append(f"HTTP {answer.status}")
            except OSError as problem:
                failed.append(repr(problem))
            time.sleep(0.02)

    with ThreadPoolExecutor(4) as pool:
        askers = [pool.submit(ask) for _ in range(4)]
        try:
            for patchset in range(2, 7):
                live.cli.ok("deploy", root, "--change", change, "--patchset", patchset)
        finally:
            stop.set()
        for asker in askers:
            asker.result()
    assert failed == []
    assert set(seen) == {"1", "2", "3", "4", "5", "6"}


def test_a_request_to_the_old_release_ends_before_it_goes(
    live: LiveSite, change: int, web: Web
) -> None:
    """A slow answer that began before the switch arrives whole, from the old release."""
    root = web()
    live.cli.ok("deploy", root, "--change", change, "--patchset", 1)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(live.get, change, "/slow?s=6", timeout=20)
        time.sleep(0.3)
        result = live.cli.ok("deploy", root, "--change", change, "--patchset", 2)
        assert slow.done(), "the deploy ended before the old release was drained"
    assert slow.result().told["PYDEPLOY_PATCHSET"] == "1"
    assert live.get(change).told["PYDEPLOY_PATCHSET"] == "2"
    assert result["timings_s"]["switch"] < 5  # the drain is after the switch


def test_a_connection_that_never_ends_is_cut_after_the_drain_time(
    live: LiveSite, change: int, web: Web
) -> None:
    """gateway.drain bounds the wait."""
    root = web()
    live.cli.ok("deploy", root, "--change", change, "--patchset", 1)
    with ThreadPoolExecutor(1) as pool:
        endless = pool.submit(live.get, change, "/slow?s=90", timeout=100)
        time.sleep(0.3)
        began = time.monotonic()
        live.cli.ok("deploy", root, "--change", change, "--patchset", 2)
        assert live.site.gateway.drain <= time.monotonic() - began
        assert len(live.containers(change)) == 1
        assert endless.exception(timeout=40) or 200 != endless.result().status
        assert time.monotonic() - began < 80  # cut, not answered


def test_a_port_is_not_free_before_every_live_gateway_has_forgotten_it(
    live: LiveSite, change: int, web: Web
) -> None:
    """A second live gateway that lags behind holds up the removal, until it has applied it."""
    live.cli.ok("deploy", web(), "--change", change, "--patchset", 1)
    (port,) = [
        key for key, claim in live.keys("ports/").items() if claim["environment"] == str(change)
    ]
    key = live.store.keys.gateway("laggard")
    lagging = Gateway(applied=1, address="127.0.0.1", http_port=live.ports.http)
    lease = live.store.etcd.grant(60)
    live.store.etcd.put(key, lagging.text(), lease=lease)
    try:
        remove = live.cli.start("remove", change, "--json")
        time.sleep(3)
        assert remove.poll() is None
        assert port in live.keys("ports/")
        revision = live.store.etcd.range(live.store.keys.route()).revision
        live.store.etcd.put(
            key, lagging.model_copy(update={"applied": revision}).text(), lease=lease
        )
        stdout, stderr = remove.communicate(timeout=30)
        assert remove.returncode == 0, stderr
        assert '"residue": 0' in stdout
    finally:
        live.store.etcd.revoke(lease)
    assert port not in live.keys("ports/")


def test_a_name_of_another_environment_is_not_taken(live: LiveSite, change: int, web: Web) -> None:
    """Writing a route requires that it is absent or ours."""
    host = f"{change}.deploy.deepin.test"
    key = live.store.keys.route(host)
    theirs = '{"environment": "theirs", "state": "running", "address": "127.0.0.1", "port": 22000}'
    assert live.store.etcd.txn([ops.equal(key, "CREATE", 0)], [ops.put(key, theirs)]).succeeded
    try:
        error = live.cli.fails(5, "deploy", web(), "--change", change, "--patchset", 1)
        assert "theirs" in error["message"]
        assert live.containers(change) == []
        kv = live.store.etcd.get(key)
        assert kv is not None
        assert kv.value == theirs
    finally:
        live.store.etcd.delete(key)


def test_several_http_services_get_names_of_their_own(
    live: LiveSite, change: int, web: Web
) -> None:
    """The front has the environment's name, a further service `<service>--<environment>`."""
    compose = WEB + WEB.split("services:\n", 1)[1].replace("  web:", "  admin_ui:")
    result = live.cli.ok("deploy", web(compose), "--change", change, "--patchset", 1)
    assert set(result["urls"]) == {"web", "admin_ui"}
    host = f"admin-ui--{change}.deploy.deepin.test"
    assert result["urls"]["admin_ui"] == f"http://{host}:{live.ports.http}"
    assert live.get_host(host).status == 200
    assert live.cli("url", change, "admin_ui").stdout.strip() == result["urls"]["admin_ui"]
    assert live.cli.ok("remove", change)["residue"] == 0
    assert live.get_host(host).status == 410
