"""64 processes claim 5,000 ports at once.

    python -m bench.claims

No port may be given out twice.  The same processes then create as many keys of their own, each in
one transaction as a claim is, without asking which is free: that is what etcd can do, and claims
are held against it.  The two take turns.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier

from bench import live
from bench.figures import Figure
from bench.live import Live
from pydeploy.clients import etcd as ops
from pydeploy.clients.etcd import Compare
from pydeploy.config.site import Engine, Site
from pydeploy.state import claims, store
from pydeploy.state.claims import Claimant
from pydeploy.state.records import PortClaim
from pydeploy.state.store import Store

TITLE = "64 processes claim 5,000 ports"
PROCESSES = 64
PORTS = 5_000
ROUNDS = 3
# An engine of which only etcd knows: nothing listens, the claims are what is measured.
ENGINE = Engine(ports="20000-29999")
NAME = "bench-claims"


@dataclass(frozen=True)
class Job:
    """One process's part: `keys` are what it creates, its ports or the raw loop's numbers."""

    site: Site
    number: int
    count: int

    @property
    def environment(self) -> str:
        return f"{NAME}-{self.number}"


@dataclass(frozen=True)
class Done:
    began: float
    ended: float
    got: list[int]


Work = Callable[[Job, Store, tuple[Compare, ...]], list[int]]


def measure(site: Live) -> list[Figure]:
    jobs = _jobs(site.site)
    rates: dict[str, list[float]] = {"claims": [], "raw": []}
    twice = missing = 0
    for _ in range(ROUNDS):
        done = _run(jobs, _claim)
        rates["claims"].append(PORTS / _seconds(done))
        got = [port for one in done for port in one.got]
        twice += len(got) - len(set(got))
        held = {int(key.rsplit("/", 1)[1]) for key, _, _ in claims.held(site.store, NAME)}
        missing += len(held ^ set(got))
        site.store.etcd.delete_prefix(site.store.keys.ports(NAME))
        rates["raw"].append(PORTS / _seconds(_run(jobs, _create)))
        site.store.etcd.delete_prefix(_raw(site.store))
    return [
        Figure(what="ports given out twice", value=twice, bound=0, note=f"{ROUNDS} rounds"),
        Figure(what="claims that etcd does not hold", value=missing, bound=0),
        Figure(
            what="claims per second",
            value=statistics.median(rates["claims"]),
            raw=statistics.median(rates["raw"]),
            is_rate=True,
            note=f"median of {ROUNDS}; half of the range of 10,000 is taken at the end",
        ),
    ]


def _jobs(site: Site) -> list[Job]:
    each, more = divmod(PORTS, PROCESSES)
    return [Job(site, number, each + (number < more)) for number in range(PROCESSES)]


def _seconds(done: list[Done]) -> float:
    return max(one.ended for one in done) - min(one.began for one in done)


def _run(jobs: list[Job], work: Work) -> list[Done]:
    """All at once: each has connected and made its conditions before the first one begins."""
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(len(jobs))
    answers: multiprocessing.Queue[Done | str] = context.Queue()
    processes = [
        context.Process(target=_process, args=(job, work, barrier, answers)) for job in jobs
    ]
    for process in processes:
        process.start()
    done = [answers.get(timeout=300) for _ in jobs]
    for process in processes:
        process.join()
    problems = [one for one in done if isinstance(one, str)]
    if problems:
        raise SystemExit(f"{len(problems)} processes failed, the first with {problems[0]}")
    return [one for one in done if isinstance(one, Done)]


def _process(
    job: Job, work: Work, barrier: Barrier, answers: multiprocessing.Queue[Done | str]
) -> None:
    try:
        opened = store.connect(job.site)
        still = tuple(
            ops.equal(key, "MOD", opened.etcd.put(key, "{}"))
            for key in (
                opened.keys.lock(job.environment),
                opened.keys.wanted(job.environment),
            )
        )
        barrier.wait(120)
        began = time.monotonic()
        got = work(job, opened, still)
        answers.put(Done(began, time.monotonic(), got))
    except BaseException as problem:  # the parent waits for one answer of each
        barrier.abort()
        answers.put(repr(problem))


def _claim(job: Job, opened: Store, still: tuple[Compare, ...]) -> list[int]:
    """One port at a time, as so many deploys would."""
    claimant = Claimant(
        engine=NAME, environment=job.environment, release="1", token=job.number + 1, still=still
    )
    return [
        port
        for _ in range(job.count)
        for port in claims.claim_ports(opened, ENGINE, claimant, [("web", 8080)])
    ]


def _create(job: Job, opened: Store, still: tuple[Compare, ...]) -> list[int]:
    """The same transaction on a key that nobody else wants."""
    value = PortClaim(
        environment=job.environment,
        release="1",
        service="web",
        container_port=8080,
        token=job.number + 1,
    ).text()
    for turn in range(job.count):
        key = f"{_raw(opened)}{job.number}-{turn}"
        condition = [ops.equal(key, "CREATE", 0), *still]
        if not opened.etcd.txn(condition, [ops.put(key, value)], [ops.fetch(key)]).succeeded:
            raise RuntimeError(f"{key} is there already")
    return []


def _raw(opened: Store) -> str:
    return f"{opened.keys.root}/bench/raw/"


if __name__ == "__main__":
    live.main(TITLE, measure)
