"""What several unit tests work with: a real etcd, and a store of one's own in it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest
from hypothesis import settings

from pydeploy.clients.etcd import Etcd
from pydeploy.state.keys import Keys
from pydeploy.state.store import Store
from tests.unit.etcd_server import EtcdServer

# No deadline: how long an example takes says more about who else uses the machine.  A build looks
# at the same examples each time: new ones are found by people, who can mend what they find.
settings.register_profile(
    "unit", max_examples=50, deadline=None, derandomize=bool(os.environ.get("CI"))
)
settings.load_profile("unit")


@pytest.fixture(scope="session")
def etcd_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdServer]:
    """One for all tests that do not stop it."""
    server = EtcdServer(tmp_path_factory.mktemp("etcd")).start()
    yield server
    server.kill()


@pytest.fixture
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdServer]:
    """One for a test that stops it."""
    server = EtcdServer(tmp_path_factory.mktemp("etcd")).start()
    yield server
    server.kill()


@pytest.fixture
def etcd(etcd_server: EtcdServer) -> Etcd:
    return etcd_server.client()


@pytest.fixture
def store(etcd: Etcd) -> Store:
    """A site's store; no other test has its prefix."""
    return Store(etcd=etcd, keys=Keys(f"/test/{uuid.uuid4().hex}"))
