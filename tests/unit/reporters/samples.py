"""A report with everything in it."""

from __future__ import annotations

from dataclasses import replace

from pydeploy.reporters.report import Difference, Failure, Phase, Report
from pydeploy.state.records import Image

URL = "http://10020.deploy.deepin.test"
FULL = Report(
    phase="deployed",
    environment="10020",
    change=10020,
    patchset=3,
    state="running",
    release="10020-3",
    url=URL,
    urls={"web": URL, "api": "http://api--10020.deploy.deepin.test:8080"},
    images=(Image(service="web", ref="r/web", digest=f"sha256:{'ab' * 32}"),),
    duration=12.34,
    expires="2026-12-01T12:00:00Z",
    differences=(
        Difference(what="revision", before="1" * 40, after="2" * 40),
        Difference(what="image of web", before="", after=f"sha256:{'ab' * 32}"),
    ),
    previous="10020-2",
    build_url="http://jenkins.deepin.test/job/docs/12/",
)
FAILURE = Failure(
    kind="DeployError", message="web exited with 1", hint="read the log", logs="one\ntwo\n"
)


def of(phase: Phase, **more: object) -> Report:
    failure = FAILURE if phase.startswith("failed") else None
    return replace(FULL, phase=phase, **{"failure": failure, **more})  # type: ignore[arg-type]
