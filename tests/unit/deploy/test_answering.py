"""Waiting until published ports answer, and being told to stop."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pydeploy.deploy import answering
from pydeploy.deploy.start import Start
from pydeploy.errors import DeployError, Interrupted, ServiceError, Superseded
from pydeploy.state.records import Port
from tests.unit.deploy.engines import Api, container, engine
from tests.unit.deploy.samples import a_plan, tcp
from tests.unit.deploy.starts import a_start
from tests.unit.deploy.test_probe import OK, says, serving, silent, talks_first

ILL = says(b"HTTP/1.1 500 x\r\n\r\n")
LONG = 60.0  # seconds: a deadline that no test waits for


def of(container_port: int, host_port: int, protocol: Any = "tcp") -> Port:
    return Port(
        service="web", container_port=container_port, host_port=host_port, protocol=protocol
    )


def starting(*ports: Port, api: Api | None = None, ensure: Any = lambda: None) -> Start:
    plan = a_plan({"web": {"ports": tcp(8080, 9000)}}, front={"service": "web", "port": 8080})
    return a_start(engine(api or Api(container("web"))), ports=ports, plan=plan, ensure=ensure)


def wait(start: Start, seconds: float = LONG) -> tuple[Port, ...]:
    return answering.wait(start, time.monotonic() + seconds)


@contextmanager
def soon() -> Iterator[None]:
    """Long before the deadline."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < 3


def test_which_ports_speak_http() -> None:
    """The front has to, others may; UDP cannot be asked."""
    with serving(says(OK)) as web, serving(talks_first) as other:
        ports = of(8080, web), of(9000, other), of(53, 1, "udp")
        assert (ports[0],) == wait(starting(*ports))


def test_no_ports_at_all() -> None:
    """Nothing to wait for."""
    assert () == wait(starting(of(53, 1, "udp")))


def test_a_front_that_is_not_well() -> None:
    """Is waited for until the deadline, and then the author's."""
    with (
        serving(ILL) as web,
        pytest.raises(DeployError, match="HTTP 500, wanted 200-399"),
    ):
        wait(starting(of(8080, web)), 0.5)


def test_a_container_that_ends_meanwhile() -> None:
    """Is the reason; nobody waits for the deadline."""
    ended = Api(container("web", Status="exited", ExitCode=1))
    with serving(ILL) as web, soon(), pytest.raises(DeployError, match="web exited with 1"):
        wait(starting(of(8080, web), api=ended))


def refuses(what: Exception, at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking the front fails, while the other port goes on saying nothing."""
    asked = answering._ask

    def ask(start: Start, port: Port, path: str) -> Any:
        if port.host_port == at:
            raise what
        return asked(start, port, path)

    monkeypatch.setattr(answering, "_ask", ask)


@pytest.mark.parametrize(
    "failure", [Superseded("patchset 4"), ServiceError("away", service="docker")]
)
def test_a_failure_ends_the_other_probes(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are told to stop, not waited for until the deadline."""
    monkeypatch.setattr(answering, "_SILENCE", LONG)
    refuses(failure, 1, monkeypatch)
    with serving(ILL) as ill, soon(), pytest.raises(type(failure)):
        wait(starting(of(9000, 1), of(8080, ill)))


def test_who_may_not_go_on_asks_no_more() -> None:
    """A newer wish, or a lock that was lost."""

    def ensure() -> None:
        raise Superseded("patchset 4")

    with serving(silent) as web, soon(), pytest.raises(Superseded):
        wait(starting(of(8080, web), ensure=ensure))


def test_an_abort_ends_all_probes() -> None:
    """Ctrl-C comes to the main thread, which waits for the others."""

    def abort(*_: object) -> None:
        raise Interrupted(signal.SIGINT)

    before = signal.signal(signal.SIGUSR1, abort)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGUSR1))
    timer.start()
    try:
        with serving(ILL) as ill, soon(), pytest.raises(Interrupted):
            wait(starting(of(8080, ill)))
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)
