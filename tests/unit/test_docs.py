"""The documentation is complete and true: what the code knows occurs there, and the reverse."""

from __future__ import annotations

import importlib
import re
import shlex
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin
from xml.etree import ElementTree

import click
import pytest
import yaml
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from pydeploy import cli, errors
from pydeploy.config.service import Service
from pydeploy.config.site import Site
from pydeploy.deploy import failpoints, plan
from pydeploy.repository.catalogue import CATALOGUE
from pydeploy.state.keys import Keys
from pydeploy.steps.table import COMMON, STEPS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "pydeploy"
_LINK = re.compile(r"!?\[[^]]*\]\(([^)\s]+)\)")
_ROW = re.compile(r"^\| `([^`]+)` \|(.*)\|$", re.MULTILINE)


def pages() -> list[Path]:
    top = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")]
    return [*top, *sorted(DOCS.rglob("*.md"))]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def section(markdown: str, title: str) -> str:
    """What stands below the heading `title`, up to the next one of its rank."""
    match = re.search(rf"^(#+) {re.escape(title)}$", markdown, re.MULTILINE)
    if match is None:
        raise AssertionError(f"there is no section {title!r}")
    end = re.compile(rf"^#{{1,{len(match[1])}}} ", re.MULTILINE).search(markdown, match.end())
    return markdown[match.end() : end.start() if end else None]


# -- commands ---------------------------------------------------------------------------


def commands(name: str) -> list[tuple[str, click.Command]]:
    """The command, and for a group its own: `config show`."""
    command: click.Command = importlib.import_module(cli.module(name)).command
    inner = command.commands if isinstance(command, click.Group) else {}
    return [(name, command), *((f"{name} {sub}", one) for sub, one in inner.items())]


def options(command: click.Command) -> set[str]:
    found = [param for param in command.params if isinstance(param, click.Option)]
    return {flag for param in found for flag in (*param.opts, *param.secondary_opts)}


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_a_section_with_exactly_its_options(name: str) -> None:
    """A new option is documented with the commit that adds it; a gone one goes from the page."""
    for title, command in commands(name):
        part = section(text("docs/commands.md"), title)
        if isinstance(command, click.Group):
            part = part.partition("\n### ")[0]
        cells = re.findall(r"^\| (`-[^|]*) \|", part, re.MULTILINE)
        shown = {flag for cell in cells for flag in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", cell)}
        assert shown == options(command), title


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_argument_is_documented(name: str) -> None:
    """The usage line of a section names the arguments as `--help` does."""
    for title, command in commands(name):
        part = section(text("docs/commands.md"), title)
        for param in command.params:
            if isinstance(param, click.Argument):
                assert str(param.make_metavar(click.Context(command))) in part, title


def test_the_global_options_are_documented() -> None:
    """`--site` and `--version` stand at the top of the page."""
    top = text("docs/commands.md").split("\n## ", 1)[0]
    assert {flag for flag in options(cli.pydeploy) if flag not in top} == set()


def test_the_readme_lists_every_command_in_order() -> None:
    """The table is that of `pydeploy --help`."""
    rows = re.findall(
        r"^\| \[`([a-z-]+)`\]\(docs/commands.md#\1\) \| (.*) \|$", text("README.md"), re.M
    )
    assert rows == list(cli.COMMANDS.items())


def shown_commands() -> Iterator[tuple[str, str]]:
    """(page, command line) of every `pydeploy ...` in a code block or in backticks."""
    for page in pages():
        content = page.read_text(encoding="utf-8")
        lines = [line.strip() for line in re.findall(r"^    +.*$", content, re.MULTILINE)]
        for block in re.findall(r"^```(?:sh|console)?\n(.*?)^```", content, re.M | re.DOTALL):
            lines += block.splitlines()
        lines += re.findall(r"`([^`\n]+)`", content)
        for line in lines:
            for part in re.split(r" && |\$\(|[;|)]", line):
                if re.match(r"(\$ )?pydeploy( |$)", part.strip()):
                    yield (str(page.relative_to(ROOT)), part.strip().removeprefix("$ "))


@pytest.mark.parametrize(("page", "line"), sorted(set(shown_commands())))
def test_every_command_that_is_shown_exists_with_its_options(page: str, line: str) -> None:
    """What a reader copies is not refused as a usage error by name."""
    words = shlex.split(line.split(" -- ")[0].split(" > ")[0], comments=True)[1:]
    known: click.Command = cli.pydeploy
    flags = set(options(cli.pydeploy)) | {"--help", "-h"}
    while words and not words[0].startswith("-") and isinstance(known, click.Group):
        found = known.get_command(click.Context(known), words[0])
        assert found is not None, f"{page}: there is no command {words[0]!r}"
        known, words = found, words[1:]
        flags |= options(known)
    used = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert used <= flags, f"{page}: {line}"


# -- steps of a pipeline ----------------------------------------------------------------

_HELPED = re.compile(r"^- (\w+) \(", re.MULTILINE)
_STEPS = sorted(path.stem for path in (ROOT / "vars").glob("deepin*.groovy"))


def helped(step: str) -> set[str]:
    """The arguments that its help names; tests/groovy holds help and source together."""
    return set(_HELPED.findall(text(f"vars/{step}.txt")))


@pytest.mark.parametrize("step", _STEPS)
def test_every_step_is_documented_with_its_arguments(step: str) -> None:
    """Its row in docs/jenkins.md names them all, and no other; what is shared has a place of its
    own."""
    page = text("docs/jenkins.md")
    cells = dict(_ROW.findall(section(page, "Steps")))[step].split(" | ")
    shared = {name for name in helped(step) if name == "site" or name.endswith("CredentialsId")}
    assert set(re.findall(r"`(\w+)`", cells[0])) == helped(step) - shared
    assert all(f"`{name}`" in page for name in shared)


@pytest.mark.parametrize("step", _STEPS)
def test_a_step_takes_what_the_tool_knows(step: str) -> None:
    """The steps' arguments are those of the table; deepinPipeline's are its own."""
    name = step.removeprefix("deepin").lower()
    if name in STEPS:
        own = {one for one in helped(step) if not one.endswith("CredentialsId")}
        assert own == {*COMMON, *STEPS[name].arguments}
    else:
        assert name == "pipeline"


def test_every_credential_is_documented() -> None:
    """Its argument and its global variable are in the table, and the reverse."""
    rows = _ROW.findall(section(text("docs/jenkins.md"), "3. Credentials"))
    used = {name for step in _STEPS for name in helped(step) if name.endswith("CredentialsId")}
    assert {name for name, _ in rows} == used
    for name, rest in rows:
        system = name.removesuffix("CredentialsId").upper()
        assert f"`PYDEPLOY_{system}_CREDENTIALS_ID`" in rest


# -- configuration ----------------------------------------------------------------------


def keys(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every key with its dotted path: `engines.<name>.host`, `policy.exceptions[].branch`."""
    for name, field in model.model_fields.items():
        inner, suffix = _section(field.annotation)
        if inner is None:
            yield f"{path}{name}", field
        else:
            yield from keys(inner, f"{path}{name}{suffix}.")


def _section(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    suffix = {dict: ".<name>", tuple: "[]"}.get(get_origin(annotation), "")
    for argument in get_args(annotation):
        if isinstance(argument, type) and issubclass(argument, BaseModel):
            return argument, suffix
    return None, ""


def documented_keys(title: str) -> dict[str, list[str]]:
    """key → the other cells of its row."""
    part = section(text("docs/configuration.md"), title)
    return {
        key: [cell.strip() for cell in re.split(r"(?<!\\)\|", rest)]
        for key, rest in _ROW.findall(part)
    }


@pytest.mark.parametrize(("title", "model"), [("site.yml", Site), ("pydeploy.yml", Service)])
def test_every_key_is_documented(title: str, model: type[BaseModel]) -> None:
    """Neither a key without a row, nor a row without a key."""
    assert sorted(documented_keys(title)) == sorted(name for name, _ in keys(model))


@pytest.mark.parametrize(
    ("title", "name", "field"),
    [
        pytest.param(title, name, field, id=name)
        for title, model in (("site.yml", Site), ("pydeploy.yml", Service))
        for name, field in keys(model)
    ],
)
def test_every_documented_default_is_the_default(title: str, name: str, field: FieldInfo) -> None:
    """The cell, read as it would be in the file, gives the model's default."""
    shown = documented_keys(title)[name][1].strip("`")
    if field.is_required():
        assert shown == "required"
        return
    default = field.get_default(call_default_factory=True)
    if shown == "-":
        assert default is None
        return
    kind: Any = (
        Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    )
    assert TypeAdapter(kind).validate_python(yaml.safe_load(shown)) == default


def test_every_process_variable_is_documented() -> None:
    """Each PYDEPLOY_ variable that the package reads or sets occurs in the documentation."""
    code = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    found = set(re.findall(r"\"(PYDEPLOY_[A-Z_]+[A-Z])\"", code))
    everything = "".join(page.read_text(encoding="utf-8") for page in pages())
    platform_only = {name for name in found if name in text("platform/docker-compose.yml")}
    assert {name for name in found - platform_only if name not in everything} == set()


# -- codes, keys, points ----------------------------------------------------------------


def error_classes() -> list[type[BaseException]]:
    return [
        one
        for name, one in vars(errors).items()
        if isinstance(one, type)
        and issubclass(one, BaseException)
        and not name.startswith("_")
        # Nobody ever sees it: whoever works for a wish raises `Wish.verdict` in its place.
        and one is not errors.Fenced
    ]


@pytest.mark.parametrize("kind", error_classes(), ids=lambda kind: kind.__name__)
def test_every_error_is_documented_with_its_exit_code_and_fault(kind: type[BaseException]) -> None:
    """The table of docs/errors.md has a row of the class, its exit code and whose turn it is."""
    page = text("docs/errors.md")
    assert f"`{kind.__name__}`" in page
    code = getattr(kind, "exit_code", None)
    if kind in (errors.PydeployError, errors.Superseded):
        return
    row = next(line for line in page.splitlines() if f"| `{kind.__name__}` |" in line)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert str(code) in cells[0].split(", ")
    assert cells[2] == {"none": ""}.get(getattr(kind, "fault", ""), getattr(kind, "fault", ""))


def test_every_code_of_check_is_documented_as_the_catalogue_has_it() -> None:
    """Code, severity, what, why and mend are those of the catalogue; no other code is listed."""
    rows = {
        code: [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", rest)]
        for code, rest in _ROW.findall(section(text("docs/security.md"), "Codes"))
    }
    assert rows == {
        code: [rule.severity, rule.title, rule.why, rule.mend] for code, rule in CATALOGUE.items()
    }


def test_every_kind_of_key_is_documented() -> None:
    """Each method of Keys gives a kind; its prefix stands in the architecture's table."""
    names = [name for name, one in vars(Keys).items() if callable(one) and not name.startswith("_")]
    kinds = {getattr(Keys("/x"), name)(*_dummies(Keys, name)).split("/")[2] for name in names}
    table = section(text("docs/architecture.md"), "etcd, schema v1")
    assert {kind for kind in kinds if f"`{kind}/<" not in table} == set()


def _dummies(owner: type, name: str) -> list[Any]:
    code = getattr(owner, name).__code__
    return ["x"] * (code.co_argcount - 1)


@pytest.mark.parametrize("point", failpoints.POINTS)
def test_every_fail_point_is_documented(point: str) -> None:
    """The architecture says at which step each one lies."""
    assert f"`{point}`" in section(text("docs/architecture.md"), "The way of a release")


def test_the_choice_of_the_front_is_documented_as_it_is() -> None:
    """Names and ports that make a front likely are listed in their order."""
    part = section(text("docs/layout.md"), "What answers under the name")
    names = ", ".join(f"`{name}`" for name in plan._FRONT_NAMES)
    ports = ", ".join(str(port) for port in plan._HTTP_PORTS)
    assert names in part
    assert ports in part


# -- links, and what must not be there --------------------------------------------------


@cache
def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links() -> Iterator[tuple[Path, str]]:
    for page in pages():
        for target in _LINK.findall(page.read_text(encoding="utf-8")):
            if "://" not in target:
                yield page, target


@pytest.mark.parametrize(
    ("page", "target"), [pytest.param(p, t, id=f"{p.name}:{t}") for p, t in links()]
)
def test_every_relative_link_leads_somewhere(page: Path, target: str) -> None:
    """The file is there, and the heading if one is named."""
    path, _, anchor = target.partition("#")
    there = (page.parent / path).resolve() if path else page
    assert there.exists()
    if anchor:
        assert anchor in anchors(there)


def test_pictures_are_well_formed_and_readable_in_the_dark() -> None:
    """An SVG that a browser refuses is a broken image; one colour scheme is half a picture."""
    for picture in DOCS.rglob("*.svg"):
        source = picture.read_text(encoding="utf-8")
        assert ElementTree.fromstring(source).tag.endswith("svg")  # noqa: S314 (our own file)
        assert "prefers-color-scheme: dark" in source


def test_every_page_is_linked() -> None:
    """Whoever starts at the README can reach each page; decisions by their folder."""
    everything = {(page.parent / target.partition("#")[0]).resolve() for page, target in links()}
    unlinked = [
        page
        for page in pages()
        if page.resolve() not in everything
        and page.parent.resolve() not in everything
        and page.name != "README.md"
    ]
    assert unlinked == []


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def test_no_tracked_file_names_this_machine() -> None:
    """No path of the checkout and no package index; both differ from machine to machine."""
    checkout = re.escape(str(ROOT)) if len(ROOT.parts) > 2 else "(?!)"
    forbidden = re.compile(rf"{checkout}\b|\b(?:pypi|pythonhosted|npmjs)\.(?:org|com)\b")
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in tracked()
        for word in forbidden.findall(_content(path))
    ]
    assert found == []


def _content(path: Path) -> str:
    if path.is_symlink():
        return str(path.readlink())
    return path.read_text(encoding="utf-8", errors="ignore") if path.is_file() else ""
