"""Values that several tests of the deploy start from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydeploy.config.service import Service
from pydeploy.deploy import candidate, plan
from pydeploy.deploy.candidate import Candidate
from pydeploy.deploy.health import ContainerState
from pydeploy.deploy.plan import Plan
from pydeploy.deploy.request import Request
from pydeploy.images import Prepared
from pydeploy.repository.checkout import Checkout
from pydeploy.state.records import Environment, Image, Port, Release

REVISION = "0123456789abcdef0123456789abcdef01234567"


def service(**keys: Any) -> Service:
    return Service.model_validate(keys)


def model(**services: dict[str, Any]) -> dict[str, Any]:
    return {"services": services}


def tcp(*targets: int) -> list[dict[str, Any]]:
    """`ports:` as compose prints them."""
    return [{"mode": "ingress", "target": one, "protocol": "tcp"} for one in targets]


def a_plan(services: dict[str, Any], **keys: Any) -> Plan:
    return plan.make({"services": services}, service(**keys))


def request(**keys: Any) -> Request:
    return Request(root=Path("/repository"), **{"change": 10020, "patchset": 3, **keys})


def checkout(**keys: Any) -> Checkout:
    return Checkout(
        root=Path("/repository"),
        revision=REVISION,
        is_dirty=False,
        compose_file=Path("/repository/docker-compose.yml"),
        service_name="hello",
        service=service(**keys),
        model=model(web={}),
        findings=(),
    )


def a_candidate(wish: Request | None = None, **keys: Any) -> Candidate:
    return candidate.of_checkout(
        wish or request(), checkout(**keys), Prepared(model=model(web={}), images=())
    )


def port(name: str = "web", container_port: int = 8080, host_port: int = 20000) -> Port:
    return Port(service=name, container_port=container_port, host_port=host_port)


def release(name: str = "10020-3", attempt: int = 7, **keys: Any) -> Release:
    return Release(
        name=name,
        attempt=attempt,
        revision=REVISION,
        model=model(web={}),
        **{
            "engine": "local",
            "address": "127.0.0.1",
            "ports": (port(),),
            "images": (
                Image(service="web", ref="pydeploy/hello/web:10020-3-0123456", digest="sha256:a"),
            ),
            **keys,
        },
    )


def environment(name: str = "10020", **keys: Any) -> Environment:
    return Environment(
        name=name,
        service="hello",
        created="2026-01-31T12:00:00Z",
        updated="2026-01-31T12:00:00Z",
        **{"state": "running", "current": release(f"{name}-3"), **keys},
    )


def state(name: str = "web", **keys: Any) -> ContainerState:
    """A container that runs."""
    return ContainerState(
        service=name,
        **{
            "identity": "c0ffee",
            "status": "running",
            "health": "",
            "exit_code": 0,
            "restarts": 0,
            "restart_policy": "no",
            "is_oom_killed": False,
            "error": "",
            "last_probe": "",
            "address": "10.213.0.2",
            "pid": 1,
            **keys,
        },
    )
