"""One engine: what makes the CLI talk to it, and what its silence becomes."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import docker.errors
import pytest
import requests

from pydeploy.clients import docker as client
from pydeploy.clients.docker import DockerEngine
from pydeploy.config.site import Engine
from pydeploy.errors import ServiceError, SiteConfigError


def engine(**settings: object) -> DockerEngine:
    return DockerEngine("local", Engine.model_validate(settings))


@pytest.mark.parametrize(
    ("settings", "env_vars"),
    [
        ({}, {"DOCKER_HOST": "unix:///var/run/docker.sock"}),
        ({"host": "ssh://ci@b"}, {"DOCKER_HOST": "ssh://ci@b"}),
        (
            {"host": "tcp://b:2376", "tls": "/etc/b"},
            {"DOCKER_HOST": "tcp://b:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/etc/b"},
        ),
    ],
)
def test_what_the_cli_is_told(settings: dict[str, str], env_vars: dict[str, str]) -> None:
    """Always the host, so that no DOCKER_HOST or context of the agent decides."""
    assert env_vars == engine(**settings).lasting_env_vars()


@pytest.mark.parametrize(("host", "is_local"), [("unix:///x", True), ("ssh://b", False)])
def test_which_engine_is_here(host: str, is_local: bool) -> None:
    """Only there can ports and routes be looked at directly."""
    assert is_local == engine(host=host).is_local


def test_an_engine_that_is_away(tmp_path: Path) -> None:
    """Exit 6 at once, with the engine's name and address and what to do."""
    away = engine(host=f"unix://{tmp_path}/no.sock")
    began = time.monotonic()
    with pytest.raises(ServiceError, match=r"engine 'local' does not answer at unix://") as refused:
        away.sdk.ping()
    assert ("docker", 6) == (refused.value.service, refused.value.exit_code)
    assert "pydeploy doctor" in refused.value.hint
    assert time.monotonic() - began < 3
    assert not away.is_answering()


def test_warming_up_an_engine_that_is_away_says_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The first real question says it."""
    away = engine(host=f"unix://{tmp_path}/no.sock")
    before = set(threading.enumerate())
    away.warm_up()
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
    assert ("", "") == capfd.readouterr()


def api_error(status: int, explanation: str) -> docker.errors.APIError:
    response = requests.Response()
    response.status_code = status
    return docker.errors.APIError("refused", response=response, explanation=explanation)


def test_a_full_disk_is_the_operators() -> None:
    """A server error that says so becomes exit 6 with what frees space."""
    with pytest.raises(ServiceError, match="disk of engine 'local' is full"), engine().answering():
        raise api_error(500, "write /var/lib/docker: no space left on device")


def test_other_refusals_pass() -> None:
    """An engine that answers "no" does answer."""
    with pytest.raises(docker.errors.APIError), engine().answering():
        raise api_error(404, "no such container")


def test_a_refusal_of_what_must_be_done_is_the_operators() -> None:
    """An undo or a removal must end with exit 6 and what to do, not as a bug."""
    said = "engine 'local' refuses: volume is in use"
    with pytest.raises(ServiceError, match=said), engine().obeying():
        raise api_error(409, "volume is in use")


@pytest.mark.parametrize(
    "gone", [requests.ConnectionError("x"), docker.errors.DockerException("x"), OSError("x")]
)
def test_silence_is_the_operators(gone: Exception) -> None:
    """Whatever layer noticed it."""
    with pytest.raises(ServiceError, match="does not answer"), engine().answering():
        raise gone


def test_one_of_a_site() -> None:
    """By its name, with its settings."""
    engines = {"a": Engine(), "b": Engine(host="ssh://b")}
    assert ("b", "ssh://b") == ((found := client.one(engines, "b")).name, found.host)


def test_one_that_is_away_without_a_word_is_not_asked_again_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each question would take seconds; who ends because of it has many."""
    monkeypatch.setattr(client, "_LONG", 0.0)
    away, asked = engine(), []

    def ask() -> None:
        with away.answering():
            asked.append(1)
            raise requests.ConnectTimeout("x")

    for _ in range(3):
        with pytest.raises(ServiceError, match="does not answer"):
            ask()
    assert [1] == asked


def test_a_folder_without_certificates(tmp_path: Path) -> None:
    """The operator's file is wrong; it names what is missing."""
    (tmp_path / "ca.pem").write_text("")
    there = engine(host="tcp://192.0.2.1:2376", tls=str(tmp_path), bind="192.0.2.1")
    with pytest.raises(SiteConfigError, match=r"cert.pem, key.pem missing in"):
        there.sdk.ping()


def test_what_waits_for_an_engine_by_tls_is_told_of_its_loss(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Compose and Buildx would wait for many minutes."""
    monkeypatch.setattr(client, "_LOOK", 0.01)
    there = engine(host="tcp://192.0.2.1:2376", tls=str(tmp_path), bind="192.0.2.1")
    monkeypatch.setattr(there, "is_answering", lambda: False)
    with there.attended(threading.Event()) as attention:
        until = time.monotonic() + 5
        while not attention.is_set():
            assert time.monotonic() < until
            time.sleep(0.01)
    assert attention.is_lost


def test_attention_is_paid_to_who_cancels() -> None:
    """A newer wish ends the same program."""
    cancel = threading.Event()
    with engine().attended(cancel) as attention:
        assert not attention.is_set()
        cancel.set()
        assert (True, False) == (attention.is_set(), attention.is_lost)
