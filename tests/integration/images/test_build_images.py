"""Built, named, labelled, pinned; with a registry and without."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pydeploy.clients.registry import Registry
from pydeploy.errors import ConfigError, ServiceError
from tests.integration.images.build_world import BASE, World, docker, inspect

GATEWAYS = ("127.0.0.1", "172.17.0.1")  # itself, and Docker's usual address of the host


def compose_up(model: dict, folder: Path, project: str) -> str:
    """What `docker compose up` of a prepared model prints, without build and pull."""
    file = folder / "prepared.json"
    file.write_text(json.dumps(model))
    compose = ["docker", "compose", "-p", project, "-f", str(file)]
    try:
        finished = subprocess.run(
            [*compose, "up", "--no-build", "--pull=never", "--no-color"],
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        subprocess.run([*compose, "down", "-v"], capture_output=True, check=True)
    return finished.stdout


def test_without_a_registry_the_image_id_is_pinned(world: World) -> None:
    prepared = world.prepare()
    (image,) = prepared.images
    assert image.ref == f"{world.namespace}/demo/hello/web:7-1-aaaaaaa"
    assert image.digest == inspect(image.ref)["Id"] == image.pinned
    assert prepared.model == {"services": {"web": {"image": image.digest}}}
    assert world.run(prepared, "cat", "/hello") == "hello"


def test_with_a_registry_the_manifest_is_pinned(pushing: World, registry: Registry) -> None:
    """And it is in the registry under our name and tag."""
    (image,) = pushing.prepare().images
    repository = f"{pushing.namespace}/demo/hello/web"
    assert image.pinned == f"{registry.address}/{repository}@{image.digest}"
    assert registry.digest(repository, "7-1-aaaaaaa") == image.digest


def test_labels_are_of_the_open_container_initiative_only(world: World) -> None:
    """Images are shared: nothing of an environment is on them."""
    (image,) = world.prepare().images
    assert inspect(image.digest)["Config"]["Labels"] == {
        "org.opencontainers.image.created": "2026-01-01T00:00:00Z",
        "org.opencontainers.image.revision": "a" * 40,
        "org.opencontainers.image.source": "https://gerrit.test/demo/hello",
        "org.opencontainers.image.title": "demo/hello/web",
        "org.opencontainers.image.version": "7-1-aaaaaaa",
    }


def test_compose_runs_exactly_what_is_pinned(pushing: World, tmp_path: Path) -> None:
    """A built, a baked and a taken image, with neither build nor pull nor checkout."""
    pushing.write(conf="from the repository")
    mount = {"type": "bind", "source": str(pushing.root / "conf"), "target": "/conf"}
    services = {
        "web": {**pushing.build(), "command": ["cat", "/hello"]},
        "baked": {"image": BASE, "command": ["cat", "/conf"], "volumes": [mount]},
        "taken": {"image": BASE, "command": ["echo", "as it is"]},
    }
    prepared = pushing.prepare(services)
    (pushing.root / "conf").unlink()
    printed = compose_up(prepared.model, tmp_path, pushing.namespace)
    for text in ("| hello", "| from the repository", "| as it is"):
        assert text in printed


def test_arguments_target_and_dockerfile_reach_the_build(world: World) -> None:
    (world.root / "sub").mkdir()
    (world.root / "sub/D").write_text(
        f'FROM {BASE} AS one\nARG A\nRUN echo "$A" > /a\nFROM one AS two\nRUN false\n'
    )
    service = world.build(
        context=str(world.root / "sub"), dockerfile="D", target="one", args={"A": "x $$y"}
    )
    assert world.run(world.prepare({"web": service}), "cat", "/a") == "x $y"


def test_an_inline_dockerfile(world: World) -> None:
    text = f"FROM {BASE}\nRUN echo inline > /i\n"
    prepared = world.prepare({"web": world.build(dockerfile_inline=text)})
    assert world.run(prepared, "cat", "/i") == "inline"


def test_the_ca_reaches_the_build_as_a_secret_and_stays_out_of_the_image(
    world: World, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text("THE CA")
    world.extra = {"build": {"ca": str(tmp_path / "ca.pem")}}
    run = "RUN --mount=type=secret,id=ca cat /run/secrets/ca | sha256sum > /sum"
    world.write(Dockerfile=f"FROM {BASE}\n{run}\n")
    prepared = world.prepare()
    assert len(world.run(prepared, "cat", "/sum").split()[0]) == 64
    assert world.run(prepared, "ls", "/run") == ""


def test_the_proxy_reaches_the_build_and_stays_out_of_the_image(world: World) -> None:
    world.extra = {"build": {"proxy": {"http": "http://user:secret@proxy.test:1"}}}
    world.write(Dockerfile=f'FROM {BASE}\nRUN test "$http_proxy" && env > /dev/null\n')
    (image,) = world.prepare().images
    assert "proxy.test" not in json.dumps(inspect(image.digest))
    assert "proxy.test" not in docker("history", "--no-trunc", image.digest)


def test_the_registrys_password_is_in_no_argument(
    world: World, private_registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pushed and pulled with it, and it is in no argv, environment, log or image."""
    from pydeploy.clients import shell

    monkeypatch.setenv("PYDEPLOY_REGISTRY_PASSWORD", "hunter2")
    seen: list[str] = []
    run = shell.run

    def spy(argv, **keys):
        seen.append(f"{argv} {keys.get('env_vars')}")
        return run(argv, **keys)

    monkeypatch.setattr(shell, "run", spy)
    world.registry = private_registry.address
    named = {"address": world.registry, "namespace": world.namespace, "username": "bot"}
    world.extra = {"registry": named}
    (image,) = world.prepare().images
    assert private_registry.exists(f"{world.namespace}/demo/hello/web", image.digest)
    world.forget()
    assert world.prepare().images == (image,)
    said = [*seen, *world.lines, json.dumps(inspect(image.pinned))]
    assert seen
    assert "hunter2" not in "".join(said)


def test_without_the_password_it_is_the_operators_turn(
    world: World, private_registry: Registry
) -> None:
    world.registry = private_registry.address
    with pytest.raises(ServiceError) as failure:
        world.prepare()
    assert failure.value.service == "registry"


def test_a_build_does_not_reach_the_sites_own_parts(pushing: World) -> None:
    """Registry and etcd listen on loopback, and a build has a network of its own."""
    assert pushing.registry
    port = pushing.registry.rpartition(":")[2]
    etcd = pushing.etcd.endpoints[0].rpartition(":")[2]
    tries = " || ".join(
        f"wget -q -T 2 -O - http://{host}:{one}" for host in GATEWAYS for one in (port, etcd)
    )
    pushing.write(Dockerfile=f"FROM {BASE}\nRUN if {tries}; then false; fi\n")
    pushing.prepare()


def test_a_cache_mount_is_shared_within_a_project_only(world: World) -> None:
    """Else one project could put something into another's package cache."""
    mount = "RUN --mount=type=cache,id=pydeploy-images-test,target=/c"
    run = f"cat /c/* > /found 2>/dev/null; echo {world.namespace} > /c/x"
    world.write(Dockerfile=f"FROM {BASE}\n{mount} {run}\n")
    one, two = world, replace(world, namespace=f"{world.namespace}x", lines=[])
    try:
        one.prepare()
        theirs = two.prepare({"web": two.build(args={"BUILDKIT_CACHE_MOUNT_NS": "mine"})})
        assert two.run(theirs, "cat", "/found") == ""
    finally:
        two.forget()


def test_what_a_change_leaves_in_a_cache_mount_stays_with_it(world: World) -> None:
    """Nobody has reviewed it: neither the merged revision nor another change gets it."""
    mount = "RUN --mount=type=cache,id=pydeploy-images-test,target=/c"
    run = f"cat /c/x > /found 2>/dev/null; echo $WHO >> /c/x # {world.namespace}"
    world.write(Dockerfile=f"FROM {BASE}\nARG WHO\n{mount} {run}\n")

    def found(who: str, change: int | None) -> str:
        prepared = world.prepare({"web": world.build(args={"WHO": who})}, change=change)
        return world.run(prepared, "cat", "/found")

    assert "" == found("poison", 7)
    assert "" == found("branch", None)
    assert "" == found("other", 8)
    assert "poison" == found("again", 7)
    assert "branch" == found("once more", None)


def test_an_image_that_is_there_is_not_pulled(world: World) -> None:
    prepared = world.prepare({"store": {"image": BASE}})
    assert prepared.images[0].digest == inspect(BASE)["Id"]
    assert not world.lines


def test_an_image_of_a_registry_is_pulled_and_pinned_by_digest(pushing: World) -> None:
    name = f"{pushing.registry}/{pushing.namespace}/store:1"
    docker("tag", BASE, name)
    docker("push", "-q", name)
    docker("image", "rm", name)
    (image,) = pushing.prepare({"store": {"image": name}}).images
    assert image.pinned.startswith(f"{pushing.registry}/{pushing.namespace}/store@sha256:")


def test_an_image_that_does_not_exist_is_the_authors(pushing: World) -> None:
    name = f"{pushing.registry}/{pushing.namespace}/nosuch:1"
    with pytest.raises(ConfigError, match="there is no image"):
        pushing.prepare({"store": {"image": name}})


def test_a_name_that_is_none_is_the_authors(world: World) -> None:
    with pytest.raises(ConfigError, match="no name of an image"):
        world.prepare({"store": {"image": "No Name"}})


def test_an_image_whose_registry_is_away_is_the_operators(world: World) -> None:
    with pytest.raises(ServiceError, match="could not be pulled") as failure:
        world.prepare({"store": {"image": "127.0.0.1:1/x:1"}})
    assert failure.value.exit_code == 6


def test_a_cache_in_the_registry_serves_an_engine_that_has_none(pushing: World) -> None:
    """The RUN is not carried out again: the layer comes from the registry."""
    run = f"RUN cat /proc/sys/kernel/random/uuid > /once # {pushing.namespace}"
    pushing.write(Dockerfile=f"FROM {BASE}\n{run}\n")
    first = pushing.prepare()
    once = pushing.run(first, "cat", "/once")
    pushing.forget()
    drop_cache(pushing.namespace)
    assert pushing.namespace not in docker("buildx", "du", "--verbose")
    pushing.lines.clear()
    pushing.etcd.delete_prefix(f"/{pushing.namespace}/")
    second = pushing.prepare(revision="b" * 40)
    assert pushing.run(second, "cat", "/once") == once


def test_what_lost_its_name_gets_another(pushing: World, registry: Registry) -> None:
    """So that it is listed when it should be removed; here and without a registry."""
    pushing.write(Dockerfile=f"FROM {BASE}\nARG A\nRUN echo $A > /a\n")
    for address in (registry.address, None):
        pushing.registry = address
        (first,) = pushing.prepare().images
        (second,) = pushing.prepare({"web": pushing.build(args={"A": "other"})}).images
        assert first.ref == second.ref
        name = f"{first.ref}-{first.digest.removeprefix('sha256:')[:6]}"
        if address:
            path, tag = name.removeprefix(f"{address}/").rsplit(":", 1)
            assert registry.digest(path, tag) == first.digest
        else:
            assert inspect(name)["Id"] == first.digest


def test_the_cache_outlives_the_image(pushing: World, registry: Registry) -> None:
    """It has a digest of its own: the image goes when no record names its digest."""
    (image,) = pushing.prepare().images
    repository = f"{pushing.namespace}/demo/hello/web"
    assert registry.delete(repository, image.digest)
    assert registry.tags(repository) == ("7-buildcache",)
    assert registry.exists(repository, "7-buildcache")


def test_a_change_never_writes_the_cache_of_its_branch(pushing: World, registry: Registry) -> None:
    """It takes from there: the RUN that the branch has carried out is not carried out again."""
    run = f"RUN cat /proc/sys/kernel/random/uuid > /once # {pushing.namespace}"
    pushing.write(Dockerfile=f"FROM {BASE}\n{run}\n")
    once = pushing.run(pushing.prepare(change=None), "cat", "/once")
    repository = f"{pushing.namespace}/demo/hello/web"
    before = registry.digest(repository, "buildcache")
    pushing.forget()
    drop_cache(pushing.namespace)
    change = pushing.prepare(revision="b" * 40)
    assert once == pushing.run(change, "cat", "/once")
    assert before == registry.digest(repository, "buildcache")
    assert registry.exists(repository, "7-buildcache")


def drop_cache(text: str) -> None:
    """Remove those records of the build cache that an instruction of ours left behind."""
    for line in docker("buildx", "du", "--verbose").split("\n\n"):
        fields = dict(part.split(":", 1) for part in line.splitlines() if ":" in part)
        if text in fields.get("Description", ""):
            docker("builder", "prune", "-f", "-a", "--filter", f"id={fields['ID'].strip()}")
