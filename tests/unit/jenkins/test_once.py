"""An idempotency key: one build a day, whoever asks at the same time, and whoever dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pydeploy import interrupts
from pydeploy.clients.etcd import Etcd
from pydeploy.clients.jenkins import Jenkins
from pydeploy.clients.jenkins_answers import Away, Refused, Unsettled
from pydeploy.clients.jenkins_http import Login
from pydeploy.errors import Interrupted, ServiceError, UsageError
from pydeploy.jenkins import following, once, trigger
from pydeploy.jenkins.once import MARK, Ledger
from pydeploy.jenkins.values import Request, Triggered
from pydeploy.jenkins.waiting import Patience
from pydeploy.state.keys import Keys
from pydeploy.state.records import Trigger
from pydeploy.state.store import Store
from tests.unit.etcd_server import EtcdServer, wait_until
from tests.unit.jenkins import fake as kinds
from tests.unit.jenkins.conftest import Door
from tests.unit.jenkins.fake import FakeJenkins, Job

KEY = "release 1.2 of ü"
Ask = Callable[..., Triggered]


@pytest.fixture
def job(fake: FakeJenkins) -> Job:
    fake.jobs["hello"] = Job([kinds.string("BRANCH")])
    return fake.jobs["hello"]


@pytest.fixture
def ledger(store: Store) -> Ledger:
    return Ledger(store=store, lock_ttl=3, wait=20.0)


@pytest.fixture
def ask(door: Door, ledger: Ledger) -> Ask:
    """Triggers under KEY, by a door of its own."""

    def asking(key: str = KEY, jenkins: Jenkins | None = None, job: str = "hello") -> Triggered:
        return trigger.trigger(
            jenkins or door(timeout=2.0), Request(job=job), ledger=ledger, key=key
        )

    return asking


def records(store: Store) -> list[Trigger]:
    return [Trigger.read(kv.value) for kv in store.etcd.range(store.keys.trigger()).kvs]


def test_the_second_one_gets_the_first_ones_item(fake: FakeJenkins, job: Job, ask: Ask) -> None:
    """And is told so."""
    first, again = ask(), ask()
    assert (False, True) == (first.is_repeat, again.is_repeat)
    assert first.queue_id == again.queue_id
    assert 1 == len(fake.posts())


def test_another_key_or_job_is_another_build(fake: FakeJenkins, job: Job, ask: Ask) -> None:
    """A key belongs to a job of one Jenkins."""
    fake.jobs["other"] = Job()
    numbers = {ask().queue_id, ask(job="other").queue_id}
    fake.look_at(fake.items[42])  # else Jenkins would merge them
    numbers.add(ask("another key").queue_id)
    assert 3 == len(numbers)


def test_a_key_counts_for_a_day(job: Job, ask: Ask, store: Store) -> None:
    """Its record is on a lease."""
    ask()
    (kv,) = store.etcd.range(store.keys.trigger()).kvs
    assert 86000 < store.etcd.keep_alive(kv.lease) <= 86400


def test_the_build_is_found_when_its_item_is_forgotten(
    fake: FakeJenkins, job: Job, ask: Ask, ledger: Ledger, jenkins: Jenkins
) -> None:
    """Its number is remembered, so it need not be among the last builds."""
    first = ask()
    build = following.follow(
        jenkins,
        first,
        Patience.of(20),
        on_start=lambda one, _: ledger.note_number(jenkins, one, KEY, pytest.fail),
    )
    fake.items.clear()
    again = ask()
    assert (build.number, True) == (again.number, again.is_repeat)
    assert build == following.follow(jenkins, again, Patience.of(20))


def test_of_many_at_once_one_asks(fake: FakeJenkins, job: Job, ask: Ask) -> None:
    """The others wait for it, and get what it got."""
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: ask(), range(6)))
    assert 1 == len(fake.posts())
    assert 1 == len({one.queue_id for one in found})
    assert 5 == sum(one.is_repeat for one in found)


@pytest.mark.parametrize("trouble", ["starting", "disabled", "away"])
def test_what_was_refused_may_be_tried_again(
    fake: FakeJenkins, job: Job, ask: Ask, door: Door, store: Store, trouble: str
) -> None:
    """The key is free: nothing was started, and that is sure."""
    if trouble == "starting":
        fake.fail("starting", "POST")
    if trouble == "disabled":
        job.is_disabled = True
    with pytest.raises((Away, Refused)):
        ask(
            jenkins=Jenkins("http://127.0.0.1:9", login=Login(), patience=0.0)
            if trouble == "away"
            else None
        )
    assert [] == records(store)
    job.is_disabled = False
    assert not ask().is_repeat


def signalled(fake: FakeJenkins, path: str) -> None:
    """Ctrl-C, once a request for `path` has come."""

    def press() -> None:
        wait_until(lambda: [one for one in fake.requests if path in one.path], 20)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()


def test_a_signal_before_anything_is_sent_frees_the_key(
    fake: FakeJenkins, job: Job, ask: Ask, door: Door, password: Login, store: Store
) -> None:
    """While the crumb is waited for."""
    fake.fail("hang", "crumbIssuer")
    signalled(fake, "crumbIssuer")
    with pytest.raises(Interrupted):
        ask(jenkins=door(password, timeout=20.0))
    assert ([], []) == (records(store), fake.posts())


def test_an_answer_is_not_waited_for_in_vain_after_a_signal(
    fake: FakeJenkins, job: Job, ask: Ask, door: Door, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if it were lost: the key remembers that nobody knows."""
    monkeypatch.setattr(interrupts, "DEFER_LIMIT", 1)
    fake.fail("hang", "POST")
    signalled(fake, "/job/hello/buildWithParameters")
    with pytest.raises(Unsettled, match="interrupted by signal 2, and no longer waited for"):
        ask(jenkins=door(timeout=20.0))
    assert ["asked"] == [one.state for one in records(store)]


def test_what_nobody_knows_is_not_asked_again(
    fake: FakeJenkins, job: Job, ask: Ask, store: Store
) -> None:
    """Exit 6, for both; with where to look, and what to do then."""
    fake.fail("drop", "POST")
    for _ in range(2):
        with pytest.raises(Unsettled, match="not asked again") as unknown:
            ask()
        assert 6 == unknown.value.exit_code
        assert "/ci/job/hello/" in unknown.value.hint
        assert "another key" in unknown.value.hint
    assert 1 == len(fake.posts())
    assert ["asked"] == [one.state for one in records(store)]


@pytest.mark.parametrize("state", ["waiting", "left"])
def test_a_build_with_a_mark_settles_it(fake: FakeJenkins, job: Job, ask: Ask, state: str) -> None:
    """A job that has the parameter: the build is found, in the queue or among the builds."""
    assert job.definitions is not None
    job.definitions.append(kinds.string(MARK))
    fake.fail("drop after", "POST")
    with pytest.raises(Unsettled):
        ask()
    if state == "left":
        fake.look_at(fake.items[42])
    found = ask()
    assert (42, True) == (found.queue_id, found.is_repeat)
    assert 1 == len(fake.posts())


def test_the_note_of_a_trigger_token_settles_it_too(
    fake: FakeJenkins, job: Job, ask: Ask, door: Door
) -> None:
    """Jenkins keeps `cause` with the build when the job's own token was used."""
    job.trigger_token = "t-secret"
    login = Login(username="ci", secret=fake.users["ci"].api_token, trigger_token="t-secret")
    fake.fail("drop after", "POST")
    with pytest.raises(Unsettled):
        ask(jenkins=door(login))
    assert 42 == ask(jenkins=door(login)).queue_id


def test_a_caller_who_gives_the_mark_is_not_overruled(
    fake: FakeJenkins, job: Job, door: Door, ledger: Ledger
) -> None:
    """Two values for one parameter would be a 500."""
    assert job.definitions is not None
    job.definitions.append(kinds.string(MARK))
    request = Request(job="hello", parameters={MARK: "mine"})
    number = trigger.trigger(door(), request, ledger=ledger, key=KEY).queue_id
    assert "mine" == fake.items[number].parameters[MARK]


def test_who_slept_beyond_the_lock_asks_nothing(
    fake: FakeJenkins, job: Job, ask: Ask, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else may have asked meanwhile: the record is written only under the lock."""
    grant = Etcd.grant

    def sleeping(self: Etcd, ttl: int) -> int:
        if ttl == once.KEPT:
            for kv in self.range(ledger.store.keys.lock()).kvs:
                self.revoke(kv.lease)
        return grant(self, ttl)

    monkeypatch.setattr(Etcd, "grant", sleeping)
    with pytest.raises(ServiceError, match="lock of the key"):
        ask()
    assert [] == fake.posts()


def test_etcd_that_goes_away_after_the_request_is_a_warning(
    fake: FakeJenkins, job: Job, door: Door, own_server: EtcdServer
) -> None:
    """The build was started, and that is what counts."""
    store = Store(etcd=own_server.client(timeout=0.5), keys=Keys("/test"))
    warned: list[str] = []
    ledger = Ledger(store=store, lock_ttl=3)
    jenkins = door()
    build = jenkins.build

    def then_etcd_dies(*given: Any, **more: Any) -> Any:
        found = build(*given, **more)
        own_server.kill()
        return found

    jenkins.build = then_etcd_dies  # type: ignore[method-assign]
    found = trigger.trigger(
        jenkins, Request(job="hello"), ledger=ledger, key=KEY, warn=warned.append
    )
    assert 42 == found.queue_id
    assert "was started, and its key does not know it" in warned[0]
    ledger.note_number(jenkins, found, KEY, warned.append)
    assert "does not know which build it is" in warned[1]


def test_a_key_has_a_length(job: Job, ask: Ask) -> None:
    """Somebody's whole log is none."""
    with pytest.raises(UsageError, match="200"):
        ask("x" * 201)


def test_the_record_holds_no_parameter(job: Job, door: Door, ledger: Ledger, store: Store) -> None:
    """They may be secrets, and etcd is read by many."""
    request = Request(job="hello", parameters={"BRANCH": "s3cret-value"})
    trigger.trigger(door(), request, ledger=ledger, key=KEY)
    (kv,) = store.etcd.range(store.keys.trigger()).kvs
    assert "s3cret-value" not in kv.value
    assert KEY == json.loads(kv.value)["key"]


# -- processes --------------------------------------------------------------------------


@pytest.fixture
def start(
    fake: FakeJenkins, etcd_server: EtcdServer, tmp_path: Any
) -> Callable[..., subprocess.Popen[str]]:
    """Starts `pydeploy trigger hello` under KEY as a process of its own."""
    site = tmp_path / "site.yml"
    etcd = {"endpoints": [etcd_server.url], "prefix": f"/test/{uuid.uuid4().hex}"}
    site.write_text(
        json.dumps(
            {
                "etcd": etcd,
                "jenkins": {"url": fake.url, "username": "ci"},
                "defaults": {"lock_ttl": 3},
            }
        )
    )
    env_vars = os.environ | {"PYDEPLOY_JENKINS_TOKEN": fake.users["ci"].api_token}
    argv = [sys.executable, "-m", "pydeploy", "--site", str(site)]
    argv += ["trigger", "hello", "--idempotency-key", KEY, "--json"]

    def started(*more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*argv, *more], env=env_vars, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    return started


def test_two_processes_at_once_start_one_build(
    fake: FakeJenkins, job: Job, start: Callable[..., subprocess.Popen[str]]
) -> None:
    """While the first one waits for Jenkins' answer, the second waits for it."""
    fake.fail("hang", "POST")
    both = [start(), start()]
    wait_until(fake.posts, 20)
    threading.Timer(1.0, fake.hang.set).start()
    answers = [json.loads(one.communicate(timeout=60)[0]) for one in both]
    assert [42, 42] == [one["queue_id"] for one in answers]
    assert [False, True] == sorted(one["is_repeat"] for one in answers)
    assert 1 == len(fake.posts())


@pytest.mark.parametrize("has_mark", [True, False])
def test_a_process_that_is_killed_while_it_asks_causes_no_second_build(
    fake: FakeJenkins, job: Job, start: Callable[..., subprocess.Popen[str]], has_mark: bool
) -> None:
    """SIGKILL between the request and its answer: found by its mark, else refused with exit 6."""
    if has_mark and job.definitions is not None:
        job.definitions.append(kinds.string(MARK))
    fake.fail("hang", "POST")
    first = start()
    wait_until(fake.posts, 20)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    fake.hang.set()
    wait_until(lambda: fake.items)
    second = start()
    out, err = second.communicate(timeout=60)
    if has_mark:
        assert (0, 42, True) == (
            second.returncode,
            json.loads(out)["queue_id"],
            json.loads(out)["is_repeat"],
        )
    else:
        assert 6 == second.returncode
        assert "did not live to hear the answer" in err
        assert "ServiceError" == json.loads(out)["error"]["class"]
    assert 1 == len(fake.posts())


def test_a_repeat_never_stops_the_first_ones_build(
    fake: FakeJenkins, job: Job, start: Callable[..., subprocess.Popen[str]]
) -> None:
    """Also where the flag says to stop on a signal: how to do it is said instead."""
    job.will_be = ""
    start().communicate(timeout=60)
    second = start("--wait", "--stop-on-interrupt")
    wait_until(lambda: len(fake.gets("hello/1/api")) > 1, 20)
    second.send_signal(signal.SIGTERM)
    _, err = second.communicate(timeout=60)
    assert 143 == second.returncode
    assert [] == job.builds[0].asked_to
    assert "pydeploy stop-build hello 1" in err
