"""A build that fails although what it did worked."""

from __future__ import annotations

from typing import Any

import pytest

from pydeploy.reporters import failing, message, reading

WHY = "no smoke"


def of(**result: Any) -> Any:
    found = reading.Result.model_validate(result) if result else None
    return failing.of_build(found, WHY, environment="10020", change=10020, patchset=3)


@pytest.mark.parametrize("state", ["running", "completed"])
def test_what_was_deployed_and_then_failed_is_its_authors(state: str) -> None:
    """It was tried by the team's own stages; the message says why, and not that nothing runs."""
    report = of(step="deploy", environment="web-10020", state=state, release="10020-3")
    assert ("failed-author", "web-10020", WHY) == (
        report.phase,
        report.environment,
        report.failure.message,
    )
    text = message.of_phase(report)
    assert "could not be verified" in text
    assert WHY in text


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"step": "build", "state": "built"},
        {"step": "remove", "state": "removed"},
        {"step": "promote", "environment": "staging", "state": "running"},
    ],
)
def test_without_a_deploy_nobody_is_blamed(result: dict[str, Any]) -> None:
    """A checkout that failed, a deploy that was killed."""
    report = of(**result)
    assert "failed-operator" == report.phase
    assert WHY in message.of_phase(report)


def test_what_the_result_says_counts() -> None:
    """Its own error, or that it was superseded."""
    assert of(step="deploy", error={"class": "BuildError", "fault": "author"}) is None
    assert of(step="deploy", state="superseded") is None
