"""Why a release did not come up, in words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pydeploy.config.service import Front
from pydeploy.deploy import diagnosis, health
from pydeploy.deploy.inventory import Scope
from pydeploy.deploy.probe import Answer
from tests.unit.deploy.samples import a_plan, port, state, tcp

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"


def engine(proc: str = "", log: bytes = b"line 1\nline 2\n") -> Any:
    """An engine that knows one container's sockets and log."""
    api = SimpleNamespace(
        exec_create=lambda *_, **__: {"Id": "x"},
        exec_start=lambda _: proc.encode(),
        logs=lambda *_, **__: log,
    )
    return SimpleNamespace(api=api, name="local")


def socket_line(address: str, number: int, status: str = "0A") -> str:
    return f"   0: {address}:{number:04X} 00000000:0000 {status} 00000000:00000000 00:00000000\n"


@pytest.mark.parametrize(
    ("lines", "heard"),
    [
        ([("00000000", 8081)], "0.0.0.0:8081"),
        ([("0100007F", 9000)], "127.0.0.1:9000"),
        ([("0200D50A", 80)], "10.213.0.2:80"),
        ([("0" * 32, 8081)], "0.0.0.0:8081"),
        ([("0" * 24 + "01000000", 80)], "[::1]:80"),
        ([("0000000000000000FFFF00000100007F", 80)], "[::ffff:7f00:1]:80"),
        ([("0B00007F", 33333)], ""),
        ([("00000000", 80), ("0" * 32, 80), ("0100007F", 81)], "0.0.0.0:80, 127.0.0.1:81"),
        ([], ""),
    ],
)
def test_what_a_container_listens_on(lines: list[tuple[str, int]], heard: str) -> None:
    """As /proc/net/tcp says it, in people's words, each once; Docker's own resolver is not told."""
    text = HEAD + "".join(socket_line(*one) for one in lines)
    assert heard == diagnosis.listening(engine(text), [state()])


def test_only_listening_sockets_count() -> None:
    """Connections, half-open ones and nonsense are passed over."""
    text = HEAD + socket_line("00000000", 80, "01") + socket_line("0100007F", 5, "06") + "x\n\n"
    assert "" == diagnosis.listening(engine(text), [state()])


def test_a_container_that_does_not_run_is_not_asked() -> None:
    """It listens on nothing."""
    text = HEAD + socket_line("00000000", 80)
    assert "" == diagnosis.listening(engine(text), [state(status="exited")])


def test_an_image_without_cat() -> None:
    """No diagnosis is no failure."""
    silent = engine()
    silent.api.exec_start = lambda _: 1 / 0
    assert "" == diagnosis.listening(silent, [state()])


def judged(*states: health.ContainerState) -> health.Overall:
    return health.overall(a_plan({"web": {"ports": tcp(80)}, "db": {}}), states)


def test_what_ended_is_named_with_its_log() -> None:
    """One service's log stands alone."""
    overall = judged(state("db", status="exited", exit_code=1))
    failure = diagnosis.broken(engine(), overall.broken)
    assert ("db exited with 1", "line 1\nline 2\n") == (failure.message, failure.logs)


def test_several_logs_are_told_apart() -> None:
    """With the service's name in front, also where it said nothing."""
    states = [state(name, status="exited", exit_code=1) for name in ("db", "web")]
    failure = diagnosis.broken(engine(log=b""), judged(*states).broken)
    assert "[db]\n(no output)\n[web]\n(no output)\n" == failure.logs


def test_a_log_that_cannot_be_read_hides_nothing() -> None:
    """The failure is told without it."""
    broken = engine()
    broken.api.logs = lambda *_, **__: 1 / 0
    failure = diagnosis.broken(broken, judged(state("db", status="exited", exit_code=1)).broken)
    assert ("db exited with 1", "(no output)\n") == (failure.message, failure.logs)


def test_late() -> None:
    """What was waited for, what never came, and where the deadline is set."""
    failure = diagnosis.late(engine(), judged(state("web", health="starting")), 120)
    assert "not healthy after 120 s: web is starting; not started: db" == failure.message
    assert "deadline" in failure.hint


def test_nothing_started_at_all() -> None:
    """Is late, too."""
    failure = diagnosis.late(engine(), judged(), 5)
    assert "not healthy after 5 s: it did not start; not started: web, db" == failure.message


def test_compose_gave_up_because_a_container_is_ill() -> None:
    """The container says it better than compose."""
    overall = judged(state("db", health="unhealthy", last_probe="refused"), state("web"))
    failure = diagnosis.compose_failed(engine(), overall, "dependency failed to start\n")
    assert "db is unhealthy (its check last said: refused)" == failure.message


@pytest.mark.parametrize(
    ("tail", "said"),
    [("pulling\nError: no such image x\n\n", "Error: no such image x"), ("", "it said nothing")],
)
def test_compose_gave_up_by_itself(tail: str, said: str) -> None:
    """Its last line, and all of it below."""
    failure = diagnosis.compose_failed(engine(), judged(state("web")), tail)
    assert (f"docker compose could not start it: {said}", tail) == (failure.message, failure.logs)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            Answer(kind="http", status=500),
            "web port 8080 answers / with HTTP 500, wanted 200-399",
        ),
        (
            Answer(kind="closed"),
            "nothing accepts on web port 8080; the container listens on 127.0.0.1:8080",
        ),
        (
            Answer(kind="silent", detail="no answer within 5 s"),
            "web port 8080 does not answer HTTP (no answer within 5 s)",
        ),
    ],
)
def test_a_port_that_nothing_useful_answers_on(
    answer: Answer, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is there instead, with the log; the usual cause is a program on its own loopback."""
    monkeypatch.setattr("pydeploy.deploy.diagnosis.states", lambda *_: (state(),))
    there = engine(HEAD + socket_line("0100007F", 8080))
    failure = diagnosis.not_answering(there, Scope(site="s"), port(), "/", answer, Front())
    assert (said, "line 1\nline 2\n") == (failure.message, failure.logs)
