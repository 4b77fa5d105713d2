"""The command line of BuildKit: pure functions that give argv.

Of the engine's own builder only: `--builder default` is the one of $DOCKER_HOST, whatever the
user has selected with `docker buildx use`.  A change has no say in network, entitlements or ssh:
there is no way to put them here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Build:
    """One image to build and to name; it ends up in the engine.

    `secrets` maps ids to files.  `cache_from` and `cache_to` are in buildx's own words
    (`type=registry,ref=...`).
    """

    context: Path
    dockerfile: Path
    tags: tuple[str, ...]
    metadata: Path
    target: str = ""
    platform: str = ""
    args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Path] = field(default_factory=dict)
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[str, ...] = ()


def build(what: Build) -> tuple[str, ...]:
    """`docker buildx build ...`.

    Progress is `rawjson` (buildx 0.13 and newer) on a terminal and in CI alike: it is read by
    `images.progress`, which needs to know which instruction said what.  Attestations are off:
    they would wrap the image in an index, whose digest is not that of what runs.
    """
    return (
        "docker",
        "buildx",
        "--builder=default",
        "build",
        "--progress=rawjson",
        "--provenance=false",
        "--sbom=false",
        f"--file={what.dockerfile}",
        f"--metadata-file={what.metadata}",
        *(f"--tag={tag}" for tag in what.tags),
        *((f"--target={what.target}",) if what.target else ()),
        *((f"--platform={what.platform}",) if what.platform else ()),
        *(f"--build-arg={name}={value}" for name, value in sorted(what.args.items())),
        *(f"--label={name}={value}" for name, value in sorted(what.labels.items())),
        *(f"--secret=id={name},src={path}" for name, path in sorted(what.secrets.items())),
        *(f"--cache-from={one}" for one in what.cache_from),
        *(f"--cache-to={one}" for one in what.cache_to),
        "--load",
        str(what.context),
    )


def cache_from(ref: str) -> str:
    return f"type=registry,ref={ref}"


def cache_to(ref: str) -> str:
    """All layers, of every stage; a registry that is away costs the cache, not the build."""
    return f"type=registry,ref={ref},mode=max,ignore-error=true"


INLINE = "type=inline"  # the only export of an engine without containerd's image store
