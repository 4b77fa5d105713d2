"""The image of one service: taken as it is, or made once and pinned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydeploy.clients.shell import LineSink
from pydeploy.config.site import Site
from pydeploy.errors import PydeployError
from pydeploy.images import building, shape
from pydeploy.images.building import Builder
from pydeploy.images.once import Ledger
from pydeploy.images.plan import Plan, Recipe
from pydeploy.images.transfer import Transfer
from pydeploy.images.values import BuildIdentity, Image
from pydeploy.state import records

_OCI = "org.opencontainers.image"


@dataclass(frozen=True, kw_only=True)
class Maker:
    """Makes the images of one revision; safe to use from several threads."""

    root: Path
    identity: BuildIdentity
    site: Site
    transfer: Transfer
    builder: Builder
    ledger: Ledger
    on_line: LineSink

    def image(self, plan: Plan) -> Image:
        """The image that `plan` asks for, present in the engine."""
        self.builder.stop.check()
        if not plan.is_ours:
            ready = self._ready_made(plan)
            if "@" in ready.pinned or self.transfer.registry is None:
                return ready
            # No registry has it, so no other engine could get it: ours will.
        for target in plan.covered:
            self._say(plan, f"warning: {target} lies in a volume: only a new volume gets it")
        base = "" if plan.recipe else self._ready_made(plan).digest
        identity = shape.identity_of(
            plan,
            root=self.root,
            identity=self.identity,
            base=base,
            ca=self.site.build.ca,
            place=self.site.registry.address or self.builder.engine.host,
        )
        made = self.ledger.once(
            identity,
            is_there=lambda image: self.transfer.is_there(
                self._pin(plan, image.digest), plan.repository
            ),
            build=lambda: self._make(plan, identity),
            on_wait=lambda who: self._say(plan, who),
        )
        pinned = self._pin(plan, made.digest)
        if self.transfer.inspect(pinned) is None:  # built by another engine
            self.transfer.pull(pinned)
        return Image(service=plan.service, ref=made.ref, digest=made.digest, pinned=pinned)

    def _ready_made(self, plan: Plan) -> Image:
        """Somebody else's image: what the engine has under its name, else pulled."""
        found = self.transfer.inspect(plan.image)
        if found is None:
            self._say(plan, f"pull {plan.image}")
            self.transfer.pull(plan.image)
            found = self.transfer.inspect(plan.image) or {}
        image_id = str(found["Id"])
        pinned = repo_digest(plan.image, found.get("RepoDigests") or []) or image_id
        return Image(
            service=plan.service, ref=plan.image, digest=pinned.rsplit("@", 1)[-1], pinned=pinned
        )

    def _make(self, plan: Plan, identity: str) -> records.Image:
        """Build, bake, push; called under the lock of `identity`."""
        before = self.transfer.named(plan.repository, plan.tag)
        if plan.recipe and not plan.contents:
            digest = self._built(plan, plan.recipe, plan.ref)
        elif not plan.is_ours:
            digest = self._ready_made(plan).digest
            self.transfer.tag(plan.image, plan.repository, plan.tag)
        else:
            digest = self._with_contents(plan, identity)
        if self.transfer.registry:
            self._say(plan, f"push {plan.ref}")
            digest = self.transfer.push(plan.repository, plan.tag)
        if before and before != digest:
            self.transfer.keep_name(plan.repository, plan.tag, before)
        return records.Image(service=plan.service, ref=plan.ref, digest=digest)

    def _with_contents(self, plan: Plan, identity: str) -> str:
        """A derived image.  Its base has a name of its own while it is built on, and not after."""
        tag = f"{plan.tag}-base-{identity[:8]}"
        base = f"{plan.repository}:{tag}"
        try:
            if plan.recipe:
                self._built(plan, plan.recipe, base)
            else:
                self.transfer.tag(plan.image, plan.repository, tag)
            return self.builder.contents(plan, base, self._labels(plan), self._sink(plan))
        finally:
            self.transfer.untag(base)

    def _built(self, plan: Plan, recipe: Recipe, ref: str) -> str:
        image_id = self.builder.recipe(plan, recipe, ref, self._labels(plan), self._sink(plan))
        if self.transfer.registry and not self.builder.has_cache_export:
            self._push_cache(plan, recipe)
        return image_id

    def _push_cache(self, plan: Plan, recipe: Recipe) -> None:
        """The same layers once more, as an image that holds the cache inline.

        It has a digest of its own (no labels), so that it outlives the change's image.  A cache
        that cannot be kept costs time later, and nothing now.
        """
        cache = building.cache_ref(plan)
        try:
            self.builder.recipe(plan, recipe, cache, {}, lambda _: None)
            self.transfer.replace(plan.repository, building.cache_tag(plan))
        except PydeployError as failure:
            self._say(plan, f"the build cache was not kept: {failure.message}")
        finally:
            self.transfer.untag(cache)

    def _labels(self, plan: Plan) -> Mapping[str, str]:
        labels = {
            f"{_OCI}.revision": self.identity.revision,
            f"{_OCI}.source": self.identity.source_url,
            f"{_OCI}.created": self.identity.created,
            f"{_OCI}.version": plan.tag,
            f"{_OCI}.title": f"{self.identity.gerrit_project}/{plan.service}",
        }
        return {name: value for name, value in labels.items() if value}

    def _pin(self, plan: Plan, digest: str) -> str:
        return f"{plan.repository}@{digest}" if self.transfer.registry else digest

    def _sink(self, plan: Plan) -> LineSink:
        return lambda line: self._say(plan, line)

    def _say(self, plan: Plan, line: str) -> None:
        self.on_line(f"[{plan.service}] {line}")


def repo_digest(name: str, repo_digests: list[str]) -> str:
    """The digest under which the registry that `name` names holds the image; empty if unknown.

    An image that was retagged carries the digests of its other names, too; they do not count.
    """
    if "@" in name:
        return name
    head, _, tag = name.rpartition(":")
    repository = head if head and "/" not in tag else name
    familiar = repository.removeprefix("docker.io/").removeprefix("library/")
    for one in repo_digests:
        if one.partition("@")[0] == familiar:
            return one
    return ""
