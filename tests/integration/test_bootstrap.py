"""bootstrap.sh with a tool that is ready, or has to be made ready: real pip, real environments."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.bootstrap import agent as agents
from tests.bootstrap.agent import Agent


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return agents.make(tmp_path)


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Agent:
    """An agent on which the tool is ready."""
    made = agents.make(tmp_path_factory.mktemp("agent"))
    assert made.run("--version").returncode == 0
    return made


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What the stand-in for pydeploy says of how it was called."""
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# -- which one is used ------------------------------------------------------------------


@pytest.mark.parametrize("other", ["echo pydeploy 1.0.1", "echo pydeploy 1", "exit 1"])
def test_another_version_on_path_is_not_used(used: Agent, tmp_path: Path, other: str) -> None:
    """Not a newer one, not a broken one."""
    agents.program(tmp_path / "pydeploy", other)
    assert "1.0" == told(used.run("status", PATH=f"{tmp_path}:{agents.PATH}"))["version"]


def test_what_stands_in_the_current_folder_is_not_on_path(used: Agent, tmp_path: Path) -> None:
    """The current folder is the change; `.` and the empty entry of PATH mean it."""
    agents.program(used.workspace / "pydeploy", "touch seen; echo pydeploy 1.0")
    agents.program(used.workspace / "bin/pydeploy", "touch seen; echo pydeploy 1.0")
    for place in (".", "", "bin"):
        assert "1.0" == told(used.run("status", PATH=f"{place}:{agents.PATH}"))["version"]
    assert not (used.workspace / "seen").exists()


def test_two_versions_live_side_by_side(used: Agent) -> None:
    """Builds of two branches use two versions of the library on one agent, in turn."""
    newer = used.other("2.0")
    for one in (newer, used, newer, used):
        assert one.version == told(one.run("status"))["version"]
    assert {used.environment, newer.environment} <= set(used.environments())


def test_one_version_with_other_pins_is_another_environment(used: Agent) -> None:
    """A development version may be built twice; what was built first does not stand for both."""
    before = len(used.environments())
    again = used.other("1.0", comment="# other pins\n")
    assert "1.0" == told(again.run("status"))["version"]
    assert before + 1 == len(used.environments())


def test_an_environment_whose_python_was_upgraded_away_is_made_anew(tmp_path: Path) -> None:
    """Its link leads nowhere then: nothing else would say so but a build that fails."""
    agent = agents.make(tmp_path)
    agent.run("--version")
    (link,) = agent.environments()
    interpreter = link / "bin/python"
    assert interpreter.resolve().name.startswith("python3."), "a version's own name"
    for one in (link / "bin").glob("python*"):
        one.unlink()
    interpreter.symlink_to("/usr/bin/python3.0")
    assert "1.0" == told(agent.run("status"))["version"]
    assert 1 == len(agent.folders())


# -- how it is called -------------------------------------------------------------------


@pytest.mark.parametrize(
    "ugly",
    [
        "$(touch /tmp/x)",
        "`id`",
        "'; rm -rf ~; '",
        'a "b"',
        "two\nlines\n",
        "",
        " ",
        "*",
        "-e",
        "\\",
    ],
)
def test_arguments_arrive_unchanged(used: Agent, ugly: str) -> None:
    """No shell looks at them again."""
    assert ["deploy", ugly, "x", ugly] == told(used.run("deploy", ugly, "x", ugly))["argv"]


def test_the_exit_code_is_the_tools(used: Agent) -> None:
    """And there is no result but the tool's."""
    shutil.rmtree(used.workspace / "result", ignore_errors=True)
    assert 3 == used.run("exit", "3").returncode
    assert not (used.workspace / "result").exists()


def test_the_tool_is_the_process_that_was_started(used: Agent) -> None:
    """So an abort by Jenkins reaches it, and its undo is waited for."""
    process = used.start("wait")
    assert process.stdout is not None
    assert process.pid == json.loads(process.stdout.readline())["pid"]
    process.terminate()
    out, _ = process.communicate(timeout=20)
    assert ("undone\n", 143) == (out, process.returncode)


def test_the_tool_gets_folder_stdin_and_umask_as_they_are(used: Agent) -> None:
    """The strict umask is the cache's; the tool's files are for others to read."""
    process = subprocess.run(
        ["sh", "-c", 'umask 027; exec dash "$0" x', str(used.library / "bootstrap.sh")],
        cwd=used.workspace,
        env=used.env_vars,
        input="text",
        capture_output=True,
        text=True,
        check=False,
    )
    found = told(process)
    assert (str(used.workspace), "text", 0o027) == (found["cwd"], found["stdin"], found["umask"])


def test_it_may_be_called_by_a_relative_name(agent: Agent) -> None:
    """Also when the environment has to be made; that is for its user alone."""
    done = subprocess.run(
        ["dash", "../library/bootstrap.sh", "x"],
        cwd=agent.workspace,
        env=agent.env_vars,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1.0" == told(done)["version"]
    assert 0o700 == agent.environment.stat().st_mode & 0o777


def test_a_ready_tool_costs_little_and_waits_for_nobody(used: Agent) -> None:
    """Less than 20 ms of a processor, also while somebody makes another version ready."""
    interpreter = used.environment / "bin/python"
    with (used.cache / "building").open("a") as held:
        os.set_inheritable(held.fileno(), True)
        subprocess.run(["flock", str(held.fileno())], close_fds=False, check=True)
        whole = _processor_ms(["dash", str(used.library / "bootstrap.sh"), "--version"], used)
        tool = _processor_ms([str(interpreter), "-I", "-m", "pydeploy", "--version"], used)
    assert whole - tool < 20


def _processor_ms(argv: list[str], agent: Agent) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(10):
        subprocess.run(argv, env=agent.env_vars, check=True, capture_output=True, timeout=20)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 100


# -- nothing of the change is run -------------------------------------------------------

_HOSTILE = [
    *("pip.py", "pip/__init__.py", "venv.py", "venv/__init__.py", "ensurepip.py"),
    *("ensurepip/__init__.py", "sitecustomize.py", "usercustomize.py", "os.py", "json.py"),
    *("runpy.py", "encodings/__init__.py"),
    *("pydeploy.py", "pydeploy/__init__.py", "pydeploy/__main__.py"),
]


def test_what_a_checkout_brings_is_not_imported(agent: Agent) -> None:
    """Modules in the current folder, also if the build's variables name it."""
    for name in _HOSTILE:
        file = agent.workspace / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"open({str(agent.workspace / 'seen')!r}, 'w')\nraise SystemExit(9)\n")
    (agent.workspace / "pip.conf").write_text("[global]\ntarget = /nonexistent\n")
    here = str(agent.workspace)
    names: dict[str, str] = dict.fromkeys(("PYTHONPATH", "PYTHONUSERBASE", "PYTHONHOME"), here)
    names |= {"PIP_TARGET": here, "PIP_CONFIG_FILE": "pip.conf", "PIP_DRY_RUN": "1"}
    names |= {"PIP_PREFIX": here, "PIP_USER": "1", "PIP_NO_BINARY": ":all:", "PIP_PYTHON": "/x"}
    for _ in range(2):  # made, then found
        found = told(agent.run("x", **names))
        assert [] == [one for one in found["path"] if one == "" or one.startswith(here)]
    assert not (agent.workspace / "seen").exists()


# -- how environments end ---------------------------------------------------------------


def _grown_old(agent: Agent, name: str, *, days: float) -> Path:
    """An environment as it lies there when nobody has used it for so long."""
    folder = agent.cache / f"{name}.abcdef"
    (folder / "bin").mkdir(parents=True)
    (agent.cache / name).symlink_to(folder.name)
    lock = agent.cache / f"{name}.lock"
    lock.touch()
    then = lock.stat().st_mtime - days * 86400
    os.utime(lock, (then, then))
    return folder


def test_environments_that_nobody_uses_go_when_a_new_one_is_made(agent: Agent) -> None:
    """Those used lately stay, and one in which a process runs however old it is."""
    agent.cache.mkdir(mode=0o700)
    gone = _grown_old(agent, "0.1-aaaaaaaaaaaa", days=40)
    lately = _grown_old(agent, "0.2-bbbbbbbbbbbb", days=20)
    runs = _grown_old(agent, "0.3-cccccccccccc", days=40)
    with (agent.cache / f"{runs.stem}.lock").open() as held:
        os.set_inheritable(held.fileno(), True)
        subprocess.run(["flock", "-s", str(held.fileno())], close_fds=False, check=True)
        done = agent.run("x")
    assert "1.0" == told(done)["version"]
    assert f"removed {agent.cache}/0.1-aaaaaaaaaaaa: not used for 30 days" in done.stderr
    assert [False, True, True] == [one.exists() for one in (gone, lately, runs)]
    assert not (agent.cache / "0.1-aaaaaaaaaaaa").is_symlink()


def test_how_long_they_stay_is_the_sites_to_say(agent: Agent) -> None:
    """PYDEPLOY_CACHE_DAYS; only a number is one."""
    agent.cache.mkdir(mode=0o700)
    kept = _grown_old(agent, "0.1-aaaaaaaaaaaa", days=40)
    assert "1.0" == told(agent.run("x", PYDEPLOY_CACHE_DAYS="50"))["version"]
    assert kept.exists()
    assert 6 == agent.run("x", PYDEPLOY_CACHE_DAYS="a week").returncode


def test_a_running_tool_holds_its_environment(used: Agent) -> None:
    """Its descriptor of the lock lives as long as it does, and a use renews the lock's time."""
    lock = Path(f"{used.environment}.lock")
    os.utime(lock, (0, 0))
    process = used.start("wait")
    assert process.stdout is not None
    process.stdout.readline()
    taken = ["flock", "-x", "-n", str(lock), "true"]
    assert 1 == subprocess.run(taken, check=False).returncode
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=20)
    assert 0 == subprocess.run(taken, check=False).returncode
    assert lock.stat().st_mtime > 0
