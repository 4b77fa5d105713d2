"""What `pydeploy doctor` looks at: one module per part, each with `check(context)`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from pydeploy.errors import PydeployError, ServiceError
from pydeploy.platform import place, settings
from pydeploy.platform.checks import (
    clock,
    dns,
    engine,
    etcd,
    gateway,
    gerrit,
    jenkins,
    ports,
    registry,
    subnets,
)
from pydeploy.platform.checks.verdict import Context, Verdict, error, warning

Check = Callable[[Context], Iterator[Verdict]]

CHECKS: dict[str, Check] = {
    "engine": engine.check,
    "etcd": etcd.check,
    "gateway": gateway.check,
    "dns": dns.check,
    "registry": registry.check,
    "jenkins": jenkins.check,
    "ports": ports.check,
    "subnets": subnets.check,
    "clock": clock.check,
    "gerrit": gerrit.check,
}


def run(context: Context, checks: Mapping[str, Check] = CHECKS) -> Iterator[Verdict]:
    """Every check, one after the other; one that cannot be made is an error of its part."""
    for part, check in checks.items():
        try:
            yield from check(context)
        except PydeployError as failure:
            yield _unmade(context, part, failure)


def _unmade(context: Context, part: str, failure: PydeployError) -> Verdict:
    """What a part that does not answer comes to: an error of that part, once."""
    cause = failure.service if isinstance(failure, ServiceError) else part
    name = "engine" if cause == "docker" else cause
    if name != part and name in CHECKS:
        return warning(part, f"cannot be checked without {name}", f"mend {name} first")
    return error(part, failure.message, _mend(context, part))


def _mend(context: Context, part: str) -> str:
    if part == "engine":
        return f"see that Docker runs there; on this machine: sudo {place.sources() / 'engine.sh'}"
    if part not in settings.services(context.site):
        return "it is not started by pydeploy: see that it runs and is reachable"
    return f"pydeploy up; its log: docker logs {place.project(context.site)}-{part}-1"
