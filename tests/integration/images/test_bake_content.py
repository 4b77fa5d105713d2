"""Repository content as layers, seen from inside the container."""

from pathlib import Path
from typing import Any

from tests.integration.images.build_world import BASE, World, inspect


def bind(source: Path, target: str) -> dict[str, Any]:
    return {
        "type": "bind",
        "source": str(source).replace("$", "$$"),
        "target": target.replace("$", "$$"),
    }


def with_mounts(world: World, *mounts: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {"web": {**world.build(), "volumes": list(mounts), **keys}}


def test_a_folder_with_modes_links_and_odd_names(world: World) -> None:
    """Also a .dockerignore of the repository does not keep content out."""
    odd = "we ir\\d 's' $HOME \"q\" [a-z] *"
    folder = world.root / odd
    folder.mkdir()
    (folder / odd).write_text("odd")
    (folder / "run").write_text("#!/bin/sh\necho ran\n")
    (folder / "run").chmod(0o750)
    (folder / "link").symlink_to("run")
    (folder / "dangling").symlink_to("/nowhere")
    world.write(**{".dockerignore": "**\n!Dockerfile\n"})
    prepared = world.prepare(with_mounts(world, bind(folder, f"/opt/{odd}")))
    assert world.run(prepared, "cat", f"/opt/{odd}/{odd}") == "odd"
    assert world.run(prepared, f"/opt/{odd}/link") == "ran"
    assert world.run(prepared, "stat", "-c", "%a", f"/opt/{odd}/run") == "750"
    assert "dangling -> /nowhere" in world.run(prepared, "ls", "-l", f"/opt/{odd}")


def test_a_file_replaces_that_file_only(world: World) -> None:
    world.write(Dockerfile=f"FROM {BASE}\nRUN echo old > /etc/a && echo other > /etc/b\n", a="new")
    prepared = world.prepare(with_mounts(world, bind(world.root / "a", "/etc/a")))
    assert world.run(prepared, "cat", "/etc/a", "/etc/b") == "newother"


def test_the_whole_repository_without_git(world: World) -> None:
    (world.root / ".git").mkdir()
    (world.root / ".git/config").write_text("url = https://user:secret@gerrit.test/x")
    world.write(main="x")
    prepared = world.prepare(with_mounts(world, bind(world.root, "/app")))
    assert world.run(prepared, "ls", "-A", "/app").split() == ["Dockerfile", "main"]


def test_configs_and_secrets(world: World) -> None:
    world.write(c="config", s="secret")
    service = {
        "web": {
            **world.build(),
            "configs": [
                {"source": "c"},
                {"source": "c", "target": "/etc/c", "mode": 0o440, "uid": "5"},
            ],
            "secrets": [{"source": "s", "target": "/run/secrets/s"}],
        }
    }
    prepared = world.prepare(
        service,
        configs={"c": {"name": "x_c", "file": str(world.root / "c")}},
        secrets={"s": {"name": "x_s", "file": str(world.root / "s")}},
    )
    assert world.run(prepared, "cat", "/c", "/run/secrets/s") == "configsecret"
    assert world.run(prepared, "stat", "-c", "%u:%g %a", "/etc/c") == "5:0 440"
    assert set(prepared.model) == {"services"}


def test_content_on_an_image_that_is_not_built_here(world: World) -> None:
    world.write(conf="c")
    service = {"store": {"image": BASE, "volumes": [bind(world.root / "conf", "/conf")]}}
    prepared = world.prepare(service)
    (image,) = prepared.images
    assert image.ref == f"{world.namespace}/demo/hello/store:7-1-aaaaaaa"
    assert world.run(prepared, "cat", "/conf", service="store") == "c"


def test_the_image_in_between_leaves_no_name(pushing: World) -> None:
    pushing.write(conf="c")
    (image,) = pushing.prepare(with_mounts(pushing, bind(pushing.root / "conf", "/conf"))).images
    tags = [tag for one in pushing.engine.api.images() for tag in one["RepoTags"] or ()]
    assert [tag for tag in tags if pushing.namespace in tag] == [image.ref]
    assert inspect(image.ref)["RepoTags"] == [image.ref]
