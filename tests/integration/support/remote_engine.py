"""A second Docker engine on what is another machine to the network: TLS and ssh are its only doors.

It lives in a network namespace with one cable to us, has its own data, and shares nothing with the
first engine but the registry, which it reaches under the same address by a relay.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PREFIX = "pdre"  # of namespaces and cables; the process id follows, so that dead ones are known
TLS_PORT, SSH_PORT = 2376, 2222
_RELAY = """
import socket, sys, threading
def pass_on(a, b):
    try:
        while data := a.recv(65536): b.sendall(data)
    except OSError: pass
    finally:
        try: b.shutdown(socket.SHUT_WR)
        except OSError: pass
def serve(near):
    far = socket.create_connection((sys.argv[2], int(sys.argv[3])))
    for pair in ((near, far), (far, near)): threading.Thread(target=pass_on, args=pair).start()
listener = socket.create_server((sys.argv[1], int(sys.argv[3])))
while True:
    near, _ = listener.accept()
    threading.Thread(target=serve, args=(near,)).start()
"""


def slot() -> int:
    return os.getpid() % 250


@dataclass
class RemoteEngine:
    """`address` is where the engine, its sshd and its environments are."""

    folder: Path
    registry_port: int
    name: str = field(default_factory=lambda: f"{PREFIX}{os.getpid()}")
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _engine: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"10.254.{slot()}.2"

    @property
    def _host_address(self) -> str:
        return f"10.254.{slot()}.1"

    @property
    def tls(self) -> Path:
        """The client's certificates."""
        return self.folder / "client"

    @property
    def socket(self) -> str:
        return f"unix://{self.folder}/engine.sock"

    # -- its life -----------------------------------------------------------------------

    def start(self) -> None:
        _erase_dead()
        for part in ("client", "server", "wrapper"):
            (self.folder / part).mkdir(parents=True)
        self._lay_cable()
        self._make_certificates()
        self._relay_registry()
        self.start_engine()
        self._start_sshd()

    def start_engine(self) -> None:
        """dockerd itself; may be called again after it was killed."""
        server = self.folder / "server"
        self._engine = self._inside(
            "dockerd",
            "--host", self.socket,
            "--host", f"tcp://{self.address}:{TLS_PORT}",
            "--tlsverify", "--tlscacert", f"{server}/ca.pem",
            "--tlscert", f"{server}/cert.pem", "--tlskey", f"{server}/key.pem",
            "--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/exec",
            "--pidfile", f"{self.folder}/docker.pid",
            "--bip", f"10.253.{slot()}.1/24",
            "--default-address-pool", f"base=10.252.{slot()}.0/24,size=28",
            log="engine.log",
        )  # fmt: skip
        self._wait(lambda: not self.docker("info", check=False).returncode)

    def kill(self) -> None:
        """As if its machine lost power: dockerd, and what it runs."""
        assert self._engine
        self._engine.send_signal(signal.SIGKILL)
        self._engine.wait()
        for pid in (self.folder / "exec" / "containerd").glob("containerd.pid"):
            with contextlib.suppress(ProcessLookupError, ValueError):
                os.kill(int(pid.read_text()), signal.SIGKILL)
        (self.folder / "docker.pid").unlink(missing_ok=True)
        (self.folder / "exec" / "containerd" / "containerd.pid").unlink(missing_ok=True)

    def cut(self) -> None:
        """Pull the cable."""
        _run("ip", "link", "set", self.name, "down")

    def mend(self) -> None:
        _run("ip", "link", "set", self.name, "up")

    def stop(self) -> None:
        if self._engine and self._engine.poll() is None:
            with contextlib.suppress(subprocess.SubprocessError):
                ids = self.docker("ps", "--all", "--quiet").stdout.split()
                if ids:
                    self.docker("rm", "--force", *ids, check=False)
            self._engine.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._engine.wait(20)
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        _erase(self.name)
        _unmount(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)

    def docker(self, *argv: str, check: bool = True, **more: Any) -> Any:
        """The client, by the engine's own socket: for the test's eyes."""
        return subprocess.run(
            ["docker", "--host", self.socket, *argv],
            check=check, capture_output=True, text=True, **more,
        )  # fmt: skip

    # -- how others reach it ------------------------------------------------------------

    def by_tls(self) -> dict[str, Any]:
        """The engine's keys in site.yml."""
        return {"host": f"tcp://{self.address}:{TLS_PORT}", "tls": str(self.tls), **self._more()}

    def by_ssh(self) -> dict[str, Any]:
        return {
            "host": f"ssh://root@{self.address}:{SSH_PORT}{self.folder}/engine.sock",
            **self._more(),
        }

    def _more(self) -> dict[str, Any]:
        first = 25000 + 10 * slot()
        return {
            "bind": self.address,
            "ports": f"{first}-{first + 99}",
            "subnets": f"10.251.{slot()}.0/24",
            "subnet_prefix": 28,
        }

    @property
    def path(self) -> str:
        """A PATH on which ssh knows the engine's key and has ours."""
        return f"{self.folder}/wrapper:{os.environ['PATH']}"

    # -- making it ----------------------------------------------------------------------

    def _lay_cable(self) -> None:
        inner = f"{self.name}i"
        _run("ip", "netns", "add", self.name)
        _run("ip", "link", "add", self.name, "type", "veth", "peer", "name", inner)
        _run("ip", "link", "set", inner, "netns", self.name)
        _run("ip", "address", "add", f"{self._host_address}/30", "dev", self.name)
        _run("ip", "link", "set", self.name, "up")
        for words in (
            f"address add {self.address}/30 dev {inner}",
            f"link set {inner} up",
            "link set lo up",
            f"route add default via {self._host_address}",
        ):
            _run("ip", "-n", self.name, *words.split())

    def _inside(self, *argv: str, log: str) -> subprocess.Popen[bytes]:
        """A process in its network, with our file system: `ip netns exec` would hide cgroups."""
        process = subprocess.Popen(
            ["nsenter", f"--net=/var/run/netns/{self.name}", *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / log).open("ab"),
            start_new_session=True,
        )
        self._processes.append(process)
        return process

    def _relay_registry(self) -> None:
        """127.0.0.1:PORT there is 127.0.0.1:PORT here."""
        self._inside(
            sys.executable, "-c", _RELAY, "127.0.0.1", self._host_address, str(self.registry_port),
            log="relay.log",
        )  # fmt: skip
        listener = socket.create_server((self._host_address, self.registry_port))
        threading.Thread(target=_relay, args=(listener, self.registry_port), daemon=True).start()

    def _make_certificates(self) -> None:
        authority = self.folder / "ca.pem", self.folder / "ca-key.pem"
        _certificate(authority, None, "a test's authority")
        for part, name in (("server", f"IP:{self.address}"), ("client", "DNS:client")):
            folder = self.folder / part
            _certificate((folder / "cert.pem", folder / "key.pem"), authority, name)
            shutil.copy(authority[0], folder / "ca.pem")

    def _start_sshd(self) -> None:
        for key in ("host_key", "user_key"):
            _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / key))
        shutil.copy(self.folder / "user_key.pub", self.folder / "authorized_keys")
        (self.folder / "sshd_config").write_text(
            f"ListenAddress {self.address}:{SSH_PORT}\nHostKey {self.folder}/host_key\n"
            f"AuthorizedKeysFile {self.folder}/authorized_keys\nStrictModes no\nUsePAM no\n"
            f"PidFile none\nPasswordAuthentication no\nPermitRootLogin yes\nMaxStartups 100\n"
            f"MaxSessions 100\nSetEnv DOCKER_HOST={self.socket}\n"
        )
        host_key = (self.folder / "host_key.pub").read_text()
        (self.folder / "known_hosts").write_text(f"[{self.address}]:{SSH_PORT} {host_key}")
        (self.folder / "ssh_config").write_text(
            f"Host *\n  IdentityFile {self.folder}/user_key\n  IdentitiesOnly yes\n"
            f"  UserKnownHostsFile {self.folder}/known_hosts\n  StrictHostKeyChecking yes\n"
            "  ConnectTimeout 5\n  ServerAliveInterval 3\n  ServerAliveCountMax 2\n"
            f"  ControlMaster auto\n  ControlPath {self.folder}/%C\n  ControlPersist 5\n"
        )
        wrapper = self.folder / "wrapper" / "ssh"
        wrapper.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {self.folder}/ssh_config "$@"\n')
        wrapper.chmod(0o755)
        Path("/run/sshd").mkdir(exist_ok=True)
        self._inside("/usr/sbin/sshd", "-D", "-e", "-f", f"{self.folder}/sshd_config",
                     log="sshd.log")  # fmt: skip
        self._wait(lambda: _accepts(self.address, SSH_PORT))

    def _wait(self, condition: Any) -> None:
        until = time.monotonic() + 60
        while not condition():
            logs = "".join(path.read_text()[-3000:] for path in self.folder.glob("*.log"))
            assert time.monotonic() < until, logs
            time.sleep(0.1)


def _certificate(made: tuple[Path, Path], authority: tuple[Path, Path] | None, name: str) -> None:
    signing = ["-CA", str(authority[0]), "-CAkey", str(authority[1])] if authority else []
    extra = ["-addext", f"subjectAltName={name}"] if authority else []
    _run(
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        "-subj", f"/CN={name.partition(':')[2] or name}",
        "-out", str(made[0]), "-keyout", str(made[1]), *signing, *extra,
    )  # fmt: skip


def _relay(listener: socket.socket, port: int) -> None:
    def pass_on(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_WR)

    while True:
        near, _ = listener.accept()
        far = socket.create_connection(("127.0.0.1", port))
        for pair in ((near, far), (far, near)):
            threading.Thread(target=pass_on, args=pair, daemon=True).start()


def _accepts(address: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False


def _erase_dead() -> None:
    """What a test session that was killed left: its processes, its namespace, its cable."""
    for path in Path("/var/run/netns").glob(f"{PREFIX}*"):
        pid = path.name.removeprefix(PREFIX)
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            found = subprocess.run(
                ["ip", "netns", "pids", path.name], capture_output=True, text=True, check=False
            )
            for one in found.stdout.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(one), signal.SIGKILL)
            _erase(path.name)


def _unmount(folder: Path) -> None:
    """dockerd mounts its data folder on itself, and leaves that when it was killed."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in reversed(mounts):
        if mount.startswith(f"{folder}/"):
            subprocess.run(["umount", "--lazy", mount], capture_output=True, check=False)


def _erase(name: str) -> None:
    subprocess.run(["ip", "link", "del", name], capture_output=True, check=False)
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert not done.returncode, f"{argv}: {done.stderr}"
