"""Reads an untrusted checkout from end to end: all findings at once, and the checkout if it passes.

In order: layout, files and paths, Compose's canonical model, policy, Dockerfiles, secrets.
A step that needs what an earlier one refused is left out; every other one still reports.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydeploy import names
from pydeploy.config.service import Service
from pydeploy.config.site import Site
from pydeploy.errors import ConfigError, LayoutError, PolicyError, PydeployError, UsageError
from pydeploy.repository import (
    canonical,
    dockerfiles,
    expansion,
    formats,
    git,
    layout,
    policy,
    secrets,
    sources,
    team,
)
from pydeploy.repository.checkout import Checkout
from pydeploy.repository.findings import Finding, Notes, excepted, in_order
from pydeploy.repository.image_names import Allowed
from pydeploy.repository.sources import Sources
from pydeploy.repository.tree import Tree


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """Everything found; `checkout` is None when any finding is an error."""

    findings: tuple[Finding, ...]
    checkout: Checkout | None

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.is_error)

    def failure(self, *, brief: bool = False) -> PydeployError | None:
        """ConfigError, LayoutError or PolicyError; None when no finding is an error.

        Its message lists every error, or (`brief`, where they have been printed) counts them.
        """
        if not self.errors:
            return None
        kind = _kind(self.errors)
        if brief:
            return kind(formats.summary(self.findings), hint="mend the errors listed above")
        lines = [f"{formats.line(one)}\n    mend: {one.mend}" for one in self.errors]
        message = "\n  ".join([formats.summary(self.errors), *lines])
        return kind(message, hint="`pydeploy check` shows each with its reason, warnings too")


def inspect(
    root: Path,
    *,
    site: Site,
    gerrit_project: str | None = None,
    branch: str | None = None,
    revision: git.Revision | None = None,
) -> Inspection:
    """Read the checkout at `root`.

    `gerrit_project` and `branch` are what Gerrit says of the revision, never what the change
    claims; exceptions of site.yml count only where both are given and match.
    `revision` is what git says of `root`, for a caller who has asked already.
    Raises UsageError when `root` is not a folder, ServiceError when Compose is not installed.
    """
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder", hint="pass the path of a checkout")
    return _Inspector(
        tree=Tree(root),
        site=site,
        gerrit_project=gerrit_project,
        branch=branch,
        allowed=_exceptions(site, gerrit_project, branch),
        revision=revision,
    ).inspect()


def read(
    root: Path,
    *,
    site: Site,
    gerrit_project: str | None = None,
    branch: str | None = None,
    revision: git.Revision | None = None,
) -> Checkout:
    """The checkout at `root`, or the first class of what is wrong with every error in its message.

    Raises ConfigError (pydeploy.yml), LayoutError (files, YAML, Compose) or PolicyError.
    """
    inspection = inspect(
        root, site=site, gerrit_project=gerrit_project, branch=branch, revision=revision
    )
    failure = inspection.failure()
    if failure is not None:
        raise failure
    if inspection.checkout is None:
        raise LayoutError(f"{root} could not be read")
    return inspection.checkout


@dataclass(kw_only=True)
class _Inspector:
    tree: Tree
    site: Site
    gerrit_project: str | None
    branch: str | None
    allowed: frozenset[str]
    revision: git.Revision | None
    notes: Notes = field(default_factory=Notes)
    dockerfiles: list[str] = field(default_factory=list)

    def inspect(self) -> Inspection:
        layout.look(self.tree, self.notes)
        service = team.load(self.tree, self.notes)
        main = layout.compose_file(self.tree, self.notes)
        found = sources.gather(self.tree, main, self.notes) if main else Sources()
        model = self._model(found, service)
        secrets.scan(self.tree, found, self.dockerfiles, self.notes)
        self.notes.findings = [excepted(one, self.allowed) for one in self.notes.findings]
        checkout = None
        if main and model is not None and not self.notes.has_error:
            checkout = self._checkout(main, service, model)
        return Inspection(findings=in_order(self.notes.findings), checkout=checkout)

    def _model(self, found: Sources, service: Service) -> dict[str, Any] | None:
        """The model after policy; None when Compose was not asked, or refused."""
        if not found.documents:
            return None
        expansion.check(found, self.notes)
        policy.prescan(found, self.notes)
        if self.notes.has_error_of("yaml.", "path."):
            return None  # paths first: Compose must not read what was refused
        model = canonical.model(self.tree, found, self.notes)
        if model is None:
            return None
        result = policy.apply(
            model,
            site=self.site,
            tree=self.tree,
            sources=found,
            notes=self.notes,
            gerrit_project=self.gerrit_project,
            branch=self.branch,
        )
        if result is None:
            return None
        team.check_front(service, result, self.tree, self.notes)
        allowed = Allowed(site=self.site, gerrit_project=self.gerrit_project)
        built = dockerfiles.look(result, self.tree, found, self.notes, allowed)
        self.dockerfiles = [one.file for one in built]
        return result

    def _checkout(self, main: str, service: Service, model: dict[str, Any]) -> Checkout:
        root = Path(self.tree.real_root)
        revision = self.revision or git.revision(root)
        return Checkout(
            root=root,
            revision=revision.name,
            is_dirty=revision.is_dirty,
            compose_file=root / main,
            service_name=self._service_name(root, service),
            service=service,
            model=model,
            findings=in_order(self.notes.findings),
        )

    def _service_name(self, root: Path, service: Service) -> str:
        """pydeploy.yml, else Gerrit's project, else the git remote, else the folder."""
        last = (self.gerrit_project or "").rstrip("/").rsplit("/", 1)[-1]
        return names.slug(service.service or last or git.remote_name(root) or root.name)


def _exceptions(site: Site, gerrit_project: str | None, branch: str | None) -> frozenset[str]:
    """Codes that site.yml allows; none where Gerrit's own words are not at hand."""
    if gerrit_project is None or branch is None:
        return frozenset()
    short = branch.removeprefix("refs/heads/")
    return frozenset(
        code
        for exception in site.policy.exceptions
        if exception.gerrit_project == gerrit_project and fnmatchcase(short, exception.branch)
        for code in exception.allow
    )


def _kind(errors: Iterable[Finding]) -> type[PydeployError]:
    """PolicyError when anything is forbidden; ConfigError when only pydeploy.yml is wrong."""
    prefixes = {finding.code.partition(".")[0] for finding in errors}
    if prefixes & {"policy", "secret", "path"}:
        return PolicyError
    return ConfigError if prefixes == {"config"} else LayoutError
