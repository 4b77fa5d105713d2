"""Kept data: stateful services stay, the rest is swapped, and nothing of it is ever lost."""

from __future__ import annotations

import contextlib
import functools
import os
import pty
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.support import keeping as keeping_service
from tests.integration.support.keeping import PROGRAM, add, container_of, rows
from tests.integration.support.repositories import PYTHON, repository
from tests.integration.support.site import LiveSite
from tests.integration.support.waiting import eventually

Write = Callable[..., Path]


@pytest.fixture
def keeping(tmp_path: Path) -> Write:
    return functools.partial(keeping_service.written, tmp_path / "keeping")


@pytest.fixture
def staging(live: LiveSite, change: int) -> Iterator[str]:
    name = f"staging-{change}"
    yield name
    live.cli("remove", name, "--purge-data")


class Load:
    """Requests to an environment's front, one every 20 ms, until the block ends."""

    def __init__(self, live: LiveSite, name: str) -> None:
        self.live, self.name = live, name
        self.failed: list[object] = []
        self.count = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.02):
            self.count += 1
            try:
                answer = self.live.get(self.name)
                if answer.status != 200:
                    self.failed.append(answer)
            except OSError as problem:
                self.failed.append(problem)


def test_rows_stay_over_promotions_and_a_rollback(
    live: LiveSite, change: int, keeping: Write, staging: str
) -> None:
    """Five promotions and a rollback: the same store, all rows, no failed request."""
    repo = keeping()
    live.cli.ok("deploy", repo, "--change", change, "--patchset", 1)
    first = live.cli.ok("promote", change, "--to", staging)
    assert f"{staging}-{change}-1" == first["release"]
    store = container_of(live, staging, "store")
    add(live, staging, "one")
    with Load(live, staging) as load:
        for patchset in range(2, 6):
            (repo / "source" / "note").write_text(str(patchset))
            deployed = live.cli.ok("deploy", repo, "--change", change, "--patchset", patchset)
            promoted = live.cli.ok("promote", change, "--to", staging)
            assert deployed["images"] == promoted["images"]
            assert {} == promoted["gaps_s"]
            add(live, staging, f"row-{patchset}")
        back = live.cli.ok("rollback", staging)
    assert [] == load.failed
    assert load.count > 50
    assert ["one", "row-2", "row-3", "row-4", "row-5"] == rows(live, staging)
    assert store == container_of(live, staging, "store")
    assert f"{staging}-{change}-4-2" == back["release"]
    assert "4" == live.get(staging).told["PYDEPLOY_PATCHSET"]


@pytest.mark.parametrize("what", ["definition", "image"])
def test_a_stateful_service_that_changes_is_replaced_on_its_volume(
    live: LiveSite, keeping: Write, staging: str, what: str
) -> None:
    """With a gap that is measured; the old release sees the new one, too; the rows stay."""
    live.cli.ok("deploy", keeping("1"), "--name", staging)
    before = container_of(live, staging, "store")
    add(live, staging, "one")
    changed = keeping("2" if what == "definition" else "1")
    if what == "image":
        program = changed / "keeper.py"
        program.write_text(program.read_text() + "# of the image\n")
    with Load(live, staging) as load:
        second = live.cli.ok("deploy", changed, "--name", staging)
    assert [] == load.failed
    assert ["store"] == list(second["gaps_s"])
    assert 0 < second["gaps_s"]["store"] < 15
    assert ["one"] == rows(live, staging)
    assert before != container_of(live, staging, "store")
    assert 1 == len(live.volumes(staging))


def test_a_store_has_the_time_that_it_asks_for(
    live: LiveSite, keeping: Write, staging: str
) -> None:
    """To stop: more than the site's `stop_grace`; also one that its engine starts anew."""
    slow = "trap 'sleep 6; echo stopped-well >> /data/rows; exit' TERM; "
    slow += "python3 /keeper.py store & wait"

    def written(mark: str) -> Path:
        root = keeping(mark)
        compose = root / "docker-compose.yml"
        text = compose.read_text().replace(
            '["python3", "/keeper.py", "store"]', f'["sh", "-c", "{slow}"]'
        )
        compose.write_text(
            text.replace("    environment:", "    stop_grace_period: 20s\n    environment:")
        )
        return root

    live.cli.ok("deploy", written("1"), "--name", staging)
    replaced = live.cli.ok("deploy", written("2"), "--name", staging)
    assert 6 < replaced["gaps_s"]["store"] < 15
    assert ["stopped-well"] == rows(live, staging)


def test_a_store_that_crashes_is_replaced(live: LiveSite, keeping: Write, staging: str) -> None:
    """It may be waiting for its next start: it is stopped all the same, and put back."""
    live.cli.ok("deploy", keeping("1"), "--name", staging)
    store = container_of(live, staging, "store")
    crash = "import os; os.remove('/keeper.py')"
    assert 0 == live.cli("exec", staging, "store", "python3", "-c", crash).code
    live.cli("exec", staging, "store", "sh", "-c", "kill 1")
    eventually(lambda: "restarting" == _status(live, store))
    live.cli.fails(4, "deploy", broken_store(keeping), "--name", staging)
    eventually(lambda: _status(live, store) in ("restarting", "running"), 5)
    eventually(lambda: "restarting" == _status(live, store))
    live.cli.ok("deploy", keeping("2"), "--name", staging)
    assert [] == rows(live, staging)
    assert 2 == len(live.containers(staging))


def _status(live: LiveSite, container: str) -> str:
    found: str = live.engine.api.inspect_container(container)["State"]["Status"]
    return found


def test_a_replacement_that_fails_is_put_back(live: LiveSite, keeping: Write, staging: str) -> None:
    """The same container runs again, with its rows, and the old release serves."""
    live.cli.ok("deploy", keeping("1"), "--name", staging)
    before = container_of(live, staging, "store")
    add(live, staging, "one")
    error = live.cli.fails(4, "deploy", broken_store(keeping), "--name", staging)
    assert "store" in error["message"]
    assert before == container_of(live, staging, "store")
    assert ["one"] == rows(live, staging)
    assert 2 == len(live.containers(staging))


@pytest.mark.parametrize("point", ["during-start", "after-start", "after-healthy", "after-switch"])
def test_a_replacement_that_is_killed_is_repaired(
    live: LiveSite, keeping: Write, staging: str, point: str
) -> None:
    """kill -9 in the middle of replacing the store: the next deploy has all rows and no rest."""
    live.cli.ok("deploy", keeping("1"), "--name", staging)
    add(live, staging, "one")
    died = live.cli("deploy", keeping("2"), "--name", staging, env={"PYDEPLOY_FAILPOINT": point})
    assert -9 == died.code
    live.cli.ok("deploy", keeping("3"), "--name", staging)
    assert ["one"] == rows(live, staging)
    assert 2 == len(live.containers(staging))
    assert 1 == len(live.volumes(staging))
    assert 0 == live.cli.ok("prune")["residue"]


def test_an_undo_that_is_killed_is_finished_by_prune(
    live: LiveSite, keeping: Write, staging: str
) -> None:
    """The old store was stopped and nothing else is left of it: prune starts it again."""
    live.cli.ok("deploy", keeping("1"), "--name", staging)
    add(live, staging, "one")
    store = container_of(live, staging, "store")
    died = live.cli(
        "deploy", broken_store(keeping), "--name", staging, env=dying("undo-after-erase")
    )
    assert -9 == died.code
    assert not live.engine.api.inspect_container(store)["State"]["Running"]
    _wait_for_the_lock_to_fall(live)
    found = live.cli.ok("prune")
    assert 1 == found["removed"]["unsettled"][staging]
    assert 0 == found["residue"]
    assert store == container_of(live, staging, "store")
    policy = live.engine.api.inspect_container(store)["HostConfig"]["RestartPolicy"]["Name"]
    assert "always" == policy
    assert ["one"] == rows(live, staging)


def broken_store(keeping: Write) -> Path:
    """Another store, which does not start."""
    root = keeping("broken")
    compose = root / "docker-compose.yml"
    text = compose.read_text().replace('"/keeper.py", "store"', '"/nowhere.py", "store"')
    compose.write_text(text)
    return root


def dying(point: str) -> dict[str, str]:
    return {"PYDEPLOY_FAILPOINT": point}


def test_a_killed_first_deploy_leaves_no_data_behind(
    live: LiveSite, keeping: Write, staging: str
) -> None:
    """Nothing was recorded, so nothing of it is anybody's."""
    died = live.cli(
        "deploy", keeping(), "--name", staging, env={"PYDEPLOY_FAILPOINT": "after-healthy"}
    )
    assert -9 == died.code
    assert 1 == len(live.volumes(staging))
    _wait_for_the_lock_to_fall(live)
    live.cli.ok("prune")
    assert [] == live.volumes(staging) + live.containers(staging) + live.networks(staging)


def _wait_for_the_lock_to_fall(live: LiveSite) -> None:
    until = time.monotonic() + 20
    while live.keys("locks") or live.keys("work"):
        assert time.monotonic() < until
        time.sleep(0.2)


def test_seed_fills_new_data_once(live: LiveSite, keeping: Write, staging: str) -> None:
    """In the container of its service, before the others start; not with the next release."""
    seed = """
    data:
      seed:
        service: store
        command: ["python3", "-c", "open('/data/rows', 'a').write('seeded ')"]
    """
    text = "\n".join(line[4:] for line in seed.splitlines())
    live.cli.ok("deploy", keeping("1", text), "--name", staging)
    assert ["seeded"] == rows(live, staging)
    live.cli.ok("deploy", keeping("2", text), "--name", staging)
    assert ["seeded"] == rows(live, staging)


def test_seed_never_runs_on_data_that_was_there(
    live: LiveSite, keeping: Write, staging: str
) -> None:
    """A further volume, for the service that was seeded or for another, makes no data new."""
    seed = (
        "data: {seed: {service: store, command: "
        "[python3, -c, \"open('/data/rows', 'a').write('seeded ')\"]}}"
    )
    live.cli.ok("deploy", keeping("1", seed), "--name", staging)
    repo = keeping("1", seed)
    compose = repo / "docker-compose.yml"
    cache = f"""  cache:
    image: {PYTHON}
    command: ["sleep", "1000"]
    init: true
    volumes: ["cached:/cached"]
configs:"""
    text = compose.read_text().replace("volumes: {rows: {}}", "volumes: {rows: {}, cached: {}}")
    compose.write_text(text.replace("\nconfigs:", "\n" + cache))
    live.cli.ok("deploy", repo, "--name", staging)
    assert ["seeded"] == rows(live, staging)
    text = compose.read_text().replace('"rows:/data"]', '"rows:/data", "more:/more"]')
    compose.write_text(text.replace("rows: {},", "rows: {}, more: {},"))
    replaced = live.cli.ok("deploy", repo, "--name", staging)
    assert ["store"] == list(replaced["gaps_s"])
    assert ["seeded"] == rows(live, staging)


def test_fresh_data_is_seeded_with_each_release(
    live: LiveSite, change: int, keeping: Write
) -> None:
    """A change's releases have volumes of their own."""
    seed = (
        "data: {seed: {service: store, command: "
        "[python3, -c, \"open('/data/rows', 'a').write('seeded ')\"]}}"
    )
    live.cli.ok("deploy", keeping("1", seed), "--change", change, "--patchset", 1)
    add(live, change, "one")
    assert ["seeded", "one"] == rows(live, change)
    live.cli.ok("deploy", keeping("2", seed), "--change", change, "--patchset", 2)
    assert ["seeded"] == rows(live, change)
    assert 1 == len(live.volumes(change))


def test_a_failing_seed_is_the_authors(live: LiveSite, change: int, keeping: Write) -> None:
    """Its last lines are shown; nothing stays."""
    seed = "data: {seed: {service: store, command: [sh, -c, 'echo no rows today >&2; exit 3']}}"
    error = live.cli.fails(4, "deploy", keeping("1", seed), "--change", change, "--patchset", 1)
    assert "seed: store ended with 3" in error["message"]
    assert "no rows today" in error["logs"]
    assert [] == live.volumes(change) + live.containers(change)


@pytest.mark.parametrize("data", ["keep", "fresh"])
def test_data_of_another_environment_is_copied(
    live: LiveSite, change: int, keeping: Write, staging: str, data: str
) -> None:
    """Into new volumes of a change; the source goes on, and neither sees the other's new rows."""
    live.cli.ok("deploy", keeping(), "--name", staging)
    add(live, staging, "one")
    options = ("--data", data, "--data-from", staging)
    live.cli.ok("deploy", keeping("2"), "--change", change, "--patchset", 1, *options)
    assert ["one"] == rows(live, change)
    add(live, change, "mine")
    add(live, staging, "theirs")
    assert ["one", "theirs"] == rows(live, staging)
    assert ["one", "mine"] == rows(live, change)
    live.cli.ok("remove", change, "--purge-data")


def test_data_is_copied_by_the_teams_own_programs(
    live: LiveSite, change: int, keeping: Write, staging: str
) -> None:
    """`dump` runs in the source's container, `load` in the new one's."""
    dump = (
        "data: {dump: {store: {command: [cat, /data/rows], "
        "load: [sh, -c, 'sed s/^/loaded-/ > /data/rows']}}}"
    )
    live.cli.ok("deploy", keeping("1", dump), "--name", staging)
    add(live, staging, "one")
    live.cli.ok(
        "deploy", keeping("2", dump), "--change", change, "--patchset", 1, "--data-from", staging
    )
    assert ["loaded-one"] == rows(live, change)


def test_what_would_lose_data_is_refused(live: LiveSite, keeping: Write, staging: str) -> None:
    """Fresh data where data is kept, removing without a word, copying onto what is there."""
    live.cli.ok("deploy", keeping("1"), "--name", staging)
    add(live, staging, "one")
    assert (
        "would lose it"
        in live.cli.fails(64, "deploy", keeping("2"), "--name", staging, "--data", "fresh")[
            "message"
        ]
    )
    assert "--purge-data" in live.cli.fails(64, "remove", staging)["hint"]
    assert ["one"] == rows(live, staging)
    removed = live.cli.ok("remove", staging, "--purge-data")
    assert 0 == removed["residue"]
    assert [] == live.volumes(staging)


def test_a_person_is_asked_before_data_goes(live: LiveSite, keeping: Write, staging: str) -> None:
    """At a terminal, naming the volumes: with anything but yes they stay."""
    live.cli.ok("deploy", keeping(), "--name", staging)
    code, said = _answering(live, "n", "remove", staging)
    assert (64, 1) == (code, len(live.volumes(staging))), said
    assert f"delete the data in {live.volumes(staging)[0]} for ever?" in said
    code, said = _answering(live, "y", "remove", staging)
    assert (0, []) == (code, live.volumes(staging)), said


def _answering(live: LiveSite, answer: str, *arguments: object) -> tuple[int, str]:
    """Exit code and stderr of a command with a terminal, at which somebody answers."""
    master, slave = pty.openpty()
    os.write(master, f"{answer}\n".encode())
    argv = live.cli.argv(*arguments)
    with subprocess.Popen(argv, stdin=slave, stderr=slave, stdout=subprocess.DEVNULL) as process:
        os.close(slave)
        said = b""
        with contextlib.suppress(OSError):  # EIO: nobody has it open any more
            while chunk := os.read(master, 1000):
                said += chunk
    os.close(master)
    return process.returncode, said.decode()


def test_data_that_no_record_names_is_left_alone(
    live: LiveSite, keeping: Write, staging: str
) -> None:
    """etcd was lost: prune does not take somebody's only data, and a deploy does not go past it."""
    live.cli.ok("deploy", keeping(), "--name", staging)
    add(live, staging, "one")
    keys = live.store.keys
    live.store.etcd.delete(keys.environment(staging))
    for prefix in (keys.ports("local"), keys.subnets("local"), keys.release(staging)):
        for kv in live.store.etcd.range(prefix).kvs:
            if staging in kv.value or prefix == keys.release(staging):
                live.store.etcd.delete(kv.key)
    live.cli("prune")
    assert 1 == len(live.volumes(staging))
    assert (
        "no record names" in live.cli.fails(6, "deploy", keeping("2"), "--name", staging)["message"]
    )
    assert 0 == live.cli.ok("remove", staging, "--purge-data")["residue"]


def test_data_of_which_an_earlier_record_knows_nothing_is_left_alone(
    live: LiveSite, keeping: Write, staging: str, tmp_path: Path
) -> None:
    """etcd was put back to a day before: neither prune nor a deploy takes what came since."""
    live.cli.ok("deploy", keeping(), "--name", staging)
    before = state_of(live, staging)
    file = tmp_path / "saved.tar"
    live.cli.ok("backup", staging, "--to", file)
    live.cli.ok("restore", file, "--replace")
    (newer,) = live.volumes(staging)
    put_back(live, staging, before)
    live.cli("prune")
    assert [newer] == live.volumes(staging)
    done = live.cli("deploy", keeping("2"), "--name", staging)
    assert 6 == done.code
    assert newer in done.stderr  # left as it is
    assert "has lost data that its record names" in done.stderr
    assert newer in live.cli.fails(64, "remove", staging)["message"]
    assert 0 == live.cli.ok("remove", staging, "--purge-data")["residue"]
    assert [] == live.volumes(staging)


def state_of(live: LiveSite, name: str) -> dict[str, str]:
    """What etcd has of an environment: its record, releases and claims."""
    keys = live.store.keys
    prefixes = (keys.environment(name), keys.release(name), keys.ports("local"))
    found = [
        kv for one in (*prefixes, keys.subnets("local")) for kv in live.store.etcd.range(one).kvs
    ]
    return {kv.key: kv.value for kv in found if f'"{name}"' in kv.value or f"/{name}/" in kv.key}


def put_back(live: LiveSite, name: str, before: dict[str, str]) -> None:
    for key in state_of(live, name).keys() - before.keys():
        live.store.etcd.delete(key)
    for key, value in before.items():
        live.store.etcd.put(key, value)


def test_a_service_with_data_can_be_the_front(live: LiveSite, tmp_path: Path, staging: str) -> None:
    """One service, with a volume and a port: replaced in place, on the same port."""
    single = f"""
    services:
      web:
        image: {PYTHON}
        command: ["python3", "/app/keeper.py", "store"]
        environment: {{MARK: "%s"}}
        volumes: ["./source:/app", "rows:/data"]
        ports: ["9000"]
    volumes: {{rows: {{}}}}
    """
    files = {"source/keeper.py": PROGRAM, "pydeploy.yml": "front: {path: /rows}\n"}
    one = repository(tmp_path / "single", single.replace("%s", "1"), **files)
    first = live.cli.ok("deploy", one, "--name", staging)
    add(live, staging, "one")
    two = repository(tmp_path / "single", single.replace("%s", "2"), **files)
    second = live.cli.ok("deploy", two, "--name", staging)
    assert first["ports"] == second["ports"]
    assert "web" in second["gaps_s"]
    assert ["one"] == rows(live, staging)
    third = live.cli.ok("restart", staging)
    assert {} == third["gaps_s"]
    more = single.replace("%s", "3").replace('"rows:/data"', '"rows:/data", "more:/more"')
    more = more.replace("volumes: {rows: {}}", "volumes: {rows: {}, more: {}}")
    repository(tmp_path / "single", more, **files)
    died = live.cli("deploy", one, "--name", staging, env={"PYDEPLOY_FAILPOINT": "after-start"})
    assert (-9, 2) == (died.code, len(live.volumes(staging)))
    _wait_for_the_lock_to_fall(live)
    live.cli.ok("prune")
    assert 1 == len(live.volumes(staging))
    assert ["one"] == rows(live, staging)


@pytest.mark.parametrize("point", ["remove-after-discard", "remove-after-erase"])
def test_a_removal_of_data_that_is_killed_is_repaired(
    live: LiveSite, keeping: Write, staging: str, point: str
) -> None:
    """By a deploy, which begins anew and finds nothing of it in its way; or by prune."""
    live.cli.ok("deploy", keeping(), "--name", staging)
    add(live, staging, "one")
    _killed(live, point, "remove", staging, "--purge-data")
    live.cli.ok("deploy", keeping(), "--name", staging)
    assert [] == rows(live, staging)
    assert (2, 1) == (len(live.containers(staging)), len(live.volumes(staging)))
    _killed(live, point, "remove", staging, "--purge-data")
    _wait_for_the_lock_to_fall(live)
    assert 0 == live.cli.ok("prune")["residue"]
    assert [] == live.containers(staging) + live.volumes(staging) + live.networks(staging)


def _killed(live: LiveSite, point: str, *arguments: object) -> None:
    died = live.cli(*arguments, env={"PYDEPLOY_FAILPOINT": point})
    assert -9 == died.code, died.stderr
