"""`pydeploy doctor`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pydeploy import cli, console
from pydeploy.commands import options
from pydeploy.errors import PydeployError, ServiceError, SiteConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydeploy.platform.checks.verdict import Verdict

_MARKS = {"ok": "ok", "warning": "warning", "error": "ERROR"}


@click.command("doctor", epilog="Example: pydeploy doctor --json")
@options.as_json
def command(as_json: bool) -> None:
    """Check each part of the site, and say how to mend what is wrong.

    Looks at: engine, etcd, gateway, dns, registry, Jenkins and Gerrit (where site.yml names them),
    the port range, the subnet pool, the clock.
    Exits with 6 when a part has to be mended, with 2 when site.yml has to; warnings are no errors.
    """
    from pydeploy.clients.docker import DockerEngine
    from pydeploy.platform import checks, lifecycle
    from pydeploy.platform.checks.verdict import Context
    from pydeploy.state import store

    site = cli.load_site()
    verdicts = list(
        checks.run(
            Context(
                site=site,
                store=store.connect(site),
                engines={name: DockerEngine(name, one) for name, one in site.engines.items()},
                ports=lifecycle.chosen_ports(site),
            )
        )
    )
    failure = judge(verdicts)
    if as_json:
        body = {"is_well": failure is None, "checks": [asdict(one) for one in verdicts]}
        console.out_json(body | ({"error": failure.as_dict()} if failure else {}))
    else:
        console.table(
            ("part", "", "found", "how to mend"),
            [(one.part, _MARKS[one.level], one.message, one.mend) for one in verdicts],
        )
    if failure:
        failure.is_printed = as_json
        raise failure


def judge(verdicts: Iterable[Verdict]) -> PydeployError | None:
    """What the errors among `verdicts` come to; a part that does not work weighs more."""
    errors = [one for one in verdicts if one.level == "error"]
    if not errors:
        return None
    parts = ", ".join(dict.fromkeys(one.part for one in errors))
    message, hint = f"not well: {parts}", "the last column says how to mend each"
    broken = [one for one in errors if one.fault == "service"]
    if broken:
        return ServiceError(message, service=broken[0].part, hint=hint)
    return SiteConfigError(message, hint=hint)
