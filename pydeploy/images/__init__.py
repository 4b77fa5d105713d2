"""Builds once, bakes repository content in, pins digests."""

from pydeploy.images.pipeline import prepare
from pydeploy.images.values import BuildIdentity, Image, Prepared

__all__ = ["BuildIdentity", "Image", "Prepared", "prepare"]
