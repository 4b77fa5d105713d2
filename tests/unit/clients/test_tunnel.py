"""One ssh for all that a command asks of an engine elsewhere."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pydeploy.clients import tunnel
from pydeploy.clients.tunnel import Broken, Tunnel

LISTENS = f"""#!{sys.executable}
import os, socket, sys, time
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[sys.argv.index("-L") + 1].partition(":")[0])
listener.listen()
open({{pids!r}}, "a").write(f"{{{{os.getpid()}}}}\\n")
time.sleep(60)
"""
Ssh = Callable[[str], None]


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ssh:
    """Puts another program for ssh on PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def write(text: str) -> None:
        path = tmp_path / "ssh"
        path.write_text(text)
        path.chmod(0o755)

    return write


def test_the_command() -> None:
    """Nobody is asked, a dead machine is noticed, and no option of the user's own joins in."""
    assert (
        "ssh", "-N", "-T",
        "-o", "BatchMode=yes", "-o", "ConnectTimeout=5",
        "-o", "ServerAliveInterval=3", "-o", "ServerAliveCountMax=3",
        "-o", "ExitOnForwardFailure=yes", "-o", "ControlPath=none", "-o", "ForwardAgent=no",
        "-l", "ci", "-p", "2222", "-L", "/t/engine.sock:/run/x.sock", "--", "engine-1",
    ) == tunnel.argv("ssh://ci@engine-1:2222/run/x.sock", Path("/t/engine.sock"), {})  # fmt: skip


def test_the_shortest_command() -> None:
    """User and port are ssh's own configuration's to say; the socket is the usual one."""
    words = tunnel.argv("ssh://engine-1", Path("/t/engine.sock"), {})
    assert ("-L", "/t/engine.sock:/var/run/docker.sock", "--", "engine-1") == words[-4:]
    assert not {"-l", "-p"} & set(words)


def test_a_key_that_a_pipeline_binds() -> None:
    """No other one is tried; its user is ours where site.yml names none."""
    bound = {"PYDEPLOY_ENGINE_SSH_KEY": "/k", "PYDEPLOY_ENGINE_SSH_USERNAME": "ci"}
    words = tunnel.argv("ssh://engine-1", Path("/t/engine.sock"), bound)
    assert ("-o", "IdentitiesOnly=yes", "-i", "/k", "-l", "ci") == words[-10:-4]
    assert "root" in tunnel.argv("ssh://root@engine-1", Path("/t/engine.sock"), bound)
    assert "-l" not in tunnel.argv("ssh://x", Path("/t"), {"PYDEPLOY_ENGINE_SSH_USERNAME": "ci"})


def test_it_is_opened_once_and_ends_with_its_owner(ssh: Ssh, tmp_path: Path) -> None:
    """Its socket is for us alone; the program and the folder go."""
    pids = tmp_path / "pids"
    ssh(LISTENS.format(pids=str(pids)))
    one = Tunnel("ssh://engine-1")
    door = one.opened()
    assert door == one.opened()
    folder = Path(door.removeprefix("unix://")).parent
    assert 0o700 == folder.stat().st_mode & 0o777
    (pid,) = pids.read_text().split()
    del one
    assert not folder.exists()
    assert not Path(f"/proc/{pid}").exists()


def test_one_that_broke_is_opened_again(ssh: Ssh, tmp_path: Path) -> None:
    """Under the same name, which clients already have."""
    pids = tmp_path / "pids"
    ssh(LISTENS.format(pids=str(pids)))
    one = Tunnel("ssh://engine-1")
    door = one.opened()
    os.kill(int(pids.read_text()), 15)
    until = time.monotonic() + 5
    while one._ssh and one._ssh.is_running:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert door == one.opened()
    with socket.socket(socket.AF_UNIX) as trial:
        trial.connect(door.removeprefix("unix://"))
    assert 2 == len(pids.read_text().split())


def test_what_ssh_says_is_the_reason(ssh: Ssh, tmp_path: Path) -> None:
    """And it is not tried again at once: whoever has failed asks an engine many things."""
    ssh(
        f"#!/bin/sh\necho x >>{tmp_path}/tries\necho 'Permission denied (publickey).' >&2; exit 255"
    )
    one = Tunnel("ssh://engine-1")
    for _ in range(3):
        with pytest.raises(Broken, match=r"Permission denied \(publickey\)"):
            one.opened()
    assert ["x"] == (tmp_path / "tries").read_text().split()


def test_one_that_hangs_is_bounded(ssh: Ssh, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine may accept and say nothing more."""
    monkeypatch.setattr(tunnel, "_OPEN", 0.3)
    ssh("#!/bin/sh\nexec sleep 60\n")
    began = time.monotonic()
    with pytest.raises(Broken, match="did not get there"):
        Tunnel("ssh://engine-1").opened()
    assert time.monotonic() - began < 5


def test_without_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a traceback."""
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Broken, match="no ssh on PATH"):
        Tunnel("ssh://engine-1").opened()
