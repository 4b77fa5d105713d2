"""The steps of vars/ as a pipeline calls them: real shell, real tool, real site."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.integration.support import pipelines
from tests.integration.support.pipelines import Jenkins
from tests.integration.support.site import LiveSite
from tests.integration.support.waiting import eventually

Web = Callable[..., Path]
NASTY = [
    "$(touch {marker})",
    "'; touch {marker}; '",
    "`touch {marker}`",
    "${{HOME}} $PATH $$ %s",
    'two\nlines, "quotes" and \\ \t tabs',
    "\N{ROCKET} Grüße",
    "--force",
]


@pytest.fixture(scope="module")
def classpath(tmp_path_factory: pytest.TempPathFactory) -> str:
    return pipelines.classpath(tmp_path_factory.mktemp("classpath"))


@pytest.fixture
def jenkins(live: LiveSite, classpath: str, tmp_path: Path) -> Jenkins:
    folder = tmp_path / "jenkins"
    folder.mkdir()
    return Jenkins(classpath, folder, {"PYDEPLOY_SITE": str(live.file), "JOB_NAME": "docs"})


def committed(root: Path) -> str:
    """A checkout as Jenkins has it; its commit."""
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@example.invalid"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "one"], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return head.stdout.strip()


def gerrit(change: int, patchset: int, revision: str, **more: str) -> dict[str, str]:
    """The variables of gerrit-trigger."""
    return {
        "GERRIT_CHANGE_NUMBER": str(change),
        "GERRIT_PATCHSET_NUMBER": str(patchset),
        "GERRIT_PATCHSET_REVISION": revision,
        "GERRIT_PROJECT": "docs/hello",
        "GERRIT_BRANCH": "master",
        "GERRIT_CHANGE_OWNER_EMAIL": "ann@deepin.test",
        **more,
    }


def test_deepin_deploy_with_no_argument(live: LiveSite, jenkins: Jenkins, web: Web) -> None:
    """Change 10020 runs, and the URL that came back answers through the gateway."""
    root = web()
    revision = committed(root)
    try:
        ended = jenkins.run("return deepinDeploy()", root, **gerrit(10020, 1, revision))
        url = ended.returned["url"]
        assert ended.returned["environment"] == "10020"
        assert url == f"http://10020.{live.site.domains[0]}:{live.ports.http}"
        host = url.removeprefix("http://").partition(":")[0]
        told = live.get_host(host).told
        assert (told["PYDEPLOY_CHANGE"], told["PYDEPLOY_REVISION"]) == ("10020", revision)
        assert ended.outcome["description"] == url
        assert ended.outcome["shells"] == ['exec sh "$PYDEPLOY_BOOTSTRAP" step']
        assert f"10020: {url}" in ended.console
        assert '"state"' not in ended.console  # its JSON is in the artifact
        (archived,) = ended.outcome["archived"]
        result = json.loads((Path(f"{root}@tmp") / archived).read_text())
        assert (result["state"], result["url"]) == ("running", url)
        change = live.store.environment("10020").change  # type: ignore[union-attr]
        assert change is not None
        assert (change.number, change.patchset, change.revision, change.owner) == (
            10020,
            1,
            revision,
            "ann@deepin.test",
        )
        again = jenkins.run("return deepinDeploy()", root, **gerrit(10020, 1, revision))
        assert again.returned["isUnchanged"] == "true"  # and the checkout is still clean
        gone = jenkins.run("return deepinRemove()", root, **gerrit(10020, 1, revision))
        assert gone.returned["state"] == "removed"
        assert live.containers(10020) == []
    finally:
        live.cli("remove", 10020)


def test_text_of_a_change_arrives_unchanged(
    live: LiveSite, jenkins: Jenkins, change: int, web: Web, tmp_path: Path
) -> None:
    """By Gerrit's variables and by arguments: nothing runs, nothing is lost."""
    marker = tmp_path / "marker"
    texts = [text.format(marker=marker) for text in NASTY]
    topic, owner = "\n".join(texts), "".join(reversed(texts))  # the latter looks like a flag
    root = web()
    variables = gerrit(change, 1, committed(root), GERRIT_TOPIC=topic, SAID=owner)
    ended = jenkins.run("return deepinDeploy(owner: env.SAID)", root, **variables)
    assert ended.returned["state"] == "running"
    record = live.store.environment(str(change))
    assert record is not None
    assert record.change is not None
    assert (record.change.topic, record.change.owner) == (topic, owner)
    assert not marker.exists()


def test_a_failing_change_is_its_authors_turn(
    jenkins: Jenkins, change: int, web: Web, live: LiveSite
) -> None:
    """One line ends the build; the log of what failed is on the console and in the artifact."""
    compose = """
    services:
      web:
        image: pydeploy-test/python:1
        command: ["sh", "-c", "echo the database is away; exit 3"]
        ports: ["8080"]
    """
    root = web(compose)
    ended = jenkins.run("deepinDeploy()", root, **gerrit(change, 1, committed(root)))
    assert ended.failure.startswith("deepinDeploy: DeployError: ")
    assert ended.failure.endswith(" (the author's turn)")
    assert "\n" not in ended.failure
    assert "the database is away" in ended.console
    (archived,) = ended.outcome["archived"]
    result = json.loads((Path(f"{root}@tmp") / archived).read_text())
    assert (result["state"], result["exit_code"]) == ("failed", 4)
    assert "the database is away" in result["error"]["logs"]
    assert live.containers(change) == []


def test_the_log_of_a_one_shot_is_on_the_console(jenkins: Jenkins, change: int, web: Web) -> None:
    """It is the result of such a service."""
    compose = """
    services:
      job:
        image: pydeploy-test/python:1
        command: ["echo", "built 7 packages"]
    """
    root = web(compose)
    ended = jenkins.run("return deepinDeploy()", root, **gerrit(change, 1, committed(root)))
    assert ended.returned["state"] == "completed"
    assert "built 7 packages" in ended.console


def test_a_site_that_is_away_is_the_operators_turn(
    jenkins: Jenkins, web: Web, tmp_path: Path
) -> None:
    """Nobody is voted down for it."""
    away = tmp_path / "away.yml"
    away.write_text("etcd: {endpoints: ['http://127.0.0.1:9']}\n")
    ended = jenkins.run("deepinStatus()", web(), PYDEPLOY_SITE=str(away))
    assert ended.failure.startswith("deepinStatus: ServiceError: ")
    assert ended.failure.endswith(" (the operator's turn)")


def test_an_older_patchset_is_superseded(
    live: LiveSite, jenkins: Jenkins, change: int, web: Web
) -> None:
    """The build is not built, and nobody votes."""
    root = web()
    live.cli.ok("deploy", root, "--change", change, "--patchset", 2)
    ended = jenkins.run("deepinDeploy()", root, **gerrit(change, 1, committed(root)))
    assert ended.failure.startswith("deepinDeploy: superseded by ")
    assert ended.outcome["result"] == "NOT_BUILT"


def test_an_aborted_build_undoes_what_it_began(
    live: LiveSite, jenkins: Jenkins, change: int, web: Web
) -> None:
    """SIGTERM reaches the tool through shell and bootstrap; the build stays aborted."""
    root = web()
    variables = gerrit(change, 1, committed(root), PYDEPLOY_STOPPOINT="after-healthy")
    build = jenkins.start("deepinDeploy()", root, **variables)
    _until_stopped(build.pid)
    assert live.containers(change)
    build.abort(signal.SIGTERM)
    os.kill(build.pid, signal.SIGCONT)
    ended = build.ended()
    assert ended.outcome["kind"] == "FlowInterruptedException"
    assert (live.containers(change), live.networks(change)) == ([], [])
    assert live.store.environment(str(change)) is None
    (archived,) = ended.outcome["archived"]
    result = json.loads((Path(f"{root}@tmp") / archived).read_text())
    assert (result["state"], result["error"]["exit_code"]) == ("aborted", 143)


def test_an_abort_during_a_build_is_not_its_authors_fault(
    live: LiveSite, jenkins: Jenkins, change: int, web: Web
) -> None:
    """Jenkins ends the builder first, and us when it is gone: that is no BuildError."""
    root = web(
        'services:\n  web:\n    build: .\n    ports: ["8080"]\n',
        Dockerfile="FROM pydeploy-test/python:1\nRUN echo begun && sleep 300\n",
    )
    build = jenkins.start("deepinDeploy()", root, **gerrit(change, 1, committed(root)))
    console = build.folder / "console"
    eventually(lambda: console.exists() and " begun" in console.read_text(), 60)
    build.abort(signal.SIGTERM)
    ended = build.ended()
    assert ended.outcome["kind"] == "FlowInterruptedException"
    (archived,) = ended.outcome["archived"]
    result = json.loads((Path(f"{root}@tmp") / archived).read_text())
    assert (result["state"], result["error"]["class"]) == ("aborted", "Interrupted")
    assert live.containers(change) == []


def _until_stopped(pid: int) -> None:
    state = Path(f"/proc/{pid}/stat")
    eventually(lambda: state.read_text().rsplit(")", 1)[1].split()[0] == "T", 60)


def test_two_services_in_parallel(
    live: LiveSite, jenkins: Jenkins, change: int, web: Web, tmp_path: Path
) -> None:
    """In one pipeline, and in two builds at the same instant on one agent."""
    root = tmp_path / "both"
    for name in ("a", "b"):
        web(name=f"both/{name}")
    revision = committed(root)
    one, two = f"a-{change}", f"b-{change}"
    call = (
        "Map found = [:]\n"
        f"parallel(a: {{ found.a = deepinDeploy(folder: 'a', name: '{one}').url }},"
        f" b: {{ found.b = deepinDeploy(folder: 'b', name: '{two}').url }})\n"
        "return found"
    )
    try:
        ended = jenkins.run(call, root, **gerrit(change, 1, revision))
        assert [live.get(one).status, live.get(two).status] == [200, 200]
        assert sorted(ended.returned) == ["a", "b"]
        assert len(set(ended.outcome["archived"])) == 2

        def forced(name: str, folder: str) -> Any:
            text = f"return deepinDeploy(folder: '{folder}', name: '{name}', force: true)"
            return jenkins.start(text, root, **gerrit(change, 1, revision))

        builds = [forced(one, "a"), forced(two, "b")]
        with ThreadPoolExecutor(2) as pool:
            ends = list(pool.map(lambda build: build.ended(), builds))
        assert [end.returned["environment"] for end in ends] == [one, two]
    finally:
        live.cli("remove", one, two)


def test_the_other_steps(live: LiveSite, jenkins: Jenkins, change: int, web: Web) -> None:
    """Check, build, status and promote, in one pipeline."""
    root = web()
    staging = f"staging-{change}"
    text = f"""
        Map found = [checked: deepinCheck(), built: deepinBuild(), deployed: deepinDeploy()]
        found.status = deepinStatus()
        found.promoted = deepinPromote(to: '{staging}')
        found.removed = deepinRemove(environment: '{staging}', purgeData: true)
        return found
    """
    try:
        found = jenkins.run(text, root, **gerrit(change, 1, committed(root))).returned
        assert found["checked"]["state"] == "passed"
        assert found["built"]["state"] == "built"
        assert found["status"]["health"] == "1/1 up"
        assert found["status"]["images"] == found["promoted"]["images"]
        assert found["promoted"]["environment"] == staging
        assert found["removed"]["state"] == "removed"
    finally:
        live.cli("remove", staging, "--purge-data")


def test_the_whole_way(live: LiveSite, jenkins: Jenkins, change: int, web: Web) -> None:
    """deepinPipeline: each stage on real parts, and the end of a change that was merged."""
    root = web()
    variables = gerrit(change, 1, committed(root))
    text = "return deepinPipeline(report: false, verify: { result -> echo('saw ' + result.url) })"
    ended = jenkins.run(text, root, **variables)
    url = ended.returned["url"]
    assert live.get(change).status == 200
    assert ended.outcome["echoed"] == [f"{change} is running, 1/1 up", f"saw {url}"]
    assert len(ended.outcome["archived"]) == 4
    merged = jenkins.run(text, root, **variables, GERRIT_EVENT_TYPE="change-merged")
    assert merged.returned["state"] == "removed"
    assert live.containers(change) == []
