"""A second Docker engine, with a small disk of its own, for what the first must not suffer."""

from __future__ import annotations

import os
import signal
import subprocess
import tarfile
import time
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

BUSYBOX = Path("/bin/busybox")  # busybox-static of Debian


@dataclass(frozen=True)
class SmallEngine:
    """dockerd on a tmpfs, in a network namespace of its own that leads nowhere."""

    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def host(self) -> str:
        return f"unix://{self.folder}/engine.sock"

    @classmethod
    def started(cls, folder: Path, *, megabytes: int) -> SmallEngine:
        disk = folder / "disk"
        disk.mkdir()
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(disk)], check=True
        )
        process = subprocess.Popen(
            [
                "unshare", "--net", "dockerd", "--host", f"unix://{folder}/engine.sock",
                "--data-root", str(disk / "data"), "--exec-root", str(folder / "exec"),
                "--pidfile", str(folder / "pid"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=(folder / "log").open("wb"),
            start_new_session=True,
        )  # fmt: skip
        engine = cls(folder, process)
        engine._wait()
        engine._import_busybox()
        return engine

    def docker(self, *arguments: str, stdin: bytes = b"") -> None:
        subprocess.run(
            ["docker", "--host", self.host, *arguments],
            check=True,
            input=stdin,
            capture_output=True,
        )

    def stop(self) -> None:
        os.kill(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
        subprocess.run(["umount", "--lazy", str(self.folder / "disk")], check=True)

    def _wait(self) -> None:
        until = time.monotonic() + 60
        while subprocess.run(
            ["docker", "--host", self.host, "info"], capture_output=True
        ).returncode:
            log = (self.folder / "log").read_text()
            assert self.process.poll() is None, log
            assert time.monotonic() < until, log
            time.sleep(0.2)

    def _import_busybox(self) -> None:
        raw = BytesIO()
        with tarfile.open(fileobj=raw, mode="w") as archive:
            archive.add(BUSYBOX, "bin/busybox")
            for name in ("bin/sh", "bin/true"):
                link = tarfile.TarInfo(name)
                link.type, link.linkname, link.mode = tarfile.SYMTYPE, "busybox", 0o777
                archive.addfile(link)
        self.docker("import", "-", "pydeploy-test/tiny:1", stdin=raw.getvalue())
