"""bootstrap.sh makes the tool ready once, whole and checked, or not at all."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pydeploy import __version__
from tests.bootstrap import agent as agents
from tests.bootstrap import clones
from tests.bootstrap.agent import Agent, refused

MAKING = "making pydeploy 1.0 ready"


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return agents.make(tmp_path)


def test_forty_builds_at_once_make_it_once(agent: Agent) -> None:
    """The first one makes it, the others wait and say for what, and all of them run."""
    processes = [agent.start("exit", "0") for _ in range(40)]
    done = [(*process.communicate(timeout=200), process.returncode) for process in processes]
    assert [0] * 40 == [code for _, _, code in done]
    assert ["1.0"] * 40 == [json.loads(out)["version"] for out, _, _ in done]
    narration = [err for _, err, _ in done]
    assert 1 == sum(MAKING in err for err in narration)
    (maker,) = (
        process.pid for process, err in zip(processes, narration, strict=True) if MAKING in err
    )
    waited = f"waiting for process {maker}, which makes pydeploy 1.0 ready, at most 600 s"
    assert any(waited in err for err in narration)
    assert 1 == len(agent.folders())


def _halfway(agent: Agent) -> subprocess.Popen[str]:
    """A bootstrap in the middle of its work: Python is there, pip is about to be."""
    process = agent.start("x")
    deadline = time.monotonic() + 30
    while not list(agent.cache.glob("*.??????/bin/python")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert [] == agent.environments()
    return process


def test_what_a_killed_maker_left_is_repaired(agent: Agent) -> None:
    """SIGKILL of all its processes: the next one removes the half, and makes a whole."""
    process = _halfway(agent)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    (half,) = agent.folders()
    done = agent.run("x")
    assert (0, True) == (done.returncode, MAKING in done.stderr)
    assert not half.exists()
    assert 1 == len(agent.folders())


def test_a_killed_script_leaves_its_work_to_the_next(agent: Agent) -> None:
    """Its child goes on and keeps the lock; the next one waits, and need not make it again."""
    process = _halfway(agent)
    process.kill()
    done = agent.run("x")
    process.communicate()
    assert (0, False) == (done.returncode, MAKING in done.stderr)
    assert 1 == len(agent.folders())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interrupted_maker_ends_at_once(agent: Agent, number: int, code: int) -> None:
    """An abort while the tool is being made: its result says so, and no process is left."""
    process = _halfway(agent)
    process.send_signal(number)
    _, err = process.communicate(timeout=10)  # until all have closed it
    assert code == process.returncode
    assert f"interrupted by signal {int(number)}\n" in err
    told = agent.result()
    assert "aborted" == told["state"]
    assert ("Interrupted", "none") == (told["error.class"], told["error.fault"])
    assert str(code) == told["exitCode"]
    assert [] == agent.environments()
    assert 0 == agent.run("x").returncode
    assert 1 == len(agent.folders())


def test_a_wheel_with_another_hash_is_refused(agent: Agent) -> None:
    """One byte is enough, and nothing that can be used is left behind."""
    (wheel,) = agent.wheels.iterdir()
    content = wheel.read_bytes()
    wheel.write_bytes(content.replace(b"signal", b"signaL", 1))
    done = agent.run("x")
    assert f"pydeploy 1.0 could not be installed from the folder {agent.wheels}" == refused(
        agent, done
    )
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert [] == agent.folders()
    wheel.write_bytes(content)
    assert 0 == agent.run("x").returncode


def test_a_wheel_of_another_version_inside_is_refused(agent: Agent) -> None:
    """Whoever published it wrongly: a name and a hash are no version."""
    for one in agent.wheels.iterdir():
        one.unlink()
    other = agent.other("1.1")
    (wheel,) = agent.wheels.iterdir()
    pins = (other.library / "requirements.txt").read_text().replace("1.1", "1.0")
    (agent.library / "requirements.txt").write_text(pins)
    wheel.rename(agent.wheels / "pydeploy-1.0-py3-none-any.whl")
    refused(agent, agent.run("x"))


def test_without_an_index_it_says_how_to_bring_the_wheels(agent: Agent) -> None:
    """An empty folder, and one that is not there."""
    empty = agent.workspace.parent / "empty folder"
    empty.mkdir()
    error = refused(agent, agent.run("x", PYDEPLOY_WHEELS=str(empty)))
    assert f"pydeploy 1.0 could not be installed from the folder {empty}" == error
    assert f"in a clone of pydeploy 1.0: make wheels DIR={empty}" in agent.result()["error.hint"]
    error = refused(agent, agent.run("x", PYDEPLOY_WHEELS="/nonexistent"))
    assert "the folder PYDEPLOY_WHEELS=/nonexistent cannot be read" in error
    error = refused(agent, agent.run("x", PYDEPLOY_WHEELS="wheels"))
    assert "PYDEPLOY_WHEELS is 'wheels', not an absolute path" == error


def _closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_the_password_of_an_index_is_not_printed(agent: Agent) -> None:
    """Neither on the console nor in the result, whatever pip says of its address."""
    index = f"http://robot:s3cr3t@127.0.0.1:{_closed_port()}/simple"
    names = {"PYDEPLOY_INDEX_URL": index, "PIP_RETRIES": "0", "PYDEPLOY_WHEELS": None}
    done = agent.run("x", **names)
    assert "pydeploy 1.0 could not be installed from the index of PYDEPLOY_INDEX_URL" == refused(
        agent, done
    )
    assert "127.0.0.1" in done.stderr, "the reason is told"
    files = [one.read_text() for one in (agent.workspace / "result").iterdir()]
    assert not [one for one in (done.stderr, *files) if "s3cr3t" in one]
    error = refused(
        agent, agent.run("x", **names | {"PYDEPLOY_INDEX_URL": None, "PIP_INDEX_URL": index})
    )
    assert "pydeploy 1.0 could not be installed from the index of pip's configuration" == error


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_cache_of_somebody_else_is_refused(agent: Agent) -> None:
    """Also behind a link, and also when it is ready to use."""
    assert 0 == agent.run("x").returncode
    moved = agent.cache.rename(agent.cache.with_name("theirs"))
    agent.cache.symlink_to(moved)
    assert 0 == agent.run("x").returncode
    os.chown(moved, 65534, 65534)
    done = agent.run("x")
    assert 6 == done.returncode
    assert f"the folder {moved} belongs to user nobody, not to root" in done.stderr


# -- the real tool ----------------------------------------------------------------------


def test_the_real_tool_reaches_an_agent_that_has_no_network(tmp_path: Path) -> None:
    """`make wheels` in a clone, its folder and the clone's resources/ on the agent: it runs."""
    clone = clones.make(tmp_path / "clone")
    for words in (["tools.wheels", str(tmp_path / "wheels")], ["tools.requirements"]):
        subprocess.run([sys.executable, "-m", *words], cwd=clone, check=True, timeout=200)
    agent = agents.make(tmp_path / "agent")
    argv = ["unshare", "--net", "dash", str(clone / "resources/com/deepin/pydeploy/bootstrap.sh")]
    env_vars = agent.env_vars | {"PYDEPLOY_WHEELS": str(tmp_path / "wheels")}

    def runs(*arguments: str) -> str:
        done = subprocess.run(
            [*argv, *arguments],
            cwd=agent.workspace,
            env=env_vars,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert 0 == done.returncode, done.stderr
        return done.stdout

    assert f"pydeploy {__version__}\n" == runs("--version")
    assert runs("--help").startswith("Usage: pydeploy")
    assert "engines:" in runs("config", "example", "site")
    (made,) = agent.environments()
    check = [str(made / "bin/python"), "-I", "-m", "pip", "check"]
    assert 0 == subprocess.run(check, check=False, capture_output=True).returncode


def test_the_script_is_clean() -> None:
    """A POSIX shell's: nothing in it is bash's own."""
    script = str(agents.RESOURCES / "bootstrap.sh")
    for argv in (["shellcheck", "--shell=sh", script], ["dash", "-n", script]):
        done = subprocess.run(argv, check=False, capture_output=True, text=True)
        assert (0, "") == (done.returncode, done.stdout), argv
