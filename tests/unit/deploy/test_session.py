"""What one command works with."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from pydeploy.clients import docker
from pydeploy.config.site import Site
from pydeploy.deploy.session import Session, open_session
from pydeploy.errors import SiteConfigError
from pydeploy.state.store import Store

TWO = Site.model_validate(
    {"engines": {"a": {}, "b": {"host": "ssh://b"}}, "default_engine": "a", "site": "mine"}
)


def session_on(store: Store, **keys: Any) -> Session:
    """A session whose state is `store`, and whose engine is never asked."""
    site = Site.model_validate(keys)
    return Session(
        site=site,
        store=store,
        engine=docker.one(site.engines, site.engine_name(None)),
        cancel=threading.Event(),
    )


def test_opening_contacts_nothing() -> None:
    """A session on the default engine, or on the named one."""
    assert ("a", "b") == (open_session(TWO).engine.name, open_session(TWO, "b").engine.name)


def test_an_engine_that_is_not_there() -> None:
    """Is said before anything is done."""
    with pytest.raises(SiteConfigError, match="engine 'c' is not in site"):
        open_session(TWO, "c")


def test_every_engine_of_the_site_can_be_reached() -> None:
    """An old release may run on another one; our own is not opened twice."""
    session = open_session(TWO)
    assert session.engine is session.engine_of("a")
    assert "ssh://b" == session.engine_of("b").host


def test_a_scope_is_of_this_site() -> None:
    """Whatever is looked for, it carries the site's label."""
    session = open_session(TWO)
    assert ["io.pydeploy.site=mine"] == session.scope().filters()["label"]


def test_how_a_lock_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the build that Jenkins names, so that people find it."""
    monkeypatch.setenv("BUILD_URL", "http://jenkins/7")
    holder = open_session(TWO).holder(3)
    assert (3, "http://jenkins/7") == (holder.patchset, holder.build_url)
