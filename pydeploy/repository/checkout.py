"""What the rest of pydeploy knows of a repository after it was read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydeploy import console
from pydeploy.config.service import Service
from pydeploy.errors import UsageError
from pydeploy.repository.findings import Finding


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A checkout that passed: everything below is safe to build and to run.

    `revision` is the commit when the working tree equals it, else (`is_dirty`, or no git)
    a 40-digit hash of the content; either way it names exactly what is there.

    `model` is compose's canonical JSON after conversion, neutralisation and policy:

    * no `name`, `version`, `profiles`, `container_name`, fixed names, published host ports,
      subnets or fixed addresses; what those were for is taken over by pydeploy.
    * a service that builds has `build` and no `image`; `build.context` is an absolute path
      inside `root`, `build.dockerfile` is relative to it.
    * `type: bind` sources and the `file` of configs and secrets are absolute paths inside `root`;
      links on the way led inside when it was read, so resolve them again when you open them.
      A folder such as `root` itself holds `.git`, which is not content.
    * dollar signs are doubled, as compose prints them: give the model to compose again as it is,
      and double the dollar of every text you add.  Write it with `documents.dumped`: JSON's
      surrogate pairs (an emoji, as `json.dumps` escapes it) are not YAML.
    """

    root: Path
    revision: str
    is_dirty: bool
    compose_file: Path
    service_name: str
    service: Service
    model: dict[str, Any]
    findings: tuple[Finding, ...]

    def agree_with(self, revision: str | None) -> None:
        """A digest is recorded under its revision, so the revision must be what is there.

        UsageError when another commit is checked out; a warning when files differ from it.
        """
        if revision is None or self.revision.startswith(revision):
            return
        if self.is_dirty:
            console.warn(f"the checkout is not exactly {revision}; built as {self.revision[:12]}")
            return
        raise UsageError(
            f"the checkout is at {self.revision[:12]}, not at {revision}",
            hint="check that revision out, or leave --revision away",
        )
