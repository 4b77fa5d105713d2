"""A start of a release on an engine that a test makes up."""

from __future__ import annotations

import threading
from collections.abc import Callable

from pydeploy.clients.docker import DockerEngine
from pydeploy.deploy.inventory import Scope
from pydeploy.deploy.plan import Plan
from pydeploy.deploy.start import Start
from pydeploy.state.records import Port
from tests.unit.deploy.samples import a_plan, model, tcp


def a_start(
    engine: DockerEngine,
    *,
    ports: tuple[Port, ...] = (),
    subnets: tuple[str, ...] = (),
    plan: Plan | None = None,
    ensure: Callable[[], None] = lambda: None,
) -> Start:
    return Start(
        engine=engine,
        scope=Scope(site="s", environment="10020", attempt=7),
        project="pd-r-10020-3-7",
        model=model(web={}),
        plan=plan or a_plan({"web": {"ports": tcp(8080)}}),
        ports=ports,
        subnets=subnets,
        host="10020.deploy.test",
        deadline=60,
        cancel=threading.Event(),
        ensure=ensure,
    )
