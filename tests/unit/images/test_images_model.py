"""The model without the checkout."""

from pathlib import Path
from typing import Any

from pydeploy.images import model

ROOT = Path("/repo")


def service(**keys: Any) -> dict[str, Any]:
    return {"services": {"web": keys}}


def stripped(given: dict[str, Any]) -> dict[str, Any]:
    result = model.without_checkout(given, root=ROOT, pinned={"web": "sha256:1"})
    web: dict[str, Any] = result["services"]["web"]
    return web


def test_nothing_is_left_to_build() -> None:
    """Neither what builds, nor what would pull something else."""
    given = service(
        build={"context": "/repo", "tags": ["x"]},
        develop={"watch": []},
        pull_policy="build",
        init=True,
    )
    assert stripped(given) == {"image": "sha256:1", "init": True}


def test_only_mounts_of_the_repository_go() -> None:
    volume = {"type": "volume", "source": "data", "target": "/data"}
    bind = {"type": "bind", "source": "/repo/conf", "target": "/conf"}
    assert stripped(service(volumes=[bind, volume]))["volumes"] == [volume]
    assert "volumes" not in stripped(service(volumes=[bind]))


def test_file_configs_and_secrets_go_and_inline_ones_stay() -> None:
    given = service(configs=[{"source": "f"}, {"source": "i"}], secrets=[{"source": "s"}])
    given["configs"] = {"f": {"file": "/repo/f"}, "i": {"content": "x"}}
    given["secrets"] = {"s": {"file": "/repo/s"}}
    result = model.without_checkout(given, root=ROOT, pinned={"web": "i"})
    assert result == {
        "services": {"web": {"image": "i", "configs": [{"source": "i"}]}},
        "configs": {"i": {"content": "x"}},
    }


def test_the_given_model_is_not_changed() -> None:
    given = service(build={"context": "/repo"})
    stripped(given)
    assert given == service(build={"context": "/repo"})


def test_dollars_stay_doubled_and_paths_are_read_without() -> None:
    """Compose prints `$$`; its output is its input again, but a path on disk has one `$`."""
    mount = {"type": "bind", "source": "/re$$po/x", "target": "/x"}
    given = service(volumes=[mount], command=["echo", "$$HOME"])
    result = model.without_checkout(given, root=Path("/re$po"), pinned={"web": "i"})
    assert result["services"]["web"] == {"image": "i", "command": ["echo", "$$HOME"]}
    assert model.plain(given)["services"]["web"]["command"] == ["echo", "$HOME"]
