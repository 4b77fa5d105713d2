"""The commented examples are documentation, defaults and schema at once."""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

import pytest
import yaml

from pydeploy.config import files, service, site
from pydeploy.config.files import Section
from pydeploy.config.service import Service
from pydeploy.config.site import Site
from pydeploy.errors import ConfigError

BOTH = pytest.mark.parametrize(
    ("name", "model", "schema"),
    [("site.yml", Site, site.schema()), ("pydeploy.yml", Service, service.schema())],
)
_COMMENTED = re.compile(r"^( *)# ((?:- )?[a-z_]+: \S.*|  [a-z_]+: \S.*)$")


def text_of(name: str) -> str:
    return (resources.files("pydeploy.config") / "examples" / name).read_text()


def uncommented(text: str) -> str:
    """The example with every commented key in force."""
    for key in ("exceptions", "secrets", "trust", "chat"):
        text = text.replace(f"{key}: []", f"{key}:")
    return "\n".join(_COMMENTED.sub(r"\1\2", line) for line in text.splitlines())


@BOTH
def test_what_it_shows_is_the_default(name: str, model: type[Section], schema: Any) -> None:
    """Who copies the example and changes nothing has changed nothing."""
    assert model() == files.parse(text_of(name), model, ConfigError, where=name)


@BOTH
def test_commented_lines_are_right_too(name: str, model: type[Section], schema: Any) -> None:
    """Who takes a `#` away gets what the file promises, and no error."""
    files.parse(uncommented(text_of(name)), model, ConfigError, where=name)


@BOTH
def test_every_key_is_in_it(name: str, model: type[Section], schema: Any) -> None:
    """In force, or commented: the example shows all there is."""
    text = text_of(name)
    missing = {key for key in _keys(schema) if not re.search(rf"\b{key}\b", text)}
    assert set() == missing


@BOTH
def test_the_schema_accepts_it(name: str, model: type[Section], schema: Any) -> None:
    """An editor that checks by the exported schema marks nothing in it."""
    for text in (text_of(name), uncommented(text_of(name))):
        assert [] == list(_against(yaml.safe_load(text), schema, schema, name))


@BOTH
def test_the_schema_refuses_unknown_keys(name: str, model: type[Section], schema: Any) -> None:
    """As the program does, everywhere."""
    objects = [schema, *schema.get("$defs", {}).values()]
    assert all(one["additionalProperties"] is False for one in objects if "properties" in one)
    assert [f"{name}/nope: unknown"] == list(_against({"nope": 1}, schema, schema, name))


@BOTH
def test_the_schema_knows_how_durations_are_written(
    name: str, model: type[Section], schema: Any
) -> None:
    """`3d` is text, though the program holds seconds."""
    (found,) = {
        str(_alternatives(one["properties"]["deadline"], schema)[0]["type"])
        for one in [schema, *schema.get("$defs", {}).values()]
        if "deadline" in one.get("properties", {})
    }
    assert "['string', 'integer']" == found


def _keys(schema: Any) -> set[str]:
    objects = [schema, *schema.get("$defs", {}).values()]
    return {key for one in objects for key in one.get("properties", {})}


def _alternatives(schema: Any, root: Any) -> list[Any]:
    """`schema` with references followed and `anyOf` spread out."""
    if "$ref" in schema:
        return _alternatives(root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root)
    if "anyOf" in schema:
        return [found for one in schema["anyOf"] for found in _alternatives(one, root)]
    return [schema]


_TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def _against(value: Any, schema: Any, root: Any, where: str) -> list[str]:
    """What a JSON schema validator would say; as much of one as these schemas need."""
    complaints = [_one(value, one, root, where) for one in _alternatives(schema, root)]
    return min(complaints, key=len)


def _one(value: Any, schema: Any, root: Any, where: str) -> list[str]:
    kinds = schema.get("type", [])
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if kinds and not any(isinstance(value, _TYPES[kind]) for kind in kinds):
        return [f"{where}: {value!r} is no {kinds}"]
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        return [f"{where}: {value!r} is not allowed"]
    if isinstance(value, dict):
        known, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
        return [
            complaint
            for key, item in value.items()
            for complaint in (
                _against(item, known.get(key, rest), root, f"{where}/{key}")
                if key in known or isinstance(rest, dict)
                else ([] if rest else [f"{where}/{key}: unknown"])
            )
        ]
    if isinstance(value, list):
        return [
            complaint
            for item in value
            for complaint in _against(item, schema.get("items", {}), root, where)
        ]
    return []
