"""What `pydeploy doctor` looks at: one module per part, each with `check(context)`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pydeploy.errors import PydeployError
from pydeploy.platform.checks import clock, dns, engine, etcd, gateway, ports, registry, subnets
from pydeploy.platform.checks.verdict import Context, Verdict, error

Check = Callable[[Context], Iterator[Verdict]]

CHECKS: dict[str, Check] = {
    "engine": engine.check,
    "etcd": etcd.check,
    "gateway": gateway.check,
    "dns": dns.check,
    "registry": registry.check,
    "ports": ports.check,
    "subnets": subnets.check,
    "clock": clock.check,
}


def run(context: Context) -> Iterator[Verdict]:
    """Every check, one after the other; one that cannot be made is an error of its part."""
    for part, check in CHECKS.items():
        try:
            yield from check(context)
        except PydeployError as failure:
            yield error(part, failure.message, failure.hint)
