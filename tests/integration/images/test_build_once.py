"""Built once, deployed everywhere: also when two ask at once, and when one of them dies."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pydeploy.clients.shell import Cancelled
from pydeploy.errors import BuildError
from pydeploy.state.keys import Keys
from tests.integration.images.build_world import BASE, World, docker, runs, wait_until

CHILD = """
import json, sys
from pathlib import Path
from pydeploy import images
from pydeploy.clients.docker import DockerEngine
from pydeploy.clients.etcd import Etcd
from pydeploy.config.site import Site

given = json.loads(sys.argv[1])
site = Site.model_validate(given["site"])
prepared = images.prepare(
    given["model"],
    root=Path(given["root"]),
    identity=images.BuildIdentity(**given["identity"]),
    site=site,
    engine=DockerEngine("local", site.engines["local"]),
    etcd=Etcd(site.etcd.endpoints),
    on_line=lambda line: print(line, file=sys.stderr, flush=True),
)
print(prepared.images[0].digest)
"""


def child(world: World) -> subprocess.Popen[str]:
    """Another agent's `prepare` of the same revision."""
    given = {
        "site": world.site.model_dump(mode="json"),
        "model": {"services": {"web": world.build()}},
        "root": str(world.root),
        "identity": world.identity("a" * 40).__dict__,
    }
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, json.dumps(given)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def unique(seconds: float) -> str:
    """A Dockerfile whose RUN cannot be in the cache."""
    return f"FROM {BASE}\nRUN cat /proc/uptime > /id-{time.time_ns()}; sleep {seconds}\n"


def locks(world: World) -> int:
    return len(world.etcd.range(Keys(world.site.etcd.prefix).lock()).kvs)


def test_a_second_build_of_a_revision_takes_the_first(world: World) -> None:
    first = world.prepare()
    world.lines.clear()
    assert world.prepare() == first
    assert world.lines == []


def test_two_that_start_at_once_build_once(world: World) -> None:
    world.write(Dockerfile=unique(1))
    with ThreadPoolExecutor(2) as pool:
        one, two = (future.result() for future in [pool.submit(world.prepare) for _ in range(2)])
    assert one == two
    assert world.built("RUN cat") == 1
    assert any("builds the same since" in line for line in world.lines)
    assert locks(world) == 0


def test_two_processes_build_once(pushing: World) -> None:
    pushing.write(Dockerfile=unique(1))
    agents = [child(pushing), child(pushing)]
    outputs = [agent.communicate(timeout=60) for agent in agents]
    assert len({stdout for stdout, _ in outputs}) == 1, outputs
    assert sum("RUN cat" in stderr for _, stderr in outputs) == 1, outputs


@pytest.mark.slow
def test_when_the_builder_is_killed_the_other_takes_over(world: World) -> None:
    """Its lock falls with its lease, and its build stops with its client."""
    world.write(Dockerfile=unique(7.125))
    first = child(world)
    wait_until(lambda: runs("sleep 7.125"))
    second = child(world)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate(timeout=10)
    wait_until(lambda: not runs("sleep 7.125"), 4)
    stdout, stderr = second.communicate(timeout=90)
    assert stdout.startswith("sha256:"), stderr
    assert locks(world) == 0


def test_when_the_first_fails_the_second_builds(world: World) -> None:
    world.write(Dockerfile=f"FROM {BASE}\nRUN echo {time.time_ns()}; sleep 1; false\n")
    with ThreadPoolExecutor(2) as pool:
        failures = [future.exception() for future in [pool.submit(world.prepare) for _ in "12"]]
    assert [type(failure) for failure in failures] == [BuildError, BuildError]
    assert world.built("RUN echo") == 2


def test_a_record_whose_image_has_gone_is_not_believed(world: World) -> None:
    (first,) = world.prepare().images
    world.forget()
    (second,) = world.prepare().images
    assert docker("image", "ls", "-q", second.ref)
    assert second.ref == first.ref


def test_a_record_whose_manifest_has_gone_is_not_believed(pushing: World, registry) -> None:
    (first,) = pushing.prepare().images
    repository = f"{pushing.namespace}/demo/hello/web"
    assert registry.delete(repository, first.digest)
    (second,) = pushing.prepare().images
    assert registry.exists(repository, second.digest)


def test_another_engine_fetches_what_was_built(pushing: World) -> None:
    """Here: this one, after it lost the image."""
    first = pushing.prepare()
    pushing.forget()
    pushing.lines.clear()
    assert pushing.prepare() == first
    assert pushing.lines == []
    assert docker("image", "inspect", first.images[0].pinned)


def test_other_content_under_the_same_revision_is_another_build(world: World) -> None:
    (first,) = world.prepare().images
    world.write(Dockerfile=f"FROM {BASE}\nRUN echo other > /hello\n")
    (second,) = world.prepare().images
    assert first.digest != second.digest


def test_another_revision_with_the_same_content_has_its_own_tag(world: World) -> None:
    (first,) = world.prepare().images
    world.lines.clear()
    (second,) = world.prepare(revision="b" * 40).images
    assert first.ref != second.ref
    assert world.built("RUN echo") == 0


def test_records_go_after_seven_days(world: World) -> None:
    world.prepare()
    (kv,) = world.etcd.range(Keys(world.site.etcd.prefix).build()).kvs
    assert 6 * 86400 < world.etcd.keep_alive(kv.lease) <= 7 * 86400


def test_a_cancelled_build_has_stopped_in_the_engine(world: World) -> None:
    seconds = 60 + time.time_ns() % 1000 / 1e3
    world.write(Dockerfile=f"FROM {BASE}\nRUN echo started && sleep {seconds}\n")
    cancel = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(world.prepare, cancel=cancel)
        wait_until(lambda: runs(f"sleep {seconds}"))
        cancel.set()
        assert isinstance(future.exception(timeout=20), Cancelled)
    assert not runs(f"sleep {seconds}")
    assert locks(world) == 0


def test_a_failure_stops_the_other_services(world: World) -> None:
    seconds = 60 + time.time_ns() % 1000 / 1e3
    world.write(Dockerfile=f"FROM {BASE}\nRUN sleep {seconds}\n")
    world.write(Bad=f"FROM {BASE}\nRUN sleep 1; echo {time.time_ns()}; false\n")
    started = time.monotonic()
    with pytest.raises(BuildError, match="Bad:2"):
        world.prepare({"web": world.build(), "bad": world.build(dockerfile="Bad")})
    assert time.monotonic() - started < 20
    assert not runs(f"sleep {seconds}")


def test_a_cancel_while_another_builds_ends_the_waiting(world: World) -> None:
    world.write(Dockerfile=unique(4))
    first = child(world)
    wait_until(lambda: locks(world) == 1)
    cancel = threading.Event()
    threading.Timer(1, cancel.set).start()
    with pytest.raises(Cancelled):
        world.prepare(cancel=cancel)
    stdout, stderr = first.communicate(timeout=60)
    assert stdout.startswith("sha256:"), stderr
