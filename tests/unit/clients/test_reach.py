"""Why an engine cannot be reached, and what its operator does."""

from __future__ import annotations

import pytest
import requests

from pydeploy.clients import reach
from pydeploy.config.site import Engine

SSH = Engine(host="ssh://b", bind="192.0.2.1")
TLS = Engine.model_validate({"host": "tcp://b:2376", "tls": "/etc/b", "bind": "192.0.2.1"})


def test_the_reason_is_at_the_bottom() -> None:
    """Libraries wrap it in their own names, as an argument or as a cause."""
    refused = ConnectionRefusedError(111, "Connection refused")
    wrapped = requests.ConnectionError(requests.ConnectionError("pool", refused))
    outer = RuntimeError("while fetching")
    outer.__cause__ = wrapped
    assert "Connection refused" == reach.reason(outer)


def test_a_reason_without_words() -> None:
    """Its name is better than nothing."""
    assert "TimeoutError" == reach.reason(TimeoutError())


@pytest.mark.parametrize(
    ("settings", "why", "advice"),
    [
        (SSH, "Host key verification failed.", "known_hosts"),
        (SSH, "me@b: Permission denied (publickey).", "nobody is asked"),
        (SSH, "channel 1: open failed: administratively prohibited: x", "StreamLocalForwarding"),
        (SSH, "channel 1: open failed: connect failed: Permission denied", "group `docker`"),
        (SSH, "ssh: connect to host b port 22: Connection refused", "machine is up"),
        (TLS, "[SSL: CERTIFICATE_VERIFY_FAILED] x", "see ca.pem in /etc/b"),
        (TLS, "tlsv13 alert certificate required", "see cert.pem in /etc/b"),
        (TLS, "Connection refused", "machine is up"),
        (Engine(), "No such file or directory", "pydeploy doctor"),
    ],
)
def test_what_to_do(settings: Engine, why: str, advice: str) -> None:
    """The next action, for the words of ssh and of TLS."""
    assert advice in reach.hint(settings, why)
