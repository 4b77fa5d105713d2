"""One Jenkins for each test, and a door to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pydeploy.clients.jenkins import Jenkins
from pydeploy.clients.jenkins_http import Login
from tests.unit.jenkins.fake import FakeJenkins

Door = Callable[..., Jenkins]


@pytest.fixture
def fake() -> Iterator[FakeJenkins]:
    jenkins = FakeJenkins()
    yield jenkins
    jenkins.close()


@pytest.fixture
def door(fake: FakeJenkins) -> Door:
    """Makes a door: with an API token, unless the test says otherwise; it does not wait long."""

    def open_door(login: Login | None = None, **options: Any) -> Jenkins:
        mine = login or Login(username="ci", secret=fake.users["ci"].api_token)
        options = {"timeout": 5.0, "patience": 0.0} | options
        return Jenkins(fake.url, login=mine, **options)

    return open_door


@pytest.fixture
def jenkins(door: Door) -> Jenkins:
    return door()


@pytest.fixture
def password() -> Login:
    """An account with its password, which needs a crumb and a session."""
    return Login(username="ci", secret="correct horse")
