"""Reading one configuration file: all problems at once, with key paths and "did you mean"."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from pydeploy.errors import ConfigError


class Section(BaseModel):
    """Base of every section: immutable, and a misspelt key is an error.

    A key without a value, such as a section of which every line is commented out, is the default.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None}


M = TypeVar("M", bound=Section)


def read(path: Path, model: type[M], error: type[ConfigError]) -> M:
    """The validated content of `path`; raises `error` that lists every problem."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as problem:
        raise error(f"{path}: cannot be read: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise error(f"{path}: is not UTF-8 text: {problem.reason}") from problem
    return parse(text, model, error, where=str(path))


def parse(text: str, model: type[M], error: type[ConfigError], *, where: str) -> M:
    """Like `read`, for text already at hand."""
    import yaml

    try:
        data = yaml.load(text, Loader=_loader())  # noqa: S506 (a SafeLoader with one more check)
    except yaml.MarkedYAMLError as problem:  # its own text repeats the line, which may be secret
        mark = problem.problem_mark or problem.context_mark
        line = f" in line {mark.line + 1}" if mark else ""
        raise error(f"{where}: is not YAML{line}: {problem.problem or problem.context}") from None
    except (yaml.YAMLError, ValueError) as problem:  # ValueError: a date or number that is none
        raise error(f"{where}: is not YAML: a value or character that YAML has not") from problem
    except RecursionError as problem:
        raise error(f"{where}: is nested too deeply") from problem
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise error(f"{where}: should be a mapping of keys, not {type(data).__name__}")
    try:
        return model.model_validate(data)
    except ValidationError as problem:
        lines = [_sentence(one, model) for one in problem.errors(include_url=False)]
        raise error(
            f"{where}: {len(lines)} problem{'s' if len(lines) > 1 else ''}\n"
            + "\n".join(f"  {line}" for line in lines),
            hint=f"`pydeploy config schema {model.__name__.lower()}` prints what is allowed",
        ) from None


def _loader() -> Any:
    """A SafeLoader that refuses a key given twice (YAML lets the last one win in silence)."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    def mapping(loader: Any, node: Any) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":  # `<<`
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key should be a word", key_node.start_mark
                )
            key = loader.construct_object(key_node)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        loader.flatten_mapping(node)
        return dict(loader.construct_pairs(node, deep=True))

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    return Loader


def _sentence(problem: Any, model: type[BaseModel]) -> str:
    """`engines/local/bnd: unknown key; did you mean 'bind'?`.

    pydantic's own messages repeat no value; ours only where it cannot hold a secret.
    """
    location = [str(part) for part in problem["loc"] if part != "[key]"]
    where = "/".join(location) or "(file)"
    if problem["type"] == "extra_forbidden":
        return f"{where}: unknown key{_did_you_mean(location, model)}"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"{where}: {message[:1].lower()}{message[1:]}"


def _did_you_mean(location: list[str], model: type[BaseModel]) -> str:
    known = _keys_at(location[:-1], model)
    close = difflib.get_close_matches(location[-1], known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known here: {', '.join(known)}" if known else ""


def _keys_at(location: list[str], model: type[BaseModel]) -> list[str]:
    """The keys that the schema of `model` knows at `location`."""
    schema: dict[str, Any] = model.model_json_schema()
    definitions = schema.get("$defs", {})
    here: dict[str, Any] = schema
    for part in location:
        here = _resolve(here, definitions)
        here = (
            here.get("properties", {}).get(part)
            or here.get("additionalProperties")
            or here.get("items")
            or {}
        )
        if not isinstance(here, dict):
            return []
    return sorted(_resolve(here, definitions).get("properties", {}))


def _resolve(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    for option in (schema, *schema.get("anyOf", []), *schema.get("allOf", [])):
        if "$ref" in option:
            found: dict[str, Any] = definitions[option["$ref"].rsplit("/", 1)[1]]
            return found
    return schema
