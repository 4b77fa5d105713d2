"""Writes a new microservice from the templates that the package ships."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pydeploy import names
from pydeploy.errors import UsageError

_TEMPLATES = Path(__file__).parent / "templates"
_SUFFIX = ".j2"
_COMMON = "common"


def write(parent: Path, name: str, template: str) -> Path:
    """The new folder `parent/name`: whole, or not there at all.

    Raises UsageError when the name is not usable as part of a host name, or is taken.
    """
    problem = names.label_problem(name)
    if problem:
        raise UsageError(f"name {name!r} {problem}", hint="use a name such as 'hello-web'")
    folder = parent / name
    if os.path.lexists(folder):
        raise UsageError(f"{folder} is there already", hint="choose another name, or remove it")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=parent) as staging:
            _fill(Path(staging) / name, name, template)
            (Path(staging) / name).rename(folder)
    except OSError as problem_writing:
        reason = problem_writing.strerror
        raise UsageError(f"{folder} cannot be written: {reason}") from problem_writing
    return folder


def _fill(folder: Path, name: str, template: str) -> None:
    import jinja2

    for source in (_COMMON, template):
        top = _TEMPLATES / source
        environment = jinja2.Environment(  # noqa: S701 (writes source text, not HTML for a browser)
            loader=jinja2.FileSystemLoader(top),
            undefined=jinja2.StrictUndefined,
            keep_trailing_newline=True,
        )
        for relative in _files(top):
            text = environment.get_template(relative).render(name=name, template=template)
            target = folder / relative.removesuffix(_SUFFIX)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            if target.suffix == ".sh":
                target.chmod(0o755)


def _files(top: Path) -> Iterator[str]:
    for path in sorted(top.rglob(f"*{_SUFFIX}")):
        yield path.relative_to(top).as_posix()
