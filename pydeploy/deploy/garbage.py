"""Images that no record names any more, on engines and in the registry.

An image of ours is one below the site's namespace; images are shared, so they carry no
environment's label.  What an environment's record or a build's record names stays.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydeploy.clients.docker import DockerEngine
from pydeploy.config.site import Site
from pydeploy.deploy import history
from pydeploy.deploy.session import Session
from pydeploy.state.keys import last
from pydeploy.state.records import BackupRecord, BuildRecord, Environment, Image

_CONFLICT = 409  # a container still uses the image
_CACHE_TAG = "buildcache"


@dataclass(frozen=True, kw_only=True)
class EngineImage:
    """`references` are its tags and digests below our namespace."""

    identity: str
    references: tuple[str, ...]
    digests: frozenset[str]  # its id, and the digests of its manifests


@dataclass(frozen=True, kw_only=True)
class RegistryImage:
    repository: str
    tag: str
    digest: str


def on_engine(site: Site, engine: DockerEngine) -> list[EngineImage]:
    """Our images on `engine`."""
    with engine.answering():
        listed = engine.api.images()
    return [image for one in listed if (image := _engine_image(site, one)).references]


def _engine_image(site: Site, one: dict[str, Any]) -> EngineImage:
    tags, manifests = one.get("RepoTags") or [], one.get("RepoDigests") or []
    return EngineImage(
        identity=one["Id"],
        references=tuple(ref for ref in (*tags, *manifests) if _is_ours(site, ref)),
        digests=frozenset([one["Id"], *(ref.partition("@")[2] for ref in manifests)]),
    )


def _is_ours(site: Site, reference: str) -> bool:
    namespace = site.registry.namespace
    registry = site.registry.address
    return reference.startswith(
        (f"{namespace}/", *([f"{registry}/{namespace}/"] if registry else []))
    )


def in_registry(site: Site, wanted: Callable[[str], bool]) -> list[RegistryImage]:
    """Our images in the registry whose tag is `wanted`; none where the site has no registry.

    A build cache is no image: who wants every tag gets none of them, and who wants the tags of
    one change gets this change's, too.
    """
    registry = _registry(site)
    if registry is None:
        return []
    found = []
    for repository in registry.repositories():
        if not repository.startswith(f"{site.registry.namespace}/"):
            continue
        for tag in registry.tags(repository):
            if not wanted(tag) or (_is_cache(tag) and wanted(_CACHE_TAG)):
                continue
            if digest := registry.digest(repository, tag):
                found.append(RegistryImage(repository=repository, tag=tag, digest=digest))
    return found


def of_images(site: Site, images: Iterable[Image]) -> list[RegistryImage]:
    """Those of `images` that lie in the registry, below our namespace."""
    prefix = f"{site.registry.address}/"
    return [
        RegistryImage(
            repository=image.ref.removeprefix(prefix).rpartition(":")[0],
            tag=image.ref.rpartition(":")[2],
            digest=image.digest,
        )
        for image in images
        if image.ref.startswith(f"{prefix}{site.registry.namespace}/")
    ]


def named(
    session: Session,
    *,
    but_environment: str = "",
    but_change: int | None = None,
    but_builds_of: Collection[str] = (),
) -> set[str]:
    """Digests that a record names, leaving out those of an environment that goes.

    Its builds are those of its change, and those that made `but_builds_of`.
    """
    store = session.store
    found: set[str] = set()
    for kv in store.etcd.range(store.keys.environment()).kvs:
        if last(kv.key) != but_environment:
            found |= {image.digest for image in current_images(Environment.read(kv.value))}
    for environment, release in history.everywhere(session):
        if environment != but_environment:
            found |= {image.digest for image in release.images}
    for kv in store.etcd.range(store.keys.backup()).kvs:
        found |= {image.digest for image in BackupRecord.read(kv.value).images}
    for kv in store.etcd.range(store.keys.build()).kvs:
        for image in BuildRecord.read(kv.value).images:
            if not is_of_change(image.ref, but_change) and image.digest not in but_builds_of:
                found.add(image.digest)
    return found


def is_of_change(reference: str, change: int | None) -> bool:
    """Whether a reference has a tag of `change`: `<change>-<patchset>-<sha7>`, or its cache's."""
    tag = reference.rsplit(":", 1)[-1]
    pattern = rf"{change}-(\d+-[0-9a-f]+(-\w+)?|{_CACHE_TAG})"
    return change is not None and re.fullmatch(pattern, tag) is not None


def _is_cache(tag: str) -> bool:
    """`buildcache` of a project's branches, `<change>-buildcache` of a change."""
    return re.fullmatch(rf"(\d+-)?{_CACHE_TAG}", tag) is not None


def current_images(record: Environment | None) -> list[Image]:
    """The images of the release that runs."""
    return list(record.current.images) if record and record.current else []


def images_of(session: Session, record: Environment | None, environment: str) -> list[Image]:
    """The images of all releases that an environment knows."""
    remembered = [one for release in history.of(session, environment) for one in release.images]
    return [*current_images(record), *remembered]


def references_to_drop(
    image: EngineImage, *, keep: set[str], candidates: set[str], change: int | None
) -> tuple[str, ...]:
    """All references of an image that goes; of one that others use, only the change's tags.

    Not even those where the repository has a digest, too: the engine drops a repository's digests
    with its last tag, and it is by digest that records name an image.
    """
    of_change = tuple(one for one in image.references if is_of_change(one, change))
    if image.digests & keep:
        pinned = {one.partition("@")[0] for one in image.references if "@" in one}
        return tuple(one for one in of_change if one.rpartition(":")[0] not in pinned)
    return image.references if of_change or image.digests & candidates else ()


def forget_builds(session: Session, gone: set[str], change: int | None) -> int:
    """Delete the build records of a change, and of digests that go; returns how many."""
    store = session.store
    count = 0
    for kv in store.etcd.range(store.keys.build()).kvs:
        images = BuildRecord.read(kv.value).images
        if any(is_of_change(one.ref, change) or one.digest in gone for one in images):
            store.etcd.delete(kv.key)
            count += 1
    return count


def erase_from_engine(engine: DockerEngine, references: Sequence[str]) -> bool:
    """Remove these references; the image goes with its last one.  False while it is in use."""
    import docker.errors

    try:
        with engine.answering():
            for reference in references:
                try:
                    engine.api.remove_image(reference)
                except docker.errors.ImageNotFound:
                    continue
    except docker.errors.APIError as refused:
        if refused.response is not None and refused.response.status_code == _CONFLICT:
            return False
        raise
    return True


def erase_all_from_engine(site: Site, engine: DockerEngine) -> None:
    """Every image of the site that nothing uses."""
    for image in on_engine(site, engine):
        erase_from_engine(engine, image.references)


def erase_from_registry(site: Site, images: list[RegistryImage]) -> int:
    """Delete the manifests; the blobs go with the registry's own garbage collection."""
    registry = _registry(site)
    manifests = {(image.repository, image.digest) for image in images}
    if registry is None:
        return 0
    return sum(registry.delete(repository, digest) for repository, digest in sorted(manifests))


def _registry(site: Site) -> Any:
    from pydeploy.clients.registry import Registry
    from pydeploy.images import credentials

    return Registry.of_site(site, credentials.login(site, os.environ))
