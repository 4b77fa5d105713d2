"""Inspecting as a whole: errors by class, exceptions, names, and what never leaks."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pydeploy.config.site import Site
from pydeploy.errors import ConfigError, LayoutError, PolicyError, ServiceError, UsageError
from pydeploy.repository import canonical, formats, inspect, read
from pydeploy.repository.documents import dumped
from tests.unit.repository import fixtures

PLAIN = "services:\n  web:\n    image: debian:bookworm-slim\n"


def _repository(root: Path, compose: str = PLAIN, **files: str) -> Path:
    root.mkdir(exist_ok=True)
    (root / "docker-compose.yml").write_text(compose)
    for name, text in files.items():
        (root / name.replace("__", ".")).write_text(text)
    return root


def _site(**exception: Any) -> Site:
    return Site.model_validate({"policy": {"exceptions": [exception]}})


GRANT = {"gerrit_project": "iso/builder", "branch": "release/*", "allow": ["policy.privileged"]}


@pytest.mark.parametrize(
    ("project", "branch", "is_granted"),
    [
        ("iso/builder", "release/1", True),
        ("iso/builder", "refs/heads/release/1", True),
        ("iso/builder", "main", False),
        ("iso/builder-evil", "release/1", False),
        ("iso", "release/1", False),
        ("iso/builder", None, False),
        (None, "release/1", False),
        (None, None, False),
    ],
)
def test_exceptions(
    tmp_path: Path, project: str | None, branch: str | None, is_granted: bool
) -> None:
    """Only where Gerrit named both, the project exactly and the branch by pattern."""
    root = _repository(tmp_path / "r", PLAIN + "    privileged: true\n")
    result = inspect(root, site=_site(**GRANT), gerrit_project=project, branch=branch)
    assert (result.checkout is not None) == is_granted
    severity = "warning" if is_granted else "error"
    assert [f.severity for f in result.findings if f.code == "policy.privileged"] == [severity]
    if result.checkout is not None:
        assert result.checkout.model["services"]["web"]["privileged"] is True


def test_grants_do_not_hide_what_is_not_granted(tmp_path: Path) -> None:
    """However many findings a grant covers, the one that it does not cover counts."""
    many = "".join(f"  s{n}: {{image: x, privileged: true}}\n" for n in range(300))
    root = _repository(tmp_path / "r", f"services:\n{many}  z: {{image: x, pid: host}}\n")
    site = Site.model_validate({"policy": {"exceptions": [GRANT]}, "limits": {"services": 1000}})
    result = inspect(root, site=site, gerrit_project="iso/builder", branch="release/1")
    assert [finding.code for finding in result.errors] == ["policy.host-namespace"]


def test_paths_cannot_be_granted(tmp_path: Path) -> None:
    """Reading safely rests on them."""
    root = _repository(tmp_path / "r", PLAIN + "    env_file: /etc/environment\n")
    site = _site(gerrit_project="p", allow=["path.outside"])
    assert inspect(root, site=site, gerrit_project="p", branch="main").checkout is None


@pytest.mark.parametrize(
    ("compose", "team", "kind"),
    [
        (PLAIN, "front: {prt: 1}\n", ConfigError),
        ("services: [\n", "", LayoutError),
        (PLAIN + "    privileged: true\n", "", PolicyError),
        (PLAIN + "    env_file: ../x\n", "", PolicyError),
        (PLAIN + "    privileged: true\n", "front: {prt: 1}\n", PolicyError),
    ],
)
def test_class_of_the_failure(tmp_path: Path, compose: str, team: str, kind: type) -> None:
    """`read` raises one error that lists them all with places and mends."""
    root = _repository(tmp_path / "r", compose, pydeploy__yml=team)
    with pytest.raises(kind) as failed:
        read(root, site=Site())
    assert type(failed.value) is kind
    assert failed.value.exit_code == 2
    for finding in inspect(root, site=Site()).errors:
        assert formats.line(finding) in failed.value.message
        assert finding.mend in failed.value.message


def test_everything_at_once(tmp_path: Path) -> None:
    """A refused path does not hide what else is wrong."""
    compose = PLAIN + "    env_file: ../x\n    privileged: true\n    build: {context: /}\n"
    root = _repository(tmp_path / "r", compose, pydeploy__yml="front: {prt: 1}\n")
    codes = {finding.code for finding in inspect(root, site=Site()).errors}
    assert codes == {"path.outside", "policy.privileged", "config.invalid"}


def test_service_name(tmp_path: Path) -> None:
    """pydeploy.yml, else Gerrit's project, else the remote, else the folder."""
    root = _repository(tmp_path / "My Folder")
    assert read(root, site=Site()).service_name == "my-folder"
    subprocess.run(["git", "init", "-q", root], check=True)
    remote = ["remote", "add", "origin", "https://example.invalid/docs/Site.git"]
    subprocess.run(["git", "-C", root, *remote], check=True)
    assert read(root, site=Site()).service_name == "site"
    checkout = read(root, site=Site(), gerrit_project="docs/hello_web", branch="main")
    assert checkout.service_name == "hello-web"
    (root / "pydeploy.yml").write_text("service: named\n")
    assert read(root, site=Site(), gerrit_project="docs/x").service_name == "named"


def test_nothing_of_the_agent_is_interpolated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a secret of the environment nor what differs from agent to agent."""
    for name in ("AGENT_TOKEN", "SSH_AUTH_SOCK", "COMPOSE_PROFILES", "COMPOSE_FILE"):
        monkeypatch.setenv(name, "from-the-agent")
    names = ("AGENT_TOKEN", "SSH_AUTH_SOCK", "HOME", "PATH", "USER", "COMPOSE_PROFILES")
    pairs = ", ".join(f'{name}: "${{{name}}}"' for name in names)
    compose = PLAIN + f"    environment: {{{pairs}, AGENT_TOKEN2: null, SSH_AUTH_SOCK2: null}}\n"
    root = _repository(tmp_path / "r", compose, x__env="A=${AGENT_TOKEN}$AGENT_TOKEN\n")
    (root / "docker-compose.yml").write_text(compose + "    env_file: x.env\n")
    text = json.dumps(read(root, site=Site()).model)
    assert "from-the-agent" not in text
    assert str(Path.home()) not in text.replace(str(tmp_path), "")
    assert "AGENT_TOKEN2" not in text


def test_same_content_same_model(tmp_path: Path) -> None:
    """The folder that Compose worked in leaves no trace, so a release can be compared."""
    compose = PLAIN + '    environment: {HERE: "${PWD}"}\n    volumes: [".:/here"]\n'
    root = _repository(tmp_path / "r", compose)
    first, second = (read(root, site=Site()).model for _ in range(2))
    assert first == second
    assert first["services"]["web"]["environment"]["HERE"] == str(root)
    assert first["services"]["web"]["volumes"][0]["source"] == str(root)


def test_model_may_be_given_to_compose_again(tmp_path: Path) -> None:
    """Reading it a second time changes nothing: dollars are doubled, names are known."""
    compose = PLAIN + '    environment: {A: "a$$b", B: "$$${X:-y}", C: "ü\U0001f600\\u2028"}\n'
    model = read(_repository(tmp_path / "r", compose), site=Site()).model
    again = read(_repository(tmp_path / "s", dumped(model)), site=Site()).model
    assert again == model
    assert model["services"]["web"]["environment"] == {
        "A": "a$$b",
        "B": "$$y",
        "C": "ü\U0001f600\u2028",
    }


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    """A finding says where, never what."""
    values = {"private-key": "PRIVATE KEY", "token": "0" * 36, "url-password": "example-only"}
    for name, value in values.items():
        folder = tmp_path / name
        folder.mkdir()
        findings = inspect(fixtures.checkout("hostile", name, folder), site=Site()).findings
        everything = formats.text(findings) + formats.junit(findings)
        assert "secret." in everything
        assert value not in everything + json.dumps(formats.as_data(findings))


def test_git_is_not_a_finding_of_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """A wrong path is the caller's mistake, not the author's."""
    with pytest.raises(UsageError):
        inspect(tmp_path / "gone", site=Site())


def test_without_compose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is the operator's turn, exit 6."""
    monkeypatch.setattr(canonical.shutil, "which", lambda _: None)
    with pytest.raises(ServiceError) as failed:
        inspect(_repository(tmp_path / "r"), site=Site())
    assert failed.value.service == "docker"
