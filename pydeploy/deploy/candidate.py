"""What is to be brought up: a checkout that was built, or a release that is on record."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydeploy.config.service import Service
from pydeploy.deploy.plan import Model
from pydeploy.deploy.request import Request
from pydeploy.images import Prepared
from pydeploy.repository.checkout import Checkout
from pydeploy.state.records import Change, Image, Origin, Release


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Everything about a release that does not depend on where it will run.

    `model` is compose's canonical model without the checkout, its images pinned.
    """

    service: str  # the microservice's name
    revision: str
    patchset: int | None
    version: str  # becomes part of the release's name
    change: Change | None
    gerrit_project: str
    branch: str
    settings: Service
    model: Model
    images: tuple[Image, ...]
    origin: Origin = field(default_factory=Origin)


def of_checkout(request: Request, checkout: Checkout, prepared: Prepared) -> Candidate:
    """What was built of a checkout."""
    revision = request.revision or checkout.revision
    return Candidate(
        service=checkout.service_name,
        revision=revision,
        patchset=request.patchset,
        version=str(request.patchset or revision[:7]),
        change=request.as_change(revision),
        gerrit_project=request.gerrit_project,
        branch=request.branch,
        settings=checkout.service,
        model=prepared.model,
        images=tuple(
            Image(service=one.service, ref=one.ref, digest=one.digest) for one in prepared.images
        ),
    )


def of_release(release: Release, service: str, origin: Origin, version: str = "") -> Candidate:
    """A release again, here or elsewhere: the same model, the same digests."""
    return Candidate(
        service=service,
        revision=release.revision,
        patchset=release.patchset,
        version=version or release.version,
        change=release.change,
        gerrit_project=release.gerrit_project,
        branch=release.branch,
        settings=Service.model_validate(release.settings),
        model=release.model,
        images=release.images,
        origin=origin,
    )
