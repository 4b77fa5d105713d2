"""One run of BuildKit: from a recipe, or from repository content on top of an image."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydeploy import durations
from pydeploy.clients import buildx, scratch, shell
from pydeploy.clients.docker import DockerEngine
from pydeploy.clients.shell import LineSink
from pydeploy.config.site import Site
from pydeploy.errors import BuildError, ServiceError
from pydeploy.images import content, faults
from pydeploy.images.plan import Plan, Recipe
from pydeploy.images.progress import Progress
from pydeploy.images.stop import Stop

# Folders of `RUN --mount=type=cache` are shared under this name: without it one project's change
# could put something into the package cache of another, or of what is built once it is merged.
# A build argument, but in no image.
_CACHE_MOUNTS = "BUILDKIT_CACHE_MOUNT_NS"
_CACHE_TAG = "buildcache"  # of each repository, beside the images


@dataclass(frozen=True, kw_only=True)
class Builder:
    """Runs builds on one engine, with one docker configuration folder."""

    engine: DockerEngine
    site: Site
    root: Path
    config: Path
    stop: Stop

    @cached_property
    def has_cache_export(self) -> bool:
        """Whether a cache can be exported: to a registry, from containerd's image store only."""
        if not self.site.registry.address:
            return False
        with self.engine.answering():
            status = self.engine.api.info().get("DriverStatus") or []
        return ["driver-type", "io.containerd.snapshotter.v1"] in status

    def recipe(
        self,
        plan: Plan,
        recipe: Recipe,
        ref: str,
        labels: Mapping[str, str],
        on_line: LineSink,
    ) -> str:
        """Build what the change's own Dockerfile says, under the name `ref`; the image id."""
        with scratch.folder() as folder:
            dockerfile = recipe.dockerfile
            if recipe.inline:
                dockerfile = folder / "Dockerfile"
                dockerfile.write_text(recipe.inline, encoding="utf-8")
            what = buildx.Build(
                context=recipe.context,
                dockerfile=dockerfile,
                tags=(ref,),
                metadata=folder / "metadata.json",
                target=recipe.target,
                platform=plan.platform,
                args={**recipe.args, _CACHE_MOUNTS: cache_mounts(plan)},
                labels=labels,
                secrets={"ca": self.site.build.ca} if self.site.build.ca else {},
                cache_from=self._cache_from(plan),
                cache_to=self._cache_to(plan, ref),
            )
            return self._run(plan.service, recipe.shown(self.root), what, on_line)

    def contents(self, plan: Plan, base: str, labels: Mapping[str, str], on_line: LineSink) -> str:
        """Put the plan's repository content on top of the image `base`; the image id."""
        with scratch.folder() as folder:
            staged = folder / "context"
            staged.mkdir()
            content.stage(plan.contents, self.root, staged)
            dockerfile = folder / "Dockerfile"
            dockerfile.write_text(content.dockerfile(base, plan.contents, staged), encoding="utf-8")
            what = buildx.Build(
                context=staged,
                dockerfile=dockerfile,
                tags=(plan.ref,),
                metadata=folder / "metadata.json",
                platform=plan.platform,
                labels=labels,
            )
            return self._run(plan.service, "mounts from the repository", what, on_line)

    def _cache_from(self, plan: Plan) -> tuple[str, ...]:
        """A change also uses what its branch left; the branch never what a change left."""
        if not self.site.registry.address:
            return ()
        refs = dict.fromkeys((f"{plan.repository}:{_CACHE_TAG}", cache_ref(plan)))
        return tuple(map(buildx.cache_from, refs))

    def _cache_to(self, plan: Plan, ref: str) -> tuple[str, ...]:
        """An image that is a cache holds it inline; else it is exported where that can be done."""
        if ref == cache_ref(plan):
            return (buildx.INLINE,)
        return (buildx.cache_to(cache_ref(plan)),) if self.has_cache_export else ()

    def _run(self, service: str, dockerfile: str, what: buildx.Build, on_line: LineSink) -> str:
        progress = Progress(on_line)
        try:
            finished = shell.run(
                buildx.build(what),
                env_vars=self._env_vars(),
                timeout=self.site.build.timeout,
                cancel=self.stop,
                on_line=progress.feed,
            )
        except shell.TimedOut as late:
            progress.finish()
            raise BuildError(
                f"{service}: the build took longer than {durations.show(self.site.build.timeout)}",
                hint="make it shorter, or ask the operator for more (site.yml: build/timeout)",
                logs=_last_lines(progress),
            ) from late
        except FileNotFoundError as absent:
            raise ServiceError(
                "docker is not on PATH", service="docker", hint="see `pydeploy doctor`"
            ) from absent
        progress.finish()
        if finished.code:
            raise faults.judge(service, dockerfile, progress)
        return _image_id(what.metadata)

    def _env_vars(self) -> dict[str, str]:
        return shell.scrubbed({**self.engine.env_vars(), "DOCKER_CONFIG": str(self.config)})


def cache_tag(plan: Plan) -> str:
    """`10020-buildcache` for a change, which goes with its environment; else `buildcache`."""
    return _CACHE_TAG if plan.change is None else f"{plan.change}-{_CACHE_TAG}"


def cache_ref(plan: Plan) -> str:
    """Where the build of `plan` leaves its cache: what nobody has reviewed stays with itself."""
    return f"{plan.repository}:{cache_tag(plan)}"


def cache_mounts(plan: Plan) -> str:
    """Whose folders of `RUN --mount=type=cache` the build gets: its project's, or its change's."""
    return plan.repository if plan.change is None else f"{plan.repository}:{plan.change}"


def _image_id(metadata: Path) -> str:
    """Without containerd's image store the id is the config's digest, with it the manifest's."""
    found = json.loads(metadata.read_text(encoding="utf-8"))
    return str(found.get("containerimage.digest") or found["containerimage.config.digest"])


def _last_lines(progress: Progress) -> str:
    running = [vertex for vertex in progress.vertices.values() if vertex.log]
    return "\n".join(list(running[-1].log)[-faults.SHOWN_LINES :]) if running else ""
