"""docs/lifecycle.md, command by command, as a reader would type them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.integration.support.site import LiveSite

PAGE = Path(__file__).parents[2] / "docs" / "lifecycle.md"
_FILE = re.compile(r"^```yaml file=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_STEP = re.compile(r"^```yaml file=\S+\n.*?^```$|^    \S[^\n]*$", re.MULTILINE | re.DOTALL)
NAMES = ("10020", "10021", "staging", "production", "rehearsal")


def test_every_command_of_the_page_works(live: LiveSite, tmp_path: Path) -> None:
    """From `new` to the last `remove`; what they print in between is what the page promises."""
    program = [sys.executable, "-m", "pydeploy", "--site", str(live.file)]
    env = os.environ | {
        "PYTHONPATH": str(PAGE.parents[1]),
        **{f"GIT_{who}_{what}": "reader@site.test" for who in ("AUTHOR", "COMMITTER")
           for what in ("NAME", "EMAIL")},
    }  # fmt: skip
    folder, said = tmp_path, dict[str, str]()
    try:
        for step in _STEP.findall(PAGE.read_text()):
            if file := _FILE.match(step):
                (folder / file[1]).write_text(file[2])
                continue
            words = shlex.split(step)
            if words[0] == "cd":
                folder /= words[1]
                continue
            argv = [*program, *words[1:]] if words[0] == "pydeploy" else words
            done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True)
            assert 0 == done.returncode, f"{step}\n{done.stderr}{done.stdout}"
            said[step.strip()] = done.stdout
    finally:
        live.cli("remove", *NAMES, "--purge-data")
    assert "welcome" == said["pydeploy exec 10021 store cat /data/book"].strip()
    assert "production-10021-1" in said["pydeploy releases production"]
    assert "rollback" in said["pydeploy audit production"]
    assert "residue: 0" in said["pydeploy remove production --purge-data"]
    assert not any(name in said["pydeploy status"] for name in NAMES)
