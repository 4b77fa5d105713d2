"""Whose turn it is when a build fails, as BuildKit and the programs really say it."""

import time
from dataclasses import replace

import pytest

from pydeploy.clients.docker import DockerEngine
from pydeploy.config.site import Engine
from pydeploy.errors import BuildError, ServiceError
from tests.integration.images.build_world import BASE, World, free_port


def dockerfile(*instructions: str) -> str:
    """Never from the cache, which would not say what failed."""
    return "\n".join([f"FROM {BASE}", f"ENV NOW={time.time_ns()}", *instructions, ""])


def test_a_failing_run_is_the_authors_with_its_line(world: World) -> None:
    world.write(Dockerfile=dockerfile("RUN echo the reason && sh -c 'exit 3'"))
    with pytest.raises(BuildError) as failure:
        world.prepare()
    expected = "web: Dockerfile:3: `RUN echo the reason && sh -c 'exit 3'` ended with exit code 3"
    assert failure.value.message == expected
    assert failure.value.logs == "the reason"
    assert failure.value.exit_code == 3


def test_a_mirror_that_is_away_is_the_operators(world: World) -> None:
    """The build's own loopback: nothing listens there."""
    world.write(Dockerfile=dockerfile("RUN wget -O /x http://127.0.0.1:9/x"))
    with pytest.raises(ServiceError, match="network or a mirror failed") as failure:
        world.prepare()
    assert failure.value.exit_code == 6
    assert "can't connect" in failure.value.logs


def test_a_name_that_does_not_resolve_is_the_operators(world: World) -> None:
    world.write(Dockerfile=dockerfile("RUN wget -O /x http://mirror.invalid/x"))
    with pytest.raises(ServiceError, match="wget"):
        world.prepare()


def test_a_network_warning_that_was_survived_does_not_excuse_the_author(world: World) -> None:
    noise = "ls -d /bin /tmp /etc /run; " * 20
    warned = 'echo "wget: can\'t connect to remote host"'
    world.write(Dockerfile=dockerfile(f"RUN {warned}; {noise} false"))
    with pytest.raises(BuildError):
        world.prepare()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FROM {base}\nNOSUCH x\n", "unknown instruction: NOSUCH"),
        ("FROM {base}\nCOPY nosuch /\n", "nosuch"),
        ("FROM {base}\nRUN nosuchprogram\n", "exit code 127"),
        ("", "is empty|no build stage|cannot be empty"),
    ],
)
def test_a_dockerfile_that_is_wrong_is_the_authors(world: World, text: str, message: str) -> None:
    world.write(Dockerfile=text.format(base=BASE))
    with pytest.raises(BuildError, match=message):
        world.prepare()


def test_a_base_image_whose_registry_is_away_is_the_operators(world: World) -> None:
    world.write(Dockerfile=f"FROM 127.0.0.1:{free_port()}/x:1\n")
    with pytest.raises(ServiceError) as failure:
        world.prepare()
    assert failure.value.service == "registry"


def test_a_base_image_that_does_not_exist_is_the_authors(pushing: World) -> None:
    pushing.write(Dockerfile=f"FROM {pushing.registry}/nosuch:1\n")
    with pytest.raises(BuildError, match=r"Dockerfile:1: .*not found"):
        pushing.prepare()


def test_a_registry_that_is_away_is_the_operators(world: World) -> None:
    world.registry = f"127.0.0.1:{free_port()}"
    with pytest.raises(ServiceError) as failure:
        world.prepare()
    assert (failure.value.exit_code, failure.value.service) == (6, "registry")


def test_an_engine_that_is_away_is_the_operators(world: World) -> None:
    away = DockerEngine("away", Engine(host="unix:///nowhere/docker.sock"))
    with pytest.raises(ServiceError) as failure:
        replace(world, engine=away).prepare()
    assert failure.value.service == "docker"


def test_etcd_that_is_away_is_the_operators_and_nothing_is_built(world: World) -> None:
    from pydeploy.clients.etcd import Etcd

    world.etcd = Etcd((f"http://127.0.0.1:{free_port()}",))
    with pytest.raises(ServiceError) as failure:
        world.prepare()
    assert failure.value.service == "etcd"
    assert world.lines == []


def test_a_build_that_takes_too_long_is_told_so(world: World) -> None:
    world.extra = {"build": {"timeout": 2}}
    world.write(Dockerfile=dockerfile("RUN echo waiting; sleep 60"))
    with pytest.raises(BuildError, match="took longer than 2s") as failure:
        world.prepare()
    assert failure.value.logs == "waiting"


def test_a_full_disk_is_the_operators(world: World) -> None:
    """A tmpfs of one page stands for the disk."""
    mount = "--mount=type=tmpfs,target=/small,size=4096"
    world.write(Dockerfile=dockerfile(f"RUN {mount} dd if=/dev/zero of=/small/x bs=100k count=1"))
    with pytest.raises(ServiceError, match="disk is full"):
        world.prepare()
