"""Steps that tell others, from a pipeline: a real Gerrit, a chat, another Jenkins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.gerrit.conftest import settings
from tests.integration.support import pipelines
from tests.integration.support.gerrit_server import BOT, GerritServer, PushedChange
from tests.integration.support.pipelines import Jenkins
from tests.integration.support.repositories import WEB, repository
from tests.integration.support.site import LiveSite
from tests.unit.jenkins.fake import FakeJenkins, Job, string
from tests.unit.reporters.chat_server import SECRET, ChatServer


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    server = ChatServer().serve()
    yield server
    server.shutdown()


@pytest.fixture
def other() -> Iterator[FakeJenkins]:
    """The Jenkins that is triggered."""
    server = FakeJenkins()
    server.jobs["docs/publish"] = Job([string("URL")])
    yield server
    server.close()


def account(name: str, password: str) -> dict[str, Any]:
    secrets = {"usernameVariable": name, "passwordVariable": password}
    return {"kind": "UsernamePasswordMultiBinding", "secrets": secrets}


@pytest.fixture
def jenkins(
    live: LiveSite,
    gerrit: GerritServer,
    chat: ChatServer,
    other: FakeJenkins,
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
) -> Jenkins:
    """A controller whose operator has named the credentials once, for all jobs."""
    told = {"gerrit": settings(gerrit), "chat": [{"name": "team", "kind": "slack"}]}
    site = yaml.safe_load(live.file.read_text()) | told | {"jenkins": {"url": other.url}}
    file = tmp_path / "site.yml"
    file.write_text(yaml.safe_dump(site))
    folder = tmp_path / "jenkins"
    folder.mkdir()
    ids = {
        f"PYDEPLOY_{name.upper()}_CREDENTIALS_ID": name for name in ("gerrit", "chat", "jenkins")
    }
    return Jenkins(
        pipelines.classpath(tmp_path_factory.mktemp("classpath")),
        folder,
        {"PYDEPLOY_SITE": str(file), "JOB_NAME": "docs", "BUILD_NUMBER": "7", **ids},
        {
            "gerrit": account(*BOT),
            "chat": {"kind": "StringBinding", "secrets": {"variable": chat.url("slack")}},
            "jenkins": account("ci", other.users["ci"].api_token),
        },
    )


def variables(change: PushedChange) -> dict[str, str]:
    return {
        "GERRIT_CHANGE_NUMBER": str(change.number),
        "GERRIT_PATCHSET_NUMBER": str(change.patchset),
        "GERRIT_PATCHSET_REVISION": change.revision,
        "GERRIT_PROJECT": "demo",
        "GERRIT_BRANCH": "master",
    }


def test_a_pipeline_votes_tells_and_triggers(
    live: LiveSite, gerrit: GerritServer, jenkins: Jenkins, chat: ChatServer, other: FakeJenkins
) -> None:
    """The link with +1, the failure with -1 and its log; no secret on the console."""
    change = gerrit.change("Say $(hello) to 'everybody'")
    repository(change.clone, WEB)
    change.commit()
    pipeline = """
        Map result = deepinPipeline(chats: ['team'])
        deepinTrigger(job: 'docs/publish', parameters: [URL: result.url], wait: true)
        return result
    """
    try:
        ended = jenkins.run(pipeline, change.clone, **variables(change))
        url = ended.returned["url"]
        assert 1 == change.vote()
        assert url in change.said()[-1]
        assert 200 == live.get(change.number).status
        (told,) = chat.told
        assert url in told.body["text"]
        (build,) = other.jobs["docs/publish"].builds
        assert url == build.parameters["URL"]

        verified = "deepinPipeline(verify: { result -> error('no smoke at ' + result.url) })"
        smokeless = jenkins.run(verified, change.clone, **variables(change))
        assert smokeless.failure == f"no smoke at {url}"
        assert -1 == change.vote()
        assert "no smoke at" in change.said()[-1]
        assert "could not be verified" in change.said()[-1]

        broken = WEB.replace("/app/server.py", "/app/nosuch.py")
        repository(change.clone, broken)
        change.commit()
        failed = jenkins.run(pipeline, change.clone, **variables(change))
        assert failed.failure.endswith("(the author's turn)")
        assert -1 == change.vote()
        assert "can't open file" in change.said()[-1]
        assert "failed" in chat.told[-1].body["text"]
        assert 1 == len(other.jobs["docs/publish"].builds)
        assert 200 == live.get(change.number).status

        for console in (ended.console, failed.console):
            for secret in (BOT[1], SECRET, other.users["ci"].api_token):
                assert secret not in console
    finally:
        live.cli("remove", change.number)
