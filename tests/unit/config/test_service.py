"""pydeploy.yml: the team's words."""

from __future__ import annotations

from pathlib import Path

import pytest

from pydeploy.config import files, service
from pydeploy.config.service import Front, Service
from pydeploy.errors import ConfigError


def parse(text: str) -> Service:
    return files.parse(text, Service, ConfigError, where="pydeploy.yml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: wrb", "kind: input should be 'auto', 'web', 'worker' or 'job'"),
        ("servce: a", "servce: unknown key; did you mean 'service'?"),
        ("service: Hello Web", "service: "),
        ("service: ../x", "service: "),
        ("front: {port: 0}", "front/port: "),
        ("front: {port: 65536}", "front/port: "),
        ("front: {path: health}", "front/path: "),
        ("front: {path: '/a b'}", "front/path: "),
        ('front: {path: "/a\\r\\nHost: b"}', "front/path: "),
        ("front: {status: 400-200}", "front/status: should be an HTTP status such as 200"),
        ("front: {status: 20}", "front/status: "),
        ("front: {status: 200,}", ""),
        ("front: {status: '200-'}", "front/status: "),
        ("front: {status: 999}", "front/status: "),
        ("front: {status: ok}", "front/status: "),
        ("deadline: 0", "deadline: "),
        ("ttl: for ever", "ttl: "),
        ("domains: [evil.test]", "domains: unknown key"),
        ("limits: {memory: 64g}", "limits: unknown key"),
        ("policy: {images: ['*']}", "policy: unknown key"),
    ],
)
def test_wrong_values_say_what_is_right(text: str, said: str) -> None:
    """The author's error; a key of site.yml is unknown here, so nobody grants himself more."""
    if not said:
        parse(text)
        return
    with pytest.raises(ConfigError) as refused:
        parse(text)
    assert said in refused.value.message
    assert "author" == refused.value.fault


@pytest.mark.parametrize(
    ("wanted", "accepted", "refused"),
    [
        ("200-399", (200, 301, 399), (199, 400, 500)),
        ("200", (200,), (199, 201)),
        ("401", (401,), (200,)),
        ("500-599", (503,), (200,)),
    ],
)
def test_which_status_is_healthy(
    wanted: str, accepted: tuple[int, ...], refused: tuple[int, ...]
) -> None:
    """One status, or a range with both ends; a bare number in YAML is as good as text."""
    front = parse(f"front: {{status: {wanted}}}").front
    assert [True] * len(accepted) == [front.accepts(one) for one in accepted]
    assert [False] * len(refused) == [front.accepts(one) for one in refused]


def test_the_default_is_any_answer_that_is_no_error() -> None:
    """A redirect to a login page is a sign of life."""
    assert [True, True, False] == [Front().accepts(one) for one in (200, 302, 404)]


def test_no_file_is_all_defaults(tmp_path: Path) -> None:
    """pydeploy.yml is optional."""
    assert Service() == service.load(tmp_path)


@pytest.mark.parametrize("name", service.FILE_NAMES)
def test_the_file_is_read(tmp_path: Path, name: str) -> None:
    """Under either of its names."""
    (tmp_path / name).write_text("kind: job\n")
    assert "job" == service.load(tmp_path).kind


def test_two_files_are_an_error(tmp_path: Path) -> None:
    """Nobody has to guess which one counts."""
    for name in service.FILE_NAMES:
        (tmp_path / name).write_text("kind: job\n")
    with pytest.raises(ConfigError, match=r"both pydeploy.yml and pydeploy.yaml are there"):
        service.load(tmp_path)


def test_a_link_out_of_the_repository_is_not_followed(tmp_path: Path) -> None:
    """A change must not make us read, and quote, a file of the agent."""
    outside = tmp_path / "outside.yml"
    outside.write_text("secret: 1\n")
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "pydeploy.yml").symlink_to(outside)
    with pytest.raises(ConfigError, match="is a link out of the repository"):
        service.load(repository)
