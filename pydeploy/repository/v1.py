"""Compose v1 files (services at the top level, before 2016), written as Compose reads them now."""

from __future__ import annotations

from typing import Any

from pydeploy.repository.documents import Document, KeyPath

_MAKES_A_SERVICE: dict[str, tuple[type, ...]] = {
    "image": (str,),
    "build": (str, dict),
    "extends": (str, dict),
}
_SHOWN_LINES = 120


def is_v1(data: dict[str, Any]) -> bool:
    """No `services:`, and what is at the top level looks like services."""
    if "services" in data or "include" in data or not str(data.get("version", "1")).startswith("1"):
        return False
    services = _services(data)
    return bool(services) and any(_is_service(value) for value in services.values())


def _services(data: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in data.items() if k != "version" and not k.startswith("x-")}


def _is_service(value: Any) -> bool:
    return isinstance(value, dict) and any(
        isinstance(value.get(key), kinds) for key, kinds in _MAKES_A_SERVICE.items()
    )


def convert(document: Document) -> Document:
    """The same services under `services:`, with the volumes they name declared."""
    services = _services(document.data)
    volumes: dict[str, Any] = {}
    converted = {
        name: _service(value, services, volumes) if isinstance(value, dict) else value
        for name, value in services.items()
    }
    data: dict[str, Any] = {"services": converted}
    if volumes:
        data["volumes"] = volumes
    return Document(file=document.file, data=data, lines=_lines(document.lines, volumes))


def _service(old: dict[str, Any], services: dict[str, Any], volumes: dict[str, Any]) -> Any:
    new = {key: value for key, value in old.items() if key not in _MOVED}
    if "build" in old or "dockerfile" in old:
        new["build"] = _build(old)
    if "net" in old:
        new["network_mode"] = _network_mode(old["net"], services)
    if "log_driver" in old or "log_opt" in old:
        new["logging"] = _logging(old)
    driver = old.get("volume_driver")
    for name in _named_volumes(old.get("volumes")):
        volumes[name] = {"driver": driver} if driver else {}
    return new


_MOVED = ("build", "dockerfile", "net", "log_driver", "log_opt", "volume_driver")


def _build(old: dict[str, Any]) -> Any:
    build = old.get("build", ".")
    if "dockerfile" not in old:
        return build
    parts = build if isinstance(build, dict) else {"context": build}
    return parts | {"dockerfile": old["dockerfile"]}


def _network_mode(net: Any, services: dict[str, Any]) -> Any:
    """`container:NAME` meant a service where there was one of that name."""
    kind, _, name = str(net).partition(":")
    return f"service:{name}" if kind == "container" and name in services else net


def _logging(old: dict[str, Any]) -> dict[str, Any]:
    parts = {"driver": old.get("log_driver"), "options": old.get("log_opt")}
    return {key: value for key, value in parts.items() if value is not None}


def _named_volumes(volumes: Any) -> list[str]:
    """`data:/var/lib/data` names a volume; a path (`./data:/x`, `/data`) does not."""
    texts = [text for text in volumes if isinstance(text, str)] if isinstance(volumes, list) else []
    heads = [text.partition(":")[0] for text in texts if ":" in text]
    return [head for head in heads if head and head[0] not in "./~$\\"]


def _lines(lines: dict[KeyPath, int], volumes: dict[str, Any]) -> dict[KeyPath, int]:
    moved: dict[KeyPath, int] = {("services",): 1}
    for path, line in lines.items():
        moved[("services", *_path(path))] = line
    for name in volumes:
        moved[("volumes", name)] = moved[("services",)]
    return moved


_RENAMED: dict[str, tuple[str, ...]] = {
    "dockerfile": ("build", "dockerfile"),
    "net": ("network_mode",),
    "log_driver": ("logging", "driver"),
    "log_opt": ("logging", "options"),
}


def _path(path: KeyPath) -> KeyPath:
    if len(path) > 1 and path[1] in _RENAMED:
        return (path[0], *_RENAMED[str(path[1])], *path[2:])
    return path


def shown(document: Document) -> str:
    """The converted file as a person would write it (cut when it is very long)."""
    import yaml

    lines = yaml.safe_dump(document.data, sort_keys=False, default_flow_style=False).splitlines()
    cut = [f"# ... {len(lines) - _SHOWN_LINES} more lines"] if len(lines) > _SHOWN_LINES else []
    return "\n".join(lines[:_SHOWN_LINES] + cut)
