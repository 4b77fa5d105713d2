"""What compose really gets."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from pydeploy.config.site import Limits
from pydeploy.deploy import model
from pydeploy.state.records import Port
from tests.unit.deploy.samples import port

LABELS = {"io.pydeploy.site": "site", "io.pydeploy.attempt": "7"}
LIMITS = Limits.model_validate({"memory": "512m", "cpus": 1, "pids": 100, "log_size": "10m"})


def made(source: dict[str, Any], **keys: Any) -> dict[str, Any]:
    placement = model.Placement(
        **{
            "project": "pd-r-10020-3",
            "labels": LABELS,
            "identity": {"PYDEPLOY_URL": "http://10020.test"},
            "bind": "127.0.0.1",
            "ports": (),
            "subnets": {"default": "10.213.0.0/27"},
            "limits": LIMITS,
            "deadline": 120,
            **keys,
        }
    )
    return model.release_model(source, placement)


def one(definition: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """The service `web` of a model that holds nothing else."""
    found: dict[str, Any] = made({"services": {"web": definition}}, **keys)["services"]["web"]
    return found


def test_a_whole_model() -> None:
    """Everything that is put in, at once."""
    assert {
        "name": "pd-r-10020-3",
        "services": {
            "web": {
                "image": "a@sha256:1",
                "labels": {**LABELS, "io.pydeploy.service": "web"},
                "environment": {"PYDEPLOY_URL": "http://10020.test"},
                "ports": [
                    {
                        "target": 8080,
                        "published": "20000",
                        "protocol": "tcp",
                        "host_ip": "127.0.0.1",
                        "mode": "host",
                    }
                ],
                "mem_limit": str(512 << 20),
                "memswap_limit": str(512 << 20),
                "cpus": 1.0,
                "pids_limit": 100,
                "security_opt": ["no-new-privileges:true"],
                "logging": {
                    "driver": "json-file",
                    "options": {"max-size": str(10 << 20), "max-file": "3"},
                },
                "networks": {"default": None},
                "healthcheck": {"start_period": "120s", "start_interval": "500ms"},
            }
        },
        "networks": {
            "default": {
                "driver": "bridge",
                "ipam": {"config": [{"subnet": "10.213.0.0/27"}]},
                "labels": LABELS,
            }
        },
        "volumes": {"data": {"labels": LABELS}},
    } == made(
        {"services": {"web": {"image": "a@sha256:1"}}, "volumes": {"data": {"name": "x_data"}}},
        ports=(port(),),
    )


def test_the_source_is_not_changed() -> None:
    """The record keeps it, for promote and rollback."""
    source = {"services": {"web": {"build": {}, "labels": {"a": "b"}, "environment": {"C": "d"}}}}
    before = copy.deepcopy(source)
    made(source)
    assert before == source


@pytest.mark.parametrize(
    ("asked", "memory", "cpus", "pids"),
    [
        ({}, 512 << 20, 1.0, 100),
        ({"mem_limit": str(64 << 20), "cpus": 0.5, "pids_limit": 10}, 64 << 20, 0.5, 10),
        ({"mem_limit": str(8 << 30), "cpus": 64, "pids_limit": 10**6}, 512 << 20, 1.0, 100),
        ({"mem_limit": "0", "cpus": 0, "pids_limit": -1}, 512 << 20, 1.0, 100),
        (
            {"deploy": {"resources": {"limits": {"memory": "67108864", "cpus": "0.5", "pids": 5}}}},
            64 << 20,
            0.5,
            5,
        ),
        (
            {"deploy": {"resources": {"limits": {"memory": "8589934592", "cpus": 64}}}},
            512 << 20,
            1.0,
            100,
        ),
    ],
)
def test_a_file_may_ask_for_less_never_for_more(
    asked: dict[str, Any], memory: int, cpus: float, pids: int
) -> None:
    """ "No limit" is more; wherever compose lets one write it."""
    found = one(asked)
    assert (str(memory), str(memory), cpus, pids) == tuple(
        found[key] for key in ("mem_limit", "memswap_limit", "cpus", "pids_limit")
    )


def test_what_a_file_says_cannot_replace_what_we_put_in() -> None:
    """Labels by which we find it, and facts that the container is told, are ours."""
    found = one(
        {
            "labels": {"io.pydeploy.attempt": "666", "own": "kept"},
            "environment": {"PYDEPLOY_URL": "http://evil", "OWN": "kept"},
            "security_opt": ["seccomp:unconfined"],
            "logging": {"driver": "syslog"},
            "memswap_limit": "-1",
        }
    )
    assert ("7", "kept") == (found["labels"]["io.pydeploy.attempt"], found["labels"]["own"])
    assert {"PYDEPLOY_URL": "http://10020.test", "OWN": "kept"} == found["environment"]
    assert ["no-new-privileges:true"] == found["security_opt"]
    assert "json-file" == found["logging"]["driver"]


def test_what_does_not_belong_to_a_release_goes() -> None:
    """It is built already, named by us, runs once, and is not bound to a profile."""
    found = one(
        {
            "build": {"context": "."},
            "deploy": {"replicas": 3},
            "container_name": "x",
            "develop": {},
            "pull_policy": "always",
            "scale": 3,
            "profiles": ["debug"],
            "ports": [{"target": 8080, "published": "80"}],
        }
    )
    gone = {"build", "deploy", "container_name", "develop", "pull_policy", "scale", "profiles"}
    assert set() == found.keys() & (gone | {"ports"})


def test_ports_are_those_that_were_claimed() -> None:
    """Each service's own, on the engine's bind address only."""
    ports = (
        port("web", 80, 20000),
        Port(service="dns", container_port=53, host_port=20001, protocol="udp"),
    )
    services = made({"services": {"web": {}, "dns": {}}}, ports=ports, bind="10.0.0.5")["services"]
    assert [("20000", "tcp", "10.0.0.5")] == [
        (one["published"], one["protocol"], one["host_ip"]) for one in services["web"]["ports"]
    ]
    assert [("20001", "udp")] == [
        (one["published"], one["protocol"]) for one in services["dns"]["ports"]
    ]


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (None, {"start_period": "120s", "start_interval": "500ms"}),
        (
            {"test": ["CMD", "x"], "interval": "60s", "start_period": "1s"},
            {
                "test": ["CMD", "x"],
                "interval": "60s",
                "start_period": "120s",
                "start_interval": "500ms",
            },
        ),
        ({"disable": True}, {"disable": True}),
    ],
)
def test_health_is_checked_often_while_it_starts(check: Any, expected: Any) -> None:
    """And is not given up before the deadline; a check that is switched off stays off."""
    assert expected == one({"healthcheck": check} if check else {})["healthcheck"]


def test_networks_are_private_and_labelled() -> None:
    """Each with its claimed subnet; `internal` is kept, everything else is ours."""
    networks = made(
        {"services": {}, "networks": {"back": {"internal": True, "name": "x", "driver": "host"}}},
        subnets={"back": "10.213.0.32/27"},
    )["networks"]
    assert {
        "back": {
            "driver": "bridge",
            "ipam": {"config": [{"subnet": "10.213.0.32/27"}]},
            "labels": LABELS,
            "internal": True,
        }
    } == networks


@pytest.mark.parametrize(
    ("definition", "networks"),
    [
        ({}, {"default": None}),
        ({"networks": {"back": {"aliases": ["db"]}}}, {"back": {"aliases": ["db"]}}),
        ({"network_mode": "none"}, None),
    ],
)
def test_networks_of_a_service(definition: Any, networks: Any) -> None:
    """The default one, unless it says otherwise."""
    assert networks == one(definition).get("networks")


def test_configs_and_secrets_lose_their_fixed_names() -> None:
    """Two releases live side by side; what is empty is left away."""
    found = made(
        {
            "services": {},
            "configs": {"a": {"name": "x_a", "content": "1"}},
            "secrets": {},
        },
        subnets={},
    )
    assert {"name": "pd-r-10020-3", "configs": {"a": {"content": "1"}}} == found


ASKING: dict[str, Any] = {
    "services": {
        "web": {
            "volumes": [{"type": "volume", "source": "a", "target": "/a"}],
            "secrets": [{"source": "token"}, {"source": "own"}],
        },
        "worker": {},
    },
    "volumes": {"a": {}},
    "secrets": {"token": {"external": True}, "own": {"file": "/x"}},
}


def test_secrets_of_the_site_are_a_volume() -> None:
    """Mounted read-only where they were asked for; compose itself never hears of them."""
    found = made(ASKING, secrets={"web": "pd-r-1.secrets.web"})
    key = "io.pydeploy.secrets.web"
    mount = {"type": "volume", "source": key, "target": "/run/secrets", "read_only": True}
    assert [*ASKING["services"]["web"]["volumes"], mount] == found["services"]["web"]["volumes"]
    assert [{"source": "own"}] == found["services"]["web"]["secrets"]
    assert {"own": {"file": "/x"}} == found["secrets"]
    assert {"external": True, "name": "pd-r-1.secrets.web"} == found["volumes"][key]
    assert "volumes" not in found["services"]["worker"]


def test_a_change_cannot_name_the_volume_of_another_service() -> None:
    """Its own volume of the same key stays its own, and empty."""
    key = "io.pydeploy.secrets.web"
    source = copy.deepcopy(ASKING)
    source["volumes"][key] = {}
    mount = {"type": "volume", "source": key, "target": "/stolen"}
    source["services"]["worker"] = {"volumes": [mount]}
    found = made(source, secrets={"web": "pd-r-1.secrets.web"})
    assert {"labels": LABELS} == found["volumes"][key]
    assert f"{key}-" == found["services"]["web"]["volumes"][-1]["source"]
