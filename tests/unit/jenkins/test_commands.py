"""The commands as processes: what they print, how they end, and what Ctrl-C does."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.etcd_server import wait_until
from tests.unit.jenkins import fake as kinds
from tests.unit.jenkins.fake import FakeJenkins, Job

Start = Callable[..., "subprocess.Popen[str]"]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
TRIGGER_TOKEN = "trigger-token-77"


@pytest.fixture
def start(fake: FakeJenkins, tmp_path: Path) -> Start:
    """Starts `pydeploy ...` at a site whose etcd is nowhere."""
    site = tmp_path / "site.yml"
    settings = {"url": fake.url, "username": "ci", "timeout": 5}
    etcd = {"endpoints": ["http://127.0.0.1:9"]}
    site.write_text(json.dumps({"jenkins": settings, "etcd": etcd}))

    def started(*words: str, env_vars: dict[str, str] | None = None, **options: Any) -> Any:
        secrets = {"PYDEPLOY_JENKINS_TOKEN": fake.users["ci"].api_token}
        return subprocess.Popen(
            [sys.executable, "-m", "pydeploy", "--site", str(site), *words],
            env=os.environ | secrets | (env_vars or {}),
            text=True,
            **({"stdin": -3, "stdout": -1, "stderr": -1} | options),
        )

    return started


@pytest.fixture
def run(start: Start) -> Run:
    def ran(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        process = start(*words, **options)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    return ran


@pytest.fixture
def job(fake: FakeJenkins) -> Job:
    fake.jobs["hello"] = Job([kinds.string("BRANCH"), kinds.password("SECRET"), kinds.file("F")])
    return fake.jobs["hello"]


URL = "https://jenkins.elsewhere.example/ci/job/hello/1/"


# -- trigger ----------------------------------------------------------------------------


def test_a_trigger_prints_where_it_is(fake: FakeJenkins, job: Job, run: Run) -> None:
    """Without etcd; the queue item's URL is all that is known yet."""
    done = run("trigger", "hello", "-p", "BRANCH=feature/x")
    assert (0, f"{fake.url}/queue/item/42/\n", "") == (done.returncode, done.stdout, done.stderr)
    assert "feature/x" == fake.items[42].parameters["BRANCH"]


def test_who_waits_gets_the_builds_url_and_the_result(
    fake: FakeJenkins, job: Job, run: Run
) -> None:
    """The exit code is the result's."""
    job.states, job.will_be = ("blocked", "left"), "UNSTABLE"
    done = run("trigger", "hello", "--wait")
    assert (10, f"{URL}\n") == (done.returncode, done.stdout)
    assert "in the queue, blocked: Build #7 is already in progress" in done.stderr
    assert done.stderr.endswith("hello 1: UNSTABLE\n")


@pytest.mark.parametrize(("result", "code"), [("FAILURE", 11), ("ABORTED", 12), ("NOT_BUILT", 13)])
def test_a_result_in_json_is_no_error(job: Job, run: Run, result: str, code: int) -> None:
    """What the build came to is data; `error` is for what pydeploy could not do."""
    job.will_be = result
    done = run("trigger", "hello", "--wait", "--json")
    assert code == done.returncode
    assert {
        "job": "hello",
        "queue_id": 42,
        "number": 1,
        "url": URL,
        "result": result,
        "exit_code": code,
        "is_merged": False,
        "is_repeat": False,
    } == json.loads(done.stdout)


def test_who_follows_gets_the_console(job: Job, run: Run) -> None:
    """On stdout; control characters of a build do not drive the terminal."""
    job.coming = (b"one\n\x1b[31mt", b"wo\x1b[0m\n")
    done = run("trigger", "hello", "--follow")
    assert (0, f"one\n\ufffd[31mtwo\ufffd[0m\n{URL}\n") == (done.returncode, done.stdout)


def test_with_json_the_console_is_narration(job: Job, run: Run) -> None:
    """stdout is one document."""
    job.coming = (b"one\n",)
    done = run("trigger", "hello", "--follow", "--json")
    assert "SUCCESS" == json.loads(done.stdout)["result"]
    assert "one\n" in done.stderr


def test_a_file_and_a_secret_arrive(fake: FakeJenkins, job: Job, run: Run, tmp_path: Path) -> None:
    """The secret by the name of a variable."""
    (tmp_path / "f.bin").write_bytes(b"\x00\xff")
    done = run(
        *("trigger", "hello", "-e", "SECRET=VAR", "-f", f"F={tmp_path}/f.bin"),
        env_vars={"VAR": "s3cret-value"},
    )
    assert 0 == done.returncode
    assert "s3cret-value" == fake.items[42].parameters["SECRET"]
    assert {"F": ("f.bin", b"\x00\xff")} == fake.items[42].files


def test_a_password_in_the_command_line_is_warned_of(job: Job, run: Run) -> None:
    """It works, and everybody can read it; by its name alone it is said."""
    done = run("trigger", "hello", "-p", "SECRET=s3cret-value")
    assert 0 == done.returncode
    assert "can read 'SECRET' in the command line; use -e" in done.stderr
    assert "s3cret-value" not in done.stderr


def test_the_deadline_ends_the_wait_not_the_build(job: Job, run: Run) -> None:
    """Exit 6, and how to go on."""
    job.will_be = ""
    done = run("trigger", "hello", "--wait", "--timeout", "2s")
    assert 6 == done.returncode
    assert "hello 1 has not ended yet" in done.stderr
    assert "pydeploy build-log hello 1 --follow" in done.stderr
    assert [] == job.builds[0].asked_to


@pytest.mark.parametrize("has_left", [True, False])
def test_a_failure_in_json_says_which_build_it_was_about(
    fake: FakeJenkins, job: Job, run: Run, has_left: bool
) -> None:
    """So that a script can go on where we stopped: one document, with the error in it."""
    job.will_be = ""
    if not has_left:
        job.states = ("blocked",)
    done = run("trigger", "hello", "--wait", "--timeout", "1s", "--json")
    told = json.loads(done.stdout)
    assert (6, 6, 6) == (done.returncode, told["exit_code"], told["error"]["exit_code"])
    assert (42, 1 if has_left else None) == (told["queue_id"], told["number"])
    assert f"{fake.url}/{'job/hello/1/' if has_left else 'queue/item/42/'}" == told["url"]
    assert told["result"] is None


def test_a_key_needs_etcd(job: Job, run: Run, fake: FakeJenkins) -> None:
    """Exit 6 before anything is asked."""
    done = run("trigger", "hello", "--idempotency-key", "k")
    assert (6, []) == (done.returncode, fake.posts())
    assert "etcd does not answer" in done.stderr


def test_a_misspelt_job_is_the_callers_turn(job: Job, run: Run) -> None:
    """Exit 64, with the nearest one."""
    done = run("trigger", "helo", "--json")
    assert 64 == done.returncode
    assert "did you mean 'hello'?" in json.loads(done.stdout)["error"]["hint"]


def test_a_site_without_jenkins_says_what_to_write(run: Run, tmp_path: Path) -> None:
    """Exit 2, the operator's turn."""
    (tmp_path / "other.yml").write_text("{}")
    done = run("--site", str(tmp_path / "other.yml"), "jobs")
    assert 2 == done.returncode
    assert "jenkins: {url:" in done.stderr


SECRETS = ("correct horse", "s3cret-value", TRIGGER_TOKEN)


@pytest.mark.parametrize("trouble", ["", "drop", "starting", "proxy 502", "wrong"])
def test_no_secret_is_ever_shown(
    fake: FakeJenkins, job: Job, start: Start, trouble: str, tmp_path: Path
) -> None:
    """Not in output, JSON, URLs or the command line; whatever goes wrong, and whatever a build
    prints."""
    job.trigger_token = TRIGGER_TOKEN
    job.coming = (f"{' '.join(SECRETS)}\n".encode(),)
    if trouble == "wrong":
        job.trigger_token = "another"
    elif trouble:
        fake.fail(trouble, "POST", times=99)
    process = start(
        *("trigger", "hello", "-e", "SECRET=VAR", "--follow", "--json"),
        env_vars={
            "PYDEPLOY_JENKINS_TOKEN": SECRETS[0],
            "PYDEPLOY_JENKINS_TRIGGER_TOKEN": TRIGGER_TOKEN,
            "VAR": SECRETS[1],
        },
    )
    argv = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()
    out, err = process.communicate(timeout=60)
    shown = out + err + argv + "".join(one.path for one in fake.requests)
    assert [] == [one for one in SECRETS if one in shown]
    assert (0 if not trouble else 6) == process.returncode
    if not trouble:
        assert "*** *** ***" in err


# -- Ctrl-C -----------------------------------------------------------------------------


def interrupted(
    process: subprocess.Popen[str], until: Callable[[], Any], number: int = signal.SIGINT
) -> tuple[str, str]:
    """Both outputs of a process that gets a signal once it is where it should be."""
    wait_until(until, 30)
    time.sleep(0.3)
    process.send_signal(number)
    return process.communicate(timeout=30)


def test_ctrl_c_without_a_terminal_says_how_to_stop_the_build(
    fake: FakeJenkins, job: Job, start: Start
) -> None:
    """And leaves it alone: nobody can be asked."""
    job.will_be = ""
    process = start("trigger", "hello", "--wait")
    _, err = interrupted(process, lambda: len(fake.gets(r"hello/1/api")) > 1)
    assert 130 == process.returncode
    assert f"hello goes on in Jenkins: {fake.url}/job/hello/1/" in err
    assert "pydeploy stop-build hello 1" in err
    assert [] == job.builds[0].asked_to


def test_ctrl_c_while_it_waits_names_the_queue_item(
    fake: FakeJenkins, job: Job, start: Start
) -> None:
    """There is no build yet."""
    job.states = ("blocked",)
    process = start("trigger", "hello", "--wait")
    _, err = interrupted(process, lambda: fake.gets("queue/item/42"))
    assert "pydeploy stop-build hello --queue-id 42" in err
    assert "blocked" == fake.items[42].state


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_script_decides_by_a_flag(
    fake: FakeJenkins, job: Job, start: Start, number: int, code: int
) -> None:
    """`--stop-on-interrupt`: the build is stopped before the process ends."""
    job.will_be = ""
    process = start("trigger", "hello", "--follow", "--stop-on-interrupt")
    _, err = interrupted(process, lambda: fake.gets("progressiveText"), number)
    assert code == process.returncode
    assert ["stop"] == job.builds[0].asked_to
    assert "goes on" not in err


def test_the_flag_takes_what_waits_out_of_the_queue(
    fake: FakeJenkins, job: Job, start: Start
) -> None:
    """So that no build comes of it later."""
    job.states = ("blocked",)
    process = start("trigger", "hello", "--wait", "--stop-on-interrupt")
    interrupted(process, lambda: fake.gets("queue/item/42"))
    assert "cancelled" == fake.items[42].state


@pytest.mark.parametrize("has_parameters", [True, False])
def test_what_somebody_else_asked_for_is_not_stopped(
    fake: FakeJenkins, job: Job, start: Start, run: Run, has_parameters: bool
) -> None:
    """Jenkins made one build of both, which it says at once or shows later; how to stop it is
    said."""
    job.states = ("blocked",)
    if not has_parameters:
        job.definitions = None
    run("trigger", "hello")
    process = start("trigger", "hello", "--wait", "--stop-on-interrupt")
    _, err = interrupted(process, lambda: fake.gets("queue/item/42"), signal.SIGTERM)
    assert 143 == process.returncode
    assert "blocked" == fake.items[42].state
    assert "pydeploy stop-build hello --queue-id 42" in err


@pytest.mark.parametrize(("answer", "ways"), [("y\n", ["stop"]), ("n\n", []), ("\n", [])])
def test_a_terminal_is_asked(
    fake: FakeJenkins, job: Job, start: Start, answer: str, ways: list[str]
) -> None:
    """Whether the build shall stop, too; no is the default."""
    job.will_be = ""
    main, terminal = pty.openpty()
    process = start("trigger", "hello", "--wait", stdin=terminal, stderr=terminal)
    os.close(terminal)
    wait_until(lambda: len(fake.gets(r"hello/1/api")) > 1, 30)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    shown = _read_until(main, "too?")
    os.write(main, answer.encode())
    shown += _read_until(main, None)
    assert 130 == process.wait(30)
    assert ways == job.builds[0].asked_to
    assert ("stop-build hello 1" in shown) == (not ways)


def _read_until(main: int, words: str | None) -> str:
    shown = ""
    while words is None or words not in shown:
        try:
            read = os.read(main, 4096)
        except OSError:  # the other side has closed it
            break
        if not read:
            break
        shown += read.decode()
    return shown


def test_ctrl_c_while_jenkins_is_being_asked_waits_for_its_answer(
    fake: FakeJenkins, job: Job, start: Start
) -> None:
    """Else nobody would know what became of it."""
    job.will_be = ""
    fake.fail("hang", "POST")
    process = start("trigger", "hello", "--wait", "--stop-on-interrupt")
    wait_until(fake.posts, 30)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    fake.hang.set()
    process.communicate(timeout=30)
    assert 130 == process.returncode
    assert "ABORTED" == job.builds[0].result


@pytest.mark.parametrize("trouble", ["crumb", "away"])
def test_ctrl_c_ends_a_trigger_at_once_while_nothing_is_sent(
    fake: FakeJenkins, job: Job, start: Start, trouble: str
) -> None:
    """While a crumb is waited for, or Jenkins is away: there is nothing to be unsure of."""
    if trouble == "crumb":
        fake.fail("hang", "crumbIssuer", times=9)
    else:
        fake.fail("starting", "crumbIssuer", times=99)
    process = start("trigger", "hello", env_vars={"PYDEPLOY_JENKINS_TOKEN": "correct horse"})
    started = time.monotonic()
    interrupted(process, lambda: fake.gets("crumbIssuer"))
    assert (130, []) == (process.returncode, fake.posts())
    assert time.monotonic() - started < 4


# -- its sisters ------------------------------------------------------------------------


def test_jobs_are_listed_with_their_last_builds(fake: FakeJenkins, job: Job, run: Run) -> None:
    """As a table, and as JSON."""
    run("trigger", "hello", "--wait")
    fake.jobs["docs/off"] = Job(is_disabled=True)
    fake.folders.add("docs")
    root = "https://jenkins.elsewhere.example/ci/job"
    assert (
        "JOB\tLAST BUILD\tRESULT\tURL\n"
        f"docs/off\t\tdisabled\t{root}/docs/job/off/\n"
        f"hello\t1\tSUCCESS\t{root}/hello/\n"
    ) == run("jobs").stdout
    (found,) = json.loads(run("jobs", "docs", "--json").stdout)
    assert ("docs/off", False, None) == (found["name"], found["is_buildable"], found["last_build"])


def test_a_console_is_printed_and_followed(fake: FakeJenkins, job: Job, run: Run) -> None:
    """The last build's without a number."""
    job.coming = (b"one\n", b"two\n", b"three\n")
    run("trigger", "hello")
    fake.start(fake.items[42])
    assert "one\n" == run("build-log", "hello").stdout
    followed = run("build-log", "hello", "1", "--follow", "--json").stdout.splitlines()
    assert ["one", "two", "three"] == [json.loads(one)["line"] for one in followed]
    whole = json.loads(run("build-log", "hello", "--json").stdout)
    assert {"job": "hello", "number": 1, "lines": ["one", "two", "three"]} == whole


def test_who_follows_beyond_the_deadline_does_not_succeed(
    fake: FakeJenkins, job: Job, run: Run
) -> None:
    """Exit 6, as `trigger --follow`: the build has not ended."""
    job.coming, job.will_be = (b"one\n",), ""
    run("trigger", "hello")
    fake.start(fake.items[42])
    done = run("build-log", "hello", "--follow", "--timeout", "1s")
    assert (6, "one\n") == (done.returncode, done.stdout)
    assert "hello 1 has not ended yet" in done.stderr


def test_a_build_is_stopped(fake: FakeJenkins, job: Job, run: Run) -> None:
    """And what waits is taken out of the queue."""
    job.will_be = ""
    run("trigger", "hello")
    fake.start(fake.items[42])
    done = run("stop-build", "hello", "--json")
    assert ("ABORTED", 1) == tuple(json.loads(done.stdout)[one] for one in ("result", "number"))
    job.states = ("blocked",)
    number = json.loads(run("trigger", "hello", "-p", "BRANCH=x", "--json").stdout)["queue_id"]
    done = run("stop-build", "hello", "--queue-id", str(number))
    assert "hello was taken out of the queue\n" == done.stdout
    assert "cancelled" == fake.items[number].state


def test_a_secret_that_a_url_would_show_is_refused(run: Run, tmp_path: Path) -> None:
    """A password in jenkins.url is an error that does not repeat it."""
    site = tmp_path / "secret.yml"
    site.write_text("jenkins: {url: 'https://ci:s3cret@j.example'}")
    done = run("--site", str(site), "jobs")
    assert 2 == done.returncode
    assert "PYDEPLOY_JENKINS_TOKEN" in done.stderr
    assert not re.search("s3cret", done.stderr)
