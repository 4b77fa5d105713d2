"""The rules of docs/architecture.md, read off the source: imports point down only.

Every import counts, also inside functions and below `if TYPE_CHECKING:`.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

import pydeploy
from pydeploy import cli, commands

ROOT = Path(pydeploy.__file__).parent

# From the bottom up.  A part may import what stands in a lower layer; parts of one layer may not
# import each other, except in `base` (no cycle there either, see below) and at the entry, where a
# command asks `cli` for the site (`cli` names commands as text only).
LAYERS = (
    {"pydeploy", "errors", "durations", "names", "console", "interrupts", "config"},
    {"clients"},
    {"state"},
    {"repository", "images", "gateway", "platform", "jenkins", "gerrit", "scaffold", "reporters"},
    {"deploy", "steps"},
    {"cli", "commands"},
    {"__main__"},
)
BASE, ENTRY = LAYERS[0], LAYERS[5]
RANK = {part: rank for rank, parts in enumerate(LAYERS) for part in parts}


@dataclass(frozen=True)
class Module:
    name: str
    tree: ast.Module
    text: str

    @property
    def part(self) -> str:
        """`state` of `pydeploy.state.lock`."""
        return part_of(self.name)

    def imports(self) -> Iterator[str]:
        """Full names of all modules that it imports, wherever the import stands."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.name}: relative imports hide where they point"
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    yield whole if whole in NAMES else str(node.module)


def part_of(name: str) -> str:
    return name.split(".")[1] if "." in name else name


def read(path: Path) -> Module:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    text = path.read_text()
    return Module(".".join(parts).removesuffix(".__init__"), ast.parse(text), text)


MODULES = [read(path) for path in sorted(ROOT.rglob("*.py"))]
NAMES = {module.name for module in MODULES}


def is_allowed(importer: str, imported: str) -> bool:
    if importer == imported or RANK[imported] < RANK[importer]:
        return True
    return {importer, imported} <= BASE or (importer, imported) == ("commands", "cli")


# -- layers -----------------------------------------------------------------------------


def test_every_part_has_its_layer() -> None:
    """A new package is placed on purpose."""
    assert {module.part for module in MODULES} == set(RANK)


def test_imports_point_down_only() -> None:
    """What stands above may use what stands below, never the other way round, never sideways."""
    wrong = [
        f"{module.name} imports {name}"
        for module in MODULES
        for name in module.imports()
        if name.split(".")[0] == "pydeploy" and not is_allowed(module.part, part_of(name))
    ]
    assert [] == wrong


def test_the_base_has_no_cycle() -> None:
    """errors at its bottom; each of the others could be read first by somebody new."""
    uses = {
        part: {
            part_of(name)
            for module in MODULES
            if module.part == part
            for name in module.imports()
            if name.startswith("pydeploy") and part_of(name) != part
        }
        for part in BASE
    }
    assert set() == uses["errors"]
    while uses:
        free = {part for part, needs in uses.items() if not needs & uses.keys()}
        assert free, f"a cycle among {sorted(uses)}"
        uses = {part: needs for part, needs in uses.items() if part not in free}


def test_the_layers_are_those_of_the_documentation() -> None:
    """docs/architecture.md draws every part."""
    drawn = (ROOT.parent / "docs" / "architecture.md").read_text().split("```")[1]
    assert set() == {part for part in RANK if part not in drawn}


# -- doors ------------------------------------------------------------------------------

# Outside system → the modules that may speak to it.
DOORS = {
    "subprocess": ("pydeploy.clients.shell",),
    "urllib3": ("pydeploy.clients.",),
    "requests": ("pydeploy.clients.",),
    "docker": ("pydeploy.clients.docker",),
    # An environment's front and the gateway in front of it are asked as a browser would; they are
    # what is judged, not systems that we work with.
    "jenkins": ("pydeploy.clients.jenkins",),
    "http": ("pydeploy.deploy.probe", "pydeploy.platform.checks."),
    "ssl": ("pydeploy.clients.", "pydeploy.deploy.probe", "pydeploy.deploy.gateways"),
}
# Beside them: exceptions of the SDK are part of what clients.docker hands out.
EVERYWHERE = {"docker.errors"}


@pytest.mark.parametrize("library", sorted(DOORS))
def test_each_system_has_one_door(library: str) -> None:
    """clients/ is the only way to Docker, etcd, registries, HAProxy, Jenkins and other programs.

    subprocess is imported by clients/shell alone, docker by clients/docker alone (its exceptions
    by anyone), jenkins (which is python-jenkins) by clients/jenkins alone, urllib3 and requests by
    clients/; HTTP and TLS by hand only where an environment, or the gateway, is asked as a browser
    asks it.
    """
    wrong = [
        f"{module.name} imports {name}"
        for module in MODULES
        for name in module.imports()
        if name.split(".")[0] == library
        and name not in EVERYWHERE
        and not module.name.startswith(DOORS[library])
    ]
    assert [] == wrong


def test_no_shell_anywhere() -> None:
    """Text of a change never reaches a shell: no shell=True, os.system, os.popen, exec, eval."""
    wrong = []
    for module in MODULES:
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            has_shell = any(keyword.arg == "shell" for keyword in node.keywords)
            is_bad = called in ("os.system", "os.popen", "eval", "exec") or called.startswith(
                ("os.exec", "os.spawn", "subprocess.getoutput")
            )
            if has_shell or is_bad:
                wrong.append(f"{module.name}:{node.lineno}: {called}")
    assert [] == wrong


def test_yaml_is_loaded_safely() -> None:
    """Only by safe_load, or by a loader that is a SafeLoader with more checks."""
    wrong = [
        f"{module.name}:{node.lineno}"
        for module in MODULES
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute)
        and ast.unparse(node.value) == "yaml"
        and node.attr in ("Loader", "UnsafeLoader", "FullLoader", "load_all", "unsafe_load")
    ]
    assert [] == wrong


# -- modules ----------------------------------------------------------------------------


def test_no_module_for_whatever_is_left() -> None:
    """A module has a subject; utils, helpers, common and misc have none."""
    nameless = {"utils", "util", "helpers", "helper", "common", "misc", "tools", "lib"}
    assert set() == {module.name for module in MODULES if nameless & set(module.name.split("."))}


def test_every_module_says_what_it_is() -> None:
    """A docstring, unless there is nothing in it."""
    assert [] == [
        module.name
        for module in MODULES
        if module.text.strip() and not ast.get_docstring(module.tree)
    ]


def test_commands_and_modules_are_the_same() -> None:
    """What `pydeploy --help` lists is what is in commands/."""
    found = {one.name for one in pkgutil.iter_modules(commands.__path__)} - {"options"}
    assert {f"pydeploy.commands.{one}" for one in found} == {
        cli.module(one) for one in cli.COMMANDS
    }


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_command_module_has_one_command(name: str) -> None:
    """Called `command`, under the command's name, with help and an example."""
    module = importlib.import_module(cli.module(name))
    command = module.command
    assert isinstance(command, click.Command)
    below = set(command.commands.values()) if isinstance(command, click.Group) else set()
    others = {value for value in vars(module).values() if isinstance(value, click.Command)}
    assert {command} == others - below
    assert name == command.name
    assert command.help
    assert (command.epilog or "").startswith("Example")
