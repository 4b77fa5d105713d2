"""Networks of stateful containers: their own, and those of the releases in which they are found."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pydeploy.clients.docker import DockerEngine
from pydeploy.deploy.inventory import Scope
from pydeploy.deploy.refused import Taken

_NETWORK = "com.docker.compose.network"  # compose's label: what the model calls it


def make_network(
    engine: DockerEngine, name: str, subnet: str, labels: Mapping[str, str], *, is_internal: bool
) -> None:
    """A network of the environment; refused.Taken when its subnet is somebody else's."""
    import docker.errors

    ipam = {"Driver": "default", "Config": [{"Subnet": subnet}]}
    with engine.obeying():
        if engine.api.networks(names=[name]):
            return
        try:
            engine.api.create_network(
                name, driver="bridge", ipam=ipam, internal=is_internal, labels=dict(labels)
            )
        except docker.errors.APIError as refused:
            if "Pool overlaps" in str(refused.explanation):
                raise Taken(subnet=subnet) from refused
            raise


def of_release(engine: DockerEngine, scope: Scope) -> dict[str, str]:
    """The networks of a release: what its model calls them → what the engine does."""
    with engine.answering():
        listed = engine.api.networks(filters=scope.filters())
    return {
        one["Labels"][_NETWORK]: one["Name"] for one in listed if _NETWORK in (one["Labels"] or {})
    }


def join(engine: DockerEngine, container: str, networks: Mapping[str, Collection[str]]) -> None:
    """Let `container` be found in networks (name → its names there), where it is not yet."""
    if not networks:
        return
    with engine.obeying():
        there = engine.api.inspect_container(container)["NetworkSettings"]["Networks"] or {}
        for network, aliases in networks.items():
            if network not in there:
                engine.api.connect_container_to_network(
                    container, network, aliases=sorted(set(aliases))
                )
