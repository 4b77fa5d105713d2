"""A build that fails although no result says so: a smoke test, a checkout, a step that was killed.

What worked before that says nothing of the build's end: it is never `deployed`.
"""

from __future__ import annotations

from typing import Any

from pydeploy.reporters.reading import Result
from pydeploy.reporters.report import Failure, Report

_HINT = "the console of the build says more"
_DEPLOYED = ("running", "completed")


def of_build(found: Result | None, why: str, *, environment: str, **more: Any) -> Report | None:
    """None where the result itself tells how the build ended: by an error, or superseded.

    Behind a deploy come the stages of the team's own, which try what was deployed: those are the
    author's. Without one, the change is not known to be to blame.
    """
    if found and (found.error or found.state == "superseded"):
        return None
    is_tried = found is not None and found.state in _DEPLOYED and found.step != "promote"
    return Report(
        phase="failed-author" if is_tried else "failed-operator",
        environment=(found.environment if found else "") or environment,
        is_named=bool(found and found.environment),
        act="verify" if is_tried else "deploy",
        release=found.release if found else "",
        failure=Failure(kind="Failed", message=why, hint=_HINT),
        **more,
    )
