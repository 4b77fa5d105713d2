"""A real Gerrit on loopback: its parts from Maven's repository, its own site, a bot and a label."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
HERE = ROOT / "tests" / "integration" / "gerrit"
PARTS = ROOT / ".venv" / "gerrit"  # fetched once for a checkout
ADMIN = ("admin", "secret")  # of `init --dev`
BOT = ("ci-bot", "bot-secret")
_JVM = (
    "-Xmx768m",
    "--add-opens=java.base/java.net=ALL-UNNAMED",
    "--add-opens=java.base/java.lang.invoke=ALL-UNNAMED",
    "-Dflogger.backend_factory="
    "com.google.common.flogger.backend.log4j.Log4jBackendFactory#getInstance",
    "-Dflogger.logging_context=com.google.gerrit.server.logging.LoggingContext#getInstance",
)
_CONFIG = """
[gerrit]
	basePath = git
	canonicalWebUrl = {url}/
	serverId = 6d1b7f8c-0a4e-4f5e-9d57-1f0c5f6a7b8c
[auth]
	type = DEVELOPMENT_BECOME_ANY_ACCOUNT
	gitBasicAuthPolicy = HTTP
[sendemail]
	enable = false
[sshd]
	listenAddress = 127.0.0.1:{ssh_port}
[httpd]
	listenUrl = {url}/
[cache]
	directory = cache
"""


@dataclass
class GerritServer:
    """Stopped by its own process id; its site is the test session's."""

    folder: Path
    http_port: int = 0
    ssh_port: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _projects: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.http_port, self.ssh_port = _free_ports(2)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def key(self) -> Path:
        """The bot's private key."""
        return self.folder / "bot"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    # -- its life -----------------------------------------------------------------------

    def make(self) -> GerritServer:
        """The site, with a bot that may vote on Verified; the server runs afterwards."""
        (self.folder / "site" / "etc").mkdir(parents=True)
        config = _CONFIG.format(url=self.url, ssh_port=self.ssh_port)
        (self.folder / "site" / "etc" / "gerrit.config").write_text(config)
        with (self.folder / "init.log").open("wb") as log:
            done = subprocess.run(
                self._java(
                    "init", "--batch", "--no-auto-start", "--skip-plugins",
                    "--skip-all-downloads", "--dev",
                ),
                stdout=log, stderr=log,
            )  # fmt: skip
        assert done.returncode == 0, (self.folder / "init.log").read_text()[-3000:]
        self.start()
        self._make_bot()
        self._make_label()
        return self

    def start(self) -> None:
        with (self.folder / "daemon.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._java("daemon", "--headless", "--console-log"),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 120
        while not self._answers():
            assert self._process.poll() is None, self._log()
            assert time.monotonic() < deadline, self._log()
            time.sleep(0.2)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """As an operator does; with SIGKILL its index may lose what was written last."""
        if self._process and self._process.poll() is None:
            os.kill(self._process.pid, number)
            self._process.wait(60)
        self._process = None

    def _java(self, command: str, *options: str) -> list[str]:
        parts = f"{PARTS}/classes:{PARTS}/lib/*"
        site = str(self.folder / "site")
        return ["java", *_JVM, "-cp", parts, "GerritServer", command, "-d", site, *options]

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/config/server/version", timeout=5) as answer:
                is_up = answer.read().startswith(b")]}'")
            socket.create_connection(("127.0.0.1", self.ssh_port), timeout=5).close()
        except OSError:
            return False
        return is_up

    def _log(self) -> str:
        return (self.folder / "daemon.log").read_text(errors="replace")[-3000:]

    def _make_bot(self) -> None:
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)], check=True
        )
        self.admin(
            "PUT",
            f"/accounts/{BOT[0]}",
            {
                "name": "CI Bot",
                "email": "ci-bot@example.com",
                "ssh_key": self.key.with_suffix(".pub").read_text(),
                "http_password": BOT[1],
                "groups": ["Service Users"],
            },
        )
        scanned = subprocess.run(
            ["ssh-keyscan", "-p", str(self.ssh_port), "127.0.0.1"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        self.known_hosts.write_text(scanned.stdout)

    def _make_label(self) -> None:
        """By the lines that docs/gerrit.md tells the operator to add."""
        clone = self.folder / "All-Projects"
        change = PushedChange(server=self, clone=clone)
        subprocess.run(["git", "init", "-q", str(clone)], check=True)
        remote = f"http://{':'.join(ADMIN)}@127.0.0.1:{self.http_port}/a/All-Projects"
        change.git("fetch", "-q", remote, "refs/meta/config")
        change.git("checkout", "-q", "FETCH_HEAD")
        with (clone / "project.config").open("a") as file:
            file.write(documented_label())
        change.git("commit", "-qam", "Add Verified")
        change.git("push", "-q", remote, "HEAD:refs/meta/config")

    # -- what tests do with it ----------------------------------------------------------

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        return self.ask(method, path, body, login=ADMIN)

    def ask(self, method: str, path: str, body: Any = None, *, login: tuple[str, str]) -> Any:
        request = urllib.request.Request(
            f"{self.url}/a{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                **({} if body is None else {"Content-Type": "application/json"}),
                "Authorization": "Basic " + base64.b64encode(":".join(login).encode()).decode(),
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read().decode().removeprefix(")]}'").strip()
        except urllib.error.HTTPError as wrong:
            raise AssertionError(f"{method} {path}: {wrong} {wrong.read()!r}") from wrong
        return json.loads(text) if text else None

    def project(self, name: str = "demo") -> str:
        if name not in self._projects:
            path = f"/projects/{name.replace('/', '%2F')}"
            self.admin("PUT", path, {"create_empty_commit": True})
            self._projects.add(name)
        return name

    def change(self, subject: str = "Add a file", *, project: str = "demo") -> PushedChange:
        """A new change with one patchset, pushed by git over HTTP."""
        self.project(project)
        number = len(list(self.folder.glob("work-*")))
        clone = self.folder / f"work-{number}"
        remote = f"http://{':'.join(ADMIN)}@127.0.0.1:{self.http_port}/a/{project}"
        subprocess.run(["git", "clone", "-q", remote, str(clone)], check=True)
        change = PushedChange(server=self, clone=clone)
        change_id = "I" + hashlib.sha1(f"{self.folder}{number}".encode()).hexdigest()  # noqa: S324
        change.commit(f"{subject}\n\nChange-Id: {change_id}\n")
        change.number = self.admin("GET", f"/changes/?q=change:{change_id}")[0]["_number"]
        return change


@dataclass
class PushedChange:
    """A change in Gerrit, and the clone from which it is pushed."""

    server: GerritServer
    clone: Path
    number: int = 0
    patchset: int = 0

    def git(self, *arguments: str, stdin: str | None = None) -> str:
        who = ("-c", "user.name=Ann", "-c", "user.email=admin@example.com")
        done = subprocess.run(
            ["git", *who, *arguments], cwd=self.clone, input=stdin, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, message: str | None = None) -> None:
        """The next patchset; the first has the message."""
        self.patchset += 1
        (self.clone / f"of-{self.clone.name}").write_text(f"{self.patchset}\n")
        self.git("add", ".")
        if message is not None:
            self.git("commit", "-q", "-F", "-", stdin=message)
        else:
            self.git("commit", "-q", "--amend", "--no-edit")
        self.git("push", "-q", "origin", "HEAD:refs/for/master")

    @property
    def revision(self) -> str:
        return self.git("rev-parse", "HEAD")

    def do(self, what: str, body: Any = None) -> Any:
        """`abandon`, `submit`, ...: by the administrator."""
        return self.server.admin("POST", f"/changes/{self.number}/{what}", body or {})

    def details(self) -> Any:
        return self.server.admin("GET", f"/changes/{self.number}/detail")

    def said(self) -> list[str]:
        """What the bot has said, whole."""
        return [
            one["message"]
            for one in self.details()["messages"]
            if one["author"].get("username") == BOT[0]
        ]

    def vote(self, label: str = "Verified") -> int:
        """The bot's, on the current patchset."""
        everyone = self.details()["labels"].get(label, {}).get("all", [])
        return sum(one.get("value", 0) for one in everyone if one.get("username") == BOT[0])


def documented_label() -> str:
    """The indented lines from `[label "Verified"]` on."""
    lines = (ROOT / "docs" / "gerrit.md").read_text().splitlines()
    start = lines.index('    [label "Verified"]')
    end = next(at for at in range(start, len(lines)) if not lines[at].startswith("    "))
    return "\n".join(line[4:] for line in lines[start:end]) + "\n"


def fetch_parts() -> None:
    """Once for a checkout, and by one test process only."""
    for program in ("mvn", "javac"):
        assert shutil.which(program), f"{program} is missing: platform/setup.sh --test installs it"
    PARTS.mkdir(parents=True, exist_ok=True)
    pom, source = HERE / "pom.xml", HERE / "GerritServer.java"
    wanted = hashlib.sha256(pom.read_bytes() + source.read_bytes()).hexdigest()
    stamp = PARTS / "stamp"
    with (PARTS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.is_file() and stamp.read_text() == wanted:
            return
        for folder in ("lib", "classes"):
            shutil.rmtree(PARTS / folder, ignore_errors=True)
        _run(
            "mvn", "-q", "-B", "-ntp", "-f", str(pom), "dependency:copy-dependencies",
            f"-DoutputDirectory={PARTS}/lib",
        )  # fmt: skip
        _run("javac", "-cp", f"{PARTS}/lib/*", "-d", f"{PARTS}/classes", str(source))
        stamp.write_text(wanted)


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{argv[0]}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
