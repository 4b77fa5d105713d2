"""Repository content becomes layers: what is taken, where it goes, how it is written down."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pydeploy.errors import ConfigError, PolicyError
from pydeploy.images import content
from pydeploy.images.content import Content


def bind(source: Path | str, target: str) -> dict[str, Any]:
    return {"type": "bind", "source": str(source), "target": target}


def test_only_mounts_from_the_repository_are_taken(tmp_path: Path) -> None:
    """Volumes and what a policy exception let in from elsewhere stay mounts."""
    service = {
        "volumes": [
            bind(tmp_path / "conf", "/conf"),
            bind(tmp_path / "../elsewhere", "/e"),
            bind("/etc/hostname", "/h"),
            {"type": "volume", "source": "data", "target": "/data"},
        ]
    }
    assert content.of_service({}, service, tmp_path) == (
        Content(source=tmp_path / "conf", target="/conf"),
    )


def test_a_sibling_with_the_same_beginning_is_not_inside(tmp_path: Path) -> None:
    """`/repo-x` is not in `/repo`."""
    assert not content.is_inside(Path(f"{tmp_path}-x/f"), tmp_path)
    assert content.is_inside(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("kind", "use", "target"),
    [
        ("configs", {"source": "one"}, "/one"),
        ("configs", {"source": "one", "target": "/etc/x.conf"}, "/etc/x.conf"),
        ("secrets", {"source": "one"}, "/run/secrets/one"),
        ("secrets", {"source": "one", "target": "other"}, "/run/secrets/other"),
        ("secrets", {"source": "one", "target": "/abs"}, "/abs"),
    ],
)
def test_default_targets(tmp_path: Path, kind: str, use: dict[str, Any], target: str) -> None:
    """Those of the compose specification."""
    model = {kind: {"one": {"file": str(tmp_path / "f")}}}
    (found,) = content.of_service(model, {kind: [use]}, tmp_path)
    assert found.target == target


@pytest.mark.parametrize(("mode", "expected"), [(288, "0440"), ("0440", "0440"), (None, "")])
def test_mode_and_owner_of_a_config(tmp_path: Path, mode: Any, expected: str) -> None:
    """An integer, or octal text in newer versions of compose."""
    model = {"configs": {"c": {"file": str(tmp_path / "f")}}}
    use = {"source": "c", "uid": "5", "mode": mode}
    (found,) = content.of_service(model, {"configs": [use]}, tmp_path)
    assert (found.owner, found.mode) == ("5:0", expected)


@pytest.mark.parametrize("use", [{"uid": "0 --from=other"}, {"gid": "0\nRUN x"}, {"mode": "7 -x"}])
def test_an_owner_or_mode_is_not_another_option(tmp_path: Path, use: dict[str, Any]) -> None:
    model = {"configs": {"c": {"file": str(tmp_path / "f")}}}
    with pytest.raises(ConfigError):
        content.of_service(model, {"configs": [{"source": "c", **use}]}, tmp_path)


def test_what_lies_in_a_volume_is_named() -> None:
    """A layer does not reach into it."""
    service = {
        "volumes": [{"type": "volume", "source": "v", "target": "/data"}],
        "tmpfs": ["/run:size=1m"],
    }
    contents = tuple(
        Content(source=Path("/r"), target=one) for one in ("/data/seed", "/run/x", "/database")
    )
    assert list(content.covered(service, contents)) == ["/data/seed", "/run/x"]


def test_inline_configs_stay(tmp_path: Path) -> None:
    model = {"configs": {"c": {"content": "text"}}}
    assert content.of_service(model, {"configs": [{"source": "c"}]}, tmp_path) == ()


def test_outer_targets_come_first(tmp_path: Path) -> None:
    """As mounts lie on each other: the inner one wins, whatever the order in the file."""
    service = {"volumes": [bind(tmp_path / "a", "/app/conf"), bind(tmp_path / "b", "/app")]}
    found = content.of_service({}, service, tmp_path)
    assert [one.target for one in found] == ["/app", "/app/conf"]


def test_staging_keeps_modes_and_links_and_leaves_git_out(tmp_path: Path) -> None:
    """Links are copied as links, also those that lead nowhere; .git may hold credentials."""
    root, folder = tmp_path / "repo", tmp_path / "staged"
    (root / "app/.git").mkdir(parents=True)
    folder.mkdir()
    (root / "app/run.sh").write_text("x")
    (root / "app/run.sh").chmod(0o751)
    (root / "app/link").symlink_to("/etc/passwd")
    os.mkfifo(root / "app/pipe")
    content.stage((Content(source=root / "app", target="/app"),), root, folder)
    assert sorted(path.name for path in (folder / "0").iterdir()) == ["link", "run.sh"]
    assert (folder / "0/run.sh").stat().st_mode & 0o777 == 0o751
    assert (folder / "0/link").readlink() == Path("/etc/passwd")


def test_a_missing_source_is_an_empty_folder(tmp_path: Path) -> None:
    """As Docker makes one for a bind mount."""
    content.stage((Content(source=tmp_path / "no", target="/x"),), tmp_path, _folder(tmp_path))
    assert (tmp_path / "staged/0").is_dir()


def test_a_source_that_links_out_of_the_repository_is_refused(tmp_path: Path) -> None:
    """A mount follows links; ours does too, but not out."""
    root = tmp_path / "repo"
    root.mkdir()
    (root / "out").symlink_to("/etc")
    with pytest.raises(PolicyError, match="out of the repository"):
        content.stage((Content(source=root / "out", target="/x"),), root, _folder(tmp_path))


def test_the_dockerfile_names_numbers_and_targets_only(tmp_path: Path) -> None:
    """COPY reads JSON first, and each path like a shell's word then: escaped for both."""
    folder = _folder(tmp_path)
    (folder / "0").mkdir()
    (folder / "1").write_text("x")
    contents = (
        Content(source=Path("/r/d"), target='/a "b" $HOME'),
        Content(source=Path("/r/f"), target="/f", owner="5:0", mode="0440"),
    )
    text = content.dockerfile("base:1", contents, folder)
    lines = text.splitlines()
    assert lines[0] == "FROM base:1"
    assert json.loads(lines[1].removeprefix("COPY ")) == ["0/", '/a \\"b\\" \\$HOME/']
    assert lines[2] == 'COPY --chown=5:0 --chmod=0440 ["1", "/f"]'


def test_a_target_with_a_newline_is_refused(tmp_path: Path) -> None:
    """No text of a change begins a new instruction."""
    folder = _folder(tmp_path)
    (folder / "0").mkdir()
    with pytest.raises(PolicyError, match="control characters"):
        content.dockerfile("b", (Content(source=Path("/r"), target="/a\nRUN x"),), folder)


def test_the_digest_sees_names_content_links_and_the_executable_bit(tmp_path: Path) -> None:
    """Times, other mode bits and .git do not count: two clones differ in them."""
    (tmp_path / "a").write_text("1")
    before = content.digest((tmp_path,))
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/x").write_text("y")
    (tmp_path / "a").chmod(0o664)
    os.utime(tmp_path / "a", (1, 1))
    assert content.digest((tmp_path,)) == before
    seen = {before}
    (tmp_path / "a").chmod(0o755)
    seen.add(content.digest((tmp_path,)))
    (tmp_path / "a").write_text("2")
    seen.add(content.digest((tmp_path,)))
    (tmp_path / "a").rename(tmp_path / "b")
    seen.add(content.digest((tmp_path,)))
    (tmp_path / "l").symlink_to("b")
    seen.add(content.digest((tmp_path,)))
    (tmp_path / "empty").mkdir()
    seen.add(content.digest((tmp_path,)))
    assert len(seen) == 6


def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "staged"
    folder.mkdir()
    return folder
