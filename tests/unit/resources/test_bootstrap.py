"""bootstrap.sh without making anything: what it refuses, and how it says so."""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path

import pytest

from tests.bootstrap import agent as agents
from tests.bootstrap.agent import Agent, refused


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return agents.make(tmp_path)


def test_the_same_version_on_path_is_used(agent: Agent, tmp_path: Path) -> None:
    """Then nothing is made, not even the cache."""
    version = f'[ "$*" = --version ] && echo "pydeploy {agent.version}" && exit'
    agents.program(tmp_path / "bin/pydeploy", f'{version}\necho "that of PATH: $*"\nexit 9')
    done = agent.run("status", "--json", PATH=f"{tmp_path}/bin:{agents.PATH}")
    assert (9, "that of PATH: status --json\n", "") == (done.returncode, done.stdout, done.stderr)
    assert not agent.cache.exists()


def test_who_waits_too_long_says_for_what(agent: Agent) -> None:
    """A maker that hangs is named, and nothing is taken from it."""
    agent.cache.mkdir(mode=0o700)
    building = agent.cache / "building"
    building.write_text("process 4711, which makes pydeploy 0.9 ready\n")
    with building.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = agent.run("x", PYDEPLOY_CACHE_WAIT="1")
    assert "waited 1 s for process 4711, which makes pydeploy 0.9 ready" == refused(agent, done)


def test_an_abort_ends_the_waiting(agent: Agent) -> None:
    """At once, and with a result."""
    agent.cache.mkdir(mode=0o700)
    with (agent.cache / "building").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        process = agent.start("x")
        assert process.stderr is not None
        assert "waiting for" in process.stderr.readline()
        process.terminate()
        process.communicate(timeout=10)
    assert 143 == process.returncode
    told = agent.result()
    assert ("aborted", "143", "Interrupted") == (
        told["state"],
        told["exitCode"],
        told["error.class"],
    )


# -- refused ----------------------------------------------------------------------------


def test_a_development_version_says_that_it_is_none_to_install(agent: Agent) -> None:
    """Its hash is zeros, which would look like a corrupted wheel."""
    (agent.library / "requirements.txt").write_text(
        f"pydeploy==1.0 \\\n    --hash=sha256:{0:064}\n"
    )
    assert "pydeploy 1.0 is no release: no wheel of it can be checked" == refused(
        agent, agent.run("x")
    )


@pytest.mark.parametrize("content", ["", "click==1.0\n", "pydeploy==$(id) \\\n x", None])
def test_a_library_that_is_not_whole_is_refused(agent: Agent, content: str | None) -> None:
    """The version is read off the first line, and becomes a path."""
    pins = agent.library / "requirements.txt"
    if content is None:
        pins.unlink()
    else:
        pins.write_text(content)
    assert str(pins) in refused(agent, agent.run("x"))


# -- what an agent lacks ----------------------------------------------------------------


def _python(folder: Path, first: str) -> None:
    """A python3 that runs `first` before everything else."""
    real = agents.PYTHONS / "python3"
    text = f"import sys; {first}; exec(sys.argv[1])"
    agents.program(folder / "python3", f'[ "$1 $2" = "-I -c" ] && exec {real} -I -c "{text}" "$3"')


def test_an_agent_without_python_is_told_what_to_install(agent: Agent, tmp_path: Path) -> None:
    """No Python, one that is too old, one without venv: the command differs by what is there."""
    tools = agents.tools_without_python(tmp_path / "tools")
    error = refused(agent, agent.run("x", PATH=tools))
    assert f"no Python 3.11 or newer with venv is on PATH of agent {os.uname().nodename}" == error
    assert "apt-get install python3 python3-venv" in agent.result()["error.hint"]

    _python(tmp_path / "old", "sys.version_info = (3, 9, 2)")
    error = refused(agent, agent.run("x", PATH=f"{tmp_path}/old:{tools}"))
    assert f"; {tmp_path}/old/python3 is 3.9, too old" in error

    _python(tmp_path / "bare", "sys.modules['ensurepip'] = None")
    error = refused(agent, agent.run("x", PATH=f"{tmp_path}/bare:{tmp_path}/old:{tools}"))
    assert f"; {tmp_path}/bare/python3 is 3." in error
    assert ", but without venv" in error
    assert agent.result()["error.hint"].startswith("apt-get install python3-venv")


@pytest.mark.parametrize(
    ("program", "said"),
    [("flock", "flock is missing on agent"), ("stat", "could not be started on agent")],
)
def test_an_agent_without_a_program_is_told(
    agent: Agent, tmp_path: Path, program: str, said: str
) -> None:
    """Whatever is missing is the operator's turn, and never the exit code of a shell."""
    tools = Path(agents.tools_without_python(tmp_path / "tools"))
    (tools / program).unlink()
    assert said in refused(agent, agent.run("x", PATH=str(tools)))


def test_an_agent_without_a_home_is_told(agent: Agent) -> None:
    """There is no place for the cache; the current folder, the change, is none."""
    nowhere = {"PYDEPLOY_CACHE": None, "HOME": None}
    error = refused(agent, agent.run("x", **nowhere))
    assert "neither PYDEPLOY_CACHE nor HOME is set" in error
    assert "PYDEPLOY_CACHE" in agent.result()["error.hint"]
    refused(agent, agent.run("x", **nowhere | {"XDG_CACHE_HOME": "relative"}))
    error = refused(agent, agent.run("x", PYDEPLOY_CACHE="cache"))
    assert "PYDEPLOY_CACHE is 'cache', not an absolute path" == error
    assert ["result"] == [one.name for one in agent.workspace.iterdir()]


def test_the_cache_is_where_the_user_has_caches(agent: Agent, tmp_path: Path) -> None:
    """XDG_CACHE_HOME, else ~/.cache; made for its user alone."""
    names = {"PYDEPLOY_CACHE": None, "PYDEPLOY_WHEELS": "/nonexistent"}
    for place in (str(tmp_path / "xdg"), "no/path"):
        assert 6 == agent.run("x", **names, XDG_CACHE_HOME=place).returncode
    for made in (tmp_path / "xdg/pydeploy", tmp_path / "home/.cache/pydeploy"):
        assert 0o700 == made.stat().st_mode & 0o777


# -- whose cache it is ------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770, 0o702, 0o720, 0o3770])
def test_a_cache_that_others_may_write_to_is_refused(agent: Agent, mode: int) -> None:
    """What they put there would run as us."""
    agent.cache.mkdir()
    agent.cache.chmod(mode)
    error = refused(agent, agent.run("x"))
    assert f"others may write to the folder {agent.cache} (mode {mode:o})" == error


# -- the result -------------------------------------------------------------------------


def test_any_text_arrives_in_the_result(agent: Agent) -> None:
    """Percent-encoded and as JSON, with quotes, line ends and what is no ASCII."""
    ugly = '%20+="\\\n\tü\x7f$(id)'
    assert f"PYDEPLOY_CACHE is '{ugly}', not an absolute path" == refused(
        agent, agent.run("x", PYDEPLOY_CACHE=ugly)
    )


def test_the_result_says_of_which_build_it_is(agent: Agent) -> None:
    """So that a report of that build tells it."""
    (agent.library / "requirements.txt").unlink()
    agent.run("step", PYDEPLOY_STEP='{"step":"deploy","arguments":{}}', BUILD_TAG="jenkins-a.b-7")
    told = agent.result()
    assert ("deploy", "jenkins-a.b-7") == (told["step"], told["build"])


def test_relative_entries_of_path_are_dropped(agent: Agent, tmp_path: Path) -> None:
    """They are folders of the change; also the tool does not get them."""
    version = f'[ "$*" = --version ] && echo "pydeploy {agent.version}" && exit'
    agents.program(tmp_path / "bin/pydeploy", f'{version}\necho "$PATH"')
    whole = f":bin:{tmp_path}/bin::./x:{agents.PATH}:."
    assert f"{tmp_path}/bin:{agents.PATH}\n" == agent.run("x", PATH=whole).stdout


def test_a_link_in_place_of_the_result_is_not_followed(agent: Agent, tmp_path: Path) -> None:
    """The change may bring one along."""
    (agent.workspace / "result").mkdir()
    precious = tmp_path / "authorized_keys"
    precious.write_text("mine")
    for name in ("result.json", "result.properties"):
        (agent.workspace / "result" / name).symlink_to(precious)
    refused(agent, agent.run("x", PYDEPLOY_CACHE="relative"))
    assert "mine" == precious.read_text()


def test_a_result_that_cannot_be_written_hides_no_error(agent: Agent) -> None:
    """The exit code stays that of the failure."""
    (agent.workspace / "result").write_text("a file")
    done = agent.run("x", PYDEPLOY_CACHE="relative")
    assert 6 == done.returncode
    assert "warning: the result could not be written to result\n" in done.stderr


def test_nobody_who_asks_for_no_result_gets_one(agent: Agent) -> None:
    """By hand, on a terminal."""
    done = agent.run("x", PYDEPLOY_RESULT=None, PYDEPLOY_CACHE="relative")
    assert (6, []) == (done.returncode, list(agent.workspace.iterdir()))


def test_the_head_of_the_script_names_what_it_reads() -> None:
    """Every variable, and no other."""
    text = (agents.RESOURCES / "bootstrap.sh").read_text(encoding="utf-8")
    head = text.partition("set -eu")[0]
    assert set(re.findall(r"\$\{(PYDEPLOY_\w+)", text)) == set(
        re.findall(r"^#   (PYDEPLOY_\w+)", head, re.M)
    )


def test_the_library_is_ascii() -> None:
    """Jenkins reads its resources in whatever encoding its controller has."""
    for file in agents.RESOURCES.iterdir():
        assert file.read_bytes().isascii(), file.name
