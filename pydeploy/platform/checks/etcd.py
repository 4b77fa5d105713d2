"""Does etcd answer, has it a leader, and room?"""

from __future__ import annotations

from collections.abc import Iterator

from pydeploy.platform import place
from pydeploy.platform.checks.verdict import Context, Verdict, error, ok, warning

QUOTA = 2 << 30  # bytes, as platform/etcd/entrypoint.sh sets it; above it, writes are refused
_MUCH = 0.7
_MB = 1 << 20


def check(context: Context) -> Iterator[Verdict]:
    etcd = context.store.etcd
    status = etcd.status()
    where = ", ".join(etcd.endpoints)
    if not int(status.get("leader", 0)):
        yield error("etcd", f"{where} has no leader", "see that most of its members run")
        return
    yield ok("etcd", f"{status.get('version', '?')} at {where}")
    shrink = f"etcdctl defrag, in the container {place.project(context.site)}-etcd-1"
    if any(alarm.get("alarm") == "NOSPACE" for alarm in etcd.alarms()):
        yield error(
            "etcd",
            "it is full and refuses every write",
            f"{shrink}; then: etcdctl alarm disarm",
        )
        return
    size = int(status.get("dbSize", 0))
    text = f"{size // _MB} of {QUOTA // _MB} MB used"
    yield warning("etcd", text, shrink) if size > _MUCH * QUOTA else ok("etcd", text)
