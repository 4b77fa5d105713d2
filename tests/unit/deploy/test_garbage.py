"""Images that no record names: the parts without an engine."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from pydeploy.clients import etcd as ops
from pydeploy.config.site import Site
from pydeploy.deploy import garbage
from pydeploy.deploy.garbage import EngineImage, RegistryImage
from pydeploy.deploy.session import Session
from pydeploy.state.records import BuildRecord, Image
from pydeploy.state.store import Store
from tests.unit.deploy.samples import environment, release

LOCAL = Site()
PUSHING = Site.model_validate({"registry": {"address": "127.0.0.1:5000"}})


def image(tag: str, digest: str = "sha256:a", name: str = "pydeploy/hello/web") -> Image:
    return Image(service="web", ref=f"{name}:{tag}", digest=digest)


def on_engine(*references: str, digests: tuple[str, ...] = ("sha256:a",)) -> EngineImage:
    return EngineImage(identity="sha256:id", references=references, digests=frozenset(digests))


@pytest.mark.parametrize(
    ("reference", "change", "expected"),
    [
        ("pydeploy/hello/web:10020-1-abc1234", 10020, True),
        ("127.0.0.1:5000/pydeploy/hello/web:10020-1-abc1234", 10020, True),
        (":10020-12-0123456", 10020, True),
        (":10020-buildcache", 10020, True),
        (":10021-buildcache", 10020, False),
        (":buildcache", 10020, False),
        ("pydeploy/hello/web:10020-1-abc1234", 1002, False),
        ("pydeploy/hello/web:110020-1-abc1234", 10020, False),
        ("pydeploy/hello/web:0123456789ab", 10020, False),
        ("pydeploy/hello/web@sha256:10020", 10020, False),
        ("pydeploy/10020-1-abc/web:latest", 10020, False),
        ("pydeploy/hello/web:10020-1-abc1234", None, False),
    ],
)
def test_tags_of_a_change(reference: str, change: int | None, expected: bool) -> None:
    """`<change>-<patchset>-<sha7>`, of exactly that number."""
    assert expected == garbage.is_of_change(reference, change)


@pytest.mark.parametrize(
    ("site", "listed", "ours"),
    [
        (LOCAL, {"RepoTags": ["pydeploy/a/web:1", "debian:12"]}, ("pydeploy/a/web:1",)),
        (LOCAL, {"RepoTags": ["pydeploy-platform/etcd:latest", "pydeployx/a:1"]}, ()),
        (LOCAL, {"RepoTags": ["127.0.0.1:5000/pydeploy/a:1", "other/pydeploy/a:1"]}, ()),
        (LOCAL, {"RepoTags": None, "RepoDigests": None}, ()),
        (PUSHING, {"RepoTags": ["127.0.0.1:5000/pydeploy/a:1"]}, ("127.0.0.1:5000/pydeploy/a:1",)),
        (PUSHING, {"RepoTags": ["127.0.0.1:5001/pydeploy/a:1"]}, ()),
        (
            PUSHING,
            {"RepoTags": [], "RepoDigests": ["127.0.0.1:5000/pydeploy/a@sha256:b"]},
            ("127.0.0.1:5000/pydeploy/a@sha256:b",),
        ),
    ],
)
def test_which_references_are_ours(site: Site, listed: dict[str, list[str]], ours: object) -> None:
    """Those below the site's namespace, locally or in its registry; nothing that begins alike."""
    assert ours == garbage._engine_image(site, {"Id": "sha256:id", **listed}).references


def test_the_digests_of_an_image() -> None:
    """Its id, and what registries call it: a record may name either."""
    listed = {"Id": "sha256:id", "RepoTags": [], "RepoDigests": ["x/y@sha256:m", "z@sha256:n"]}
    assert {"sha256:id", "sha256:m", "sha256:n"} == garbage._engine_image(LOCAL, listed).digests


@pytest.mark.parametrize(
    ("found", "keep", "candidates", "dropped"),
    [
        (on_engine("p/a:10020-1-abc", "p/a:0123"), set(), set(), ("p/a:10020-1-abc", "p/a:0123")),
        (on_engine("p/a:10020-1-abc", "p/a:7-1-abc"), {"sha256:a"}, set(), ("p/a:10020-1-abc",)),
        (on_engine("r:5/a:10020-1-abc", "r:5/a@sha256:a"), {"sha256:a"}, set(), ()),
        (
            on_engine("r:5/a:10020-1-abc", "r:5/b@sha256:a"),
            {"sha256:a"},
            set(),
            ("r:5/a:10020-1-abc",),
        ),
        (on_engine("p/a:0123"), set(), {"sha256:a"}, ("p/a:0123",)),
        (on_engine("p/a:0123"), {"sha256:a"}, {"sha256:a"}, ()),
        (on_engine("p/a:0123"), set(), set(), ()),
    ],
)
def test_what_goes_with_a_change(
    found: EngineImage, keep: set[str], candidates: set[str], dropped: tuple[str, ...]
) -> None:
    """An image of the change goes whole; of one that others use only the change's own tags, unless
    the digest that others name would go with them; what nobody has spoken of stays for prune."""
    assert dropped == garbage.references_to_drop(
        found, keep=keep, candidates=candidates, change=10020
    )


def test_images_of_an_environment(session: Session) -> None:
    """Of the release that runs, and of those that it can go back to."""
    older = release("10020-2", images=(image("2", "sha256:b"),))
    session.store.etcd.put(session.store.keys.release("10020", "10020-2"), older.text())
    record = environment(current=release(images=(image("1", "sha256:a"),)))
    found = garbage.images_of(session, record, "10020")
    assert ["sha256:a", "sha256:b"] == [one.digest for one in found]
    assert {"sha256:b"} == garbage.named(session)
    assert set() == garbage.named(session, but_environment="10020")
    assert [] == garbage.images_of(session, None, "other")


def test_what_a_record_names_in_the_registry() -> None:
    """Our own there; what was taken from elsewhere is nobody's to delete."""
    images = (
        image("10020-1-abc", name="127.0.0.1:5000/pydeploy/docs/hello/web"),
        image("7", "sha256:b", name="redis"),
    )
    assert [
        RegistryImage(repository="pydeploy/docs/hello/web", tag="10020-1-abc", digest="sha256:a")
    ] == garbage.of_images(PUSHING, images)


@pytest.fixture
def session(store: Store, monkeypatch: pytest.MonkeyPatch) -> Session:
    from tests.unit.deploy.test_session import session_on

    return session_on(store)


def test_named_digests(session: Session) -> None:
    """Of all records and builds, but of the environment and the change that go."""
    store = session.store
    for name, digest in (("10020", "sha256:a"), ("other", "sha256:b")):
        record = environment(name, current=release(images=(image("x", digest),)))
        store.etcd.put(store.keys.environment(name), record.text())
    for number, digest in ((10020, "sha256:c"), (7, "sha256:d")):
        build = BuildRecord(images=(image(f"{number}-1-abc", digest),), created="x")
        store.etcd.put(store.keys.build(str(number)), build.text())
    assert {f"sha256:{one}" for one in "abcd"} == garbage.named(session)
    assert {"sha256:b", "sha256:d"} == garbage.named(
        session, but_environment="10020", but_change=10020
    )


def test_builds_are_forgotten_with_their_images(session: Session) -> None:
    """Those of the change, and those whose digest goes; others stay."""
    store = session.store
    builds = {"a": ("10020-1-abc", "sha256:a"), "b": ("x", "sha256:b"), "c": ("y", "sha256:c")}
    store.etcd.txn(
        [],
        [
            ops.put(store.keys.build(key), BuildRecord(images=(image(*value),), created="x").text())
            for key, value in builds.items()
        ],
    )
    assert 2 == garbage.forget_builds(session, {"sha256:b"}, 10020)
    assert [store.keys.build("c")] == [kv.key for kv in store.etcd.range(store.keys.build()).kvs]


def test_without_a_registry_there_is_nothing_in_it() -> None:
    """And nothing is asked."""
    assert ([], 0) == (
        garbage.in_registry(LOCAL, lambda _: True),
        garbage.erase_from_registry(LOCAL, []),
    )


def test_a_build_cache_is_listed_with_its_change_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looks for images that nobody names must not find the caches of what runs."""
    tags = ("buildcache", "7-buildcache", "8-buildcache", "7-1-abc1234")
    registry = SimpleNamespace(
        repositories=lambda: ("pydeploy/hello/web",),
        tags=lambda _: tags,
        digest=lambda _, tag: f"sha256:{tag}",
    )
    monkeypatch.setattr(garbage, "_registry", lambda _: registry)

    def listed(wanted: Callable[[str], bool]) -> list[str]:
        return [one.tag for one in garbage.in_registry(PUSHING, wanted)]

    assert ["7-1-abc1234"] == listed(lambda _: True)
    assert ["7-buildcache", "7-1-abc1234"] == listed(lambda tag: garbage.is_of_change(tag, 7))
