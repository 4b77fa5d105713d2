"""Can the ports of the range be given out?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydeploy.clients.docker import DockerEngine
from pydeploy.platform.checks.verdict import Context, Verdict, error, ok, warning
from pydeploy.platform.listeners import listeners
from pydeploy.state.keys import last

_KERNEL = Path("/proc/sys/net/ipv4")
_FEW = 0.1


def check(context: Context) -> Iterator[Verdict]:
    for name, engine in context.engines.items():
        yield _left(context, name, engine)
    for name, engine in context.local_engines().items():
        yield from _foreign(context, name, engine)
        yield _ephemeral(engine.settings.port_range)


def _claimed(context: Context, engine: str) -> set[int]:
    store = context.store
    return {int(last(kv.key)) for kv in store.etcd.range(store.keys.ports(engine)).kvs}


def _left(context: Context, name: str, engine: DockerEngine) -> Verdict:
    total = len(engine.settings.port_range)
    free = total - len(_claimed(context, name))
    text = f"engine {name!r}: {free} of {total} ports are free ({engine.settings.ports})"
    if free == 0:
        return error("ports", text, f"pydeploy prune, or a wider engines/{name}/ports", "config")
    if free < _FEW * total:
        return warning("ports", text, f"pydeploy prune, or a wider engines/{name}/ports")
    return ok("ports", text)


def _foreign(context: Context, name: str, engine: DockerEngine) -> Iterator[Verdict]:
    """They are skipped when ports are claimed, but each costs a try."""
    held = {one.port for one in listeners() if one.protocol == "tcp"}
    foreign = sorted(held & set(engine.settings.port_range) - _claimed(context, name))
    if foreign:
        some = ", ".join(map(str, foreign[:5])) + (", ..." if len(foreign) > 5 else "")
        yield warning(
            "ports",
            f"engine {name!r}: {len(foreign)} ports of the range are held by others: {some}",
            f"harmless if few; else choose another range: engines/{name}/ports",
        )


def _ephemeral(ports: range) -> Verdict:
    """The kernel takes ports for outgoing connections from its own range; ours must not be in it,
    or be reserved (kernel documentation, ip-sysctl)."""
    first, final = map(int, (_KERNEL / "ip_local_port_range").read_text().split())
    ours = set(ports)
    mixed = ours & set(range(first, final + 1)) - _reserved()
    if not mixed:
        return ok("ports", "outside the kernel's range for outgoing connections")
    return warning(
        "ports",
        f"{len(mixed)} ports are in the kernel's range for outgoing connections ({first}-{final})",
        f"sysctl -w net.ipv4.ip_local_reserved_ports={ports.start}-{ports.stop - 1}",
    )


def _reserved() -> set[int]:
    found: set[int] = set()
    for part in (_KERNEL / "ip_local_reserved_ports").read_text().strip().split(","):
        if part:
            first, _, final = part.partition("-")
            found.update(range(int(first), int(final or first) + 1))
    return found
