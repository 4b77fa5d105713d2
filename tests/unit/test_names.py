"""Derived names, with ugly input: DNS labels, compose projects, image names."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pydeploy import names
from pydeploy.errors import UsageError

DOMAIN = "deploy.deepin.test"
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")  # RFC 1035, RFC 1123
# distribution specification, "Pulling manifests": <name>
REPOSITORY = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*")
TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
PROJECT = re.compile(r"[a-z0-9][a-z0-9_-]*")  # compose specification, "Version and name"

labels = st.from_regex(LABEL, fullmatch=True).filter(lambda one: not names.label_problem(one))
environments = labels.filter(lambda one: not one.isdigit()) | st.integers(1, 10**7).map(str)
# What people call services and projects, and what they should not.
ugly = st.text(min_size=1) | st.text(string.ascii_letters + string.digits + "-_. /", min_size=1)
compose_services = st.from_regex(r"[a-zA-Z0-9._-]+", fullmatch=True)
shas = st.text("0123456789abcdef", min_size=40, max_size=40)


# -- environments -----------------------------------------------------------------------


def test_a_changes_environment_is_its_number() -> None:
    """Everybody knows the number; nobody has to look a name up."""
    assert "10020" == names.environment(change=10020)


def test_a_name_counts_more_than_the_change() -> None:
    """`--name` deploys a change elsewhere than under its own number."""
    assert "staging-docs" == names.environment(change=10020, name="staging-docs")


def test_a_changes_own_number_may_be_its_name() -> None:
    """Saying twice the same is no contradiction."""
    assert "10020" == names.environment(change=10020, name="10020")


@pytest.mark.parametrize("name", ["10021", "010020", "7"])
@pytest.mark.parametrize("change", [None, 10020])
def test_numbers_belong_to_changes(change: int | None, name: str) -> None:
    """Nobody may take the name that another change will get."""
    with pytest.raises(UsageError, match="all digits; those belong to changes"):
        names.environment(change=change, name=name)


def test_one_of_the_two_is_needed() -> None:
    """Without change and name there is nothing to call it."""
    with pytest.raises(UsageError, match="neither a change nor a name"):
        names.environment()


@pytest.mark.parametrize("change", [0, -1])
def test_a_change_number_is_above_zero(change: int) -> None:
    """Gerrit counts from 1."""
    with pytest.raises(UsageError, match="is not a change number"):
        names.environment(change=change)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "is empty"),
        ("a" * 64, "has 64 characters"),
        ("a--b", "which is reserved"),
        ("Docs", "may only contain"),
        ("-a", "may only contain"),
        ("a-", "may only contain"),
        ("a_b", "may only contain"),
        ("a.b", "may only contain"),
        ("a/../b", "may only contain"),
        ("a\n", "may only contain"),
        ("ä", "may only contain"),
        ("٣", "may only contain"),
    ],
)
def test_an_unusable_name_says_why(name: str, why: str) -> None:
    """A name that people chose is refused, never bent into shape."""
    with pytest.raises(UsageError, match=re.escape(why)):
        names.environment(name=name)


@given(st.text())
def test_what_is_accepted_is_a_label(text: str) -> None:
    """Whatever is not refused is a DNS label without the reserved `--`."""
    if not names.label_problem(text):
        assert LABEL.fullmatch(text)
        assert "--" not in text


# -- hosts ------------------------------------------------------------------------------


def test_hosts() -> None:
    """One label deep, so that one wildcard certificate covers all of them."""
    assert f"10020.{DOMAIN}" == names.host("10020", DOMAIN)
    assert f"admin--10020.{DOMAIN}" == names.service_host("admin", "10020", DOMAIN)


@given(ugly, environments)
def test_service_hosts_are_labels_with_the_separator(service: str, environment: str) -> None:
    """Always one valid label, at most 63 long; its `--` keeps it apart from environments."""
    label = names.service_host(service, environment, DOMAIN).removesuffix(f".{DOMAIN}")
    assert LABEL.fullmatch(label)
    assert "reserved" in names.label_problem(label)


@given(compose_services, environments, environments)
def test_service_hosts_of_two_environments_differ(service: str, one: str, other: str) -> None:
    """The same service of two environments never shares a name, however long theirs are."""
    assume(one != other)
    assert names.service_host(service, one, DOMAIN) != names.service_host(service, other, DOMAIN)


@given(labels, labels, environments)
def test_service_hosts_of_two_services_differ(one: str, other: str, environment: str) -> None:
    """Two services of one environment never share a name, however long theirs are."""
    assume(one != other)
    hosts = {names.service_host(service, environment, DOMAIN) for service in (one, other)}
    assert 2 == len(hosts)


# -- slug and fit -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("hello-web", "hello-web"),
        ("My_Web", "my-web"),
        ("infra/docs.api", "infra-docs-api"),
        ("a  b", "a-b"),
        ("-a-", "a"),
    ],
)
def test_slugs_of_usual_names(text: str, slug: str) -> None:
    """Case and the usual separators do not count: no hash disturbs the reader."""
    assert slug == names.slug(text)


@pytest.mark.parametrize("text", ["", "日本", "naïve", "a:b", "---", "\ud800", "c++"])
def test_a_slug_that_lost_something_is_hashed(text: str) -> None:
    """Never empty, always usable, and not the slug of what is left."""
    assert re.fullmatch(r"[a-z0-9-]+-[0-9a-f]{6}", names.slug(text))


@given(st.text(), st.text())
def test_slugs_differ_unless_people_take_them_for_one(one: str, other: str) -> None:
    """Two slugs are equal only where case and separators are all that differs."""

    def essence(text: str) -> str:
        return re.sub(r"[-_. /]", "", text.lower())

    assume(essence(one) != essence(other))
    assert names.slug(one) != names.slug(other)


@given(st.text())
def test_slugs_are_lower_case_words(text: str) -> None:
    """[a-z0-9] with single inner hyphens: fit for every name that we derive."""
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", names.slug(text))


@given(labels, labels, st.integers(10, 62))
def test_fit_cuts_and_hashes(one: str, other: str, room: int) -> None:
    """Never longer than there is room, never the same for two, no hyphen at the cut."""
    assume(one != other)
    fitted = [names.fit(text, room) for text in (one, other)]
    assert all(len(text) <= room and "--" not in text for text in fitted)
    assert fitted[0] != fitted[1]


# -- releases ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("repeat", "release"), [(1, "10020-3"), (2, "10020-3-2"), (12, "10020-3-12")]
)
def test_releases(repeat: int, release: str) -> None:
    """Environment and patchset; a forced repetition is counted."""
    assert release == names.release("10020", "3", repeat)


@given(environments, st.integers(1, 999).map(str) | shas.map(lambda sha: sha[:7]), st.integers(1))
def test_compose_accepts_the_project(environment: str, version: str, attempt: int) -> None:
    """The compose project of every attempt at a release is one that compose takes."""
    release = names.release(environment, version)
    assert PROJECT.fullmatch(names.compose_project("pd", release, attempt))


def test_releases_that_are_called_alike_have_projects_of_their_own() -> None:
    """So have two attempts at one: what a dead one's compose still does is not its successor's."""
    one, other = names.release("a", "1", 2), names.release("a-1", "2")
    assert one == other
    projects = [names.compose_project("pd", *which) for which in ((one, 7), (other, 8), (one, 9))]
    assert ["pd-r-a-1-2-7", "pd-r-a-1-2-8", "pd-r-a-1-2-9"] == projects


# -- images -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "patchset", "tag"),
    [(10020, 3, "10020-3-0123456"), (None, None, "0123456789ab"), (10020, None, "0123456789ab")],
)
def test_image_tags(change: int | None, patchset: int | None, tag: str) -> None:
    """A change's tag tells where it comes from; else the revision does."""
    revision = "0123456789abcdef" + "0" * 24
    assert tag == names.image_tag(change=change, patchset=patchset, revision=revision)


@given(st.integers(1, 10**9), st.integers(1, 10**4), shas)
def test_image_tags_are_tags(change: int, patchset: int, revision: str) -> None:
    """Whatever the numbers are."""
    assert TAG.fullmatch(names.image_tag(change=change, patchset=patchset, revision=revision))


@pytest.mark.parametrize(
    ("project", "service", "repository"),
    [
        ("docs/hello-web", "web", "pydeploy/docs/hello-web/web"),
        ("hello", "my_web.2", "pydeploy/hello/my_web.2"),
    ],
)
def test_image_repositories_read_like_their_project(
    project: str, service: str, repository: str
) -> None:
    """What the distribution specification allows stays as Gerrit says it."""
    assert repository == names.image_repository("pydeploy", project, service)


@given(st.text(max_size=400), ugly)
def test_image_repositories_are_valid(project: str, service: str) -> None:
    """Whatever a project is called, its images get a name that every registry takes."""
    repository = names.image_repository("pydeploy", project, service)
    assert REPOSITORY.fullmatch(repository)
    assert len(repository) <= 255
    assert repository.startswith("pydeploy/")


@given(
    st.tuples(ugly, ugly),
    st.tuples(ugly, ugly),
)
def test_two_projects_never_share_an_image_repository(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    """Not even `docs/a.b` and `docs/a-b`: neither may write what the other runs."""
    whole = ["/".join(both) for both in (one, other)]
    assume(whole[0] != whole[1])  # a service has no slash in compose
    assert names.image_repository("pydeploy", *one) != names.image_repository("pydeploy", *other)


@pytest.mark.parametrize(
    ("one", "other"), [("a.b", "a-b"), ("A", "a"), ("a//b", "a/b"), ("a/../b", "a/b"), ("", "x")]
)
def test_neighbours_never_share_an_image_repository(one: str, other: str) -> None:
    """The pairs that a careless mapping would put in one place."""
    found = {names.image_repository("pydeploy", project, "web") for project in (one, other)}
    assert 2 == len(found)


@given(st.text(max_size=40), st.text(max_size=40), ugly)
def test_a_project_of_nobody_never_shares_a_repository(
    project: str, folder: str, service: str
) -> None:
    """No Gerrit project, and no change, gets to what is deployed without naming one."""
    assume(not project.startswith("~local/"))
    nobodys = {
        names.image_repository("pydeploy", names.project("", change=one, folder=folder), service)
        for one in (None, 1, 2)
    }
    assert 3 == len(nobodys)
    assert all(REPOSITORY.fullmatch(one) for one in nobodys)
    assert names.image_repository("pydeploy", project, service) not in nobodys


def test_whose_images_they_are() -> None:
    """Gerrit's project, as it is said; else the change's number, else the folder's name."""
    assert "docs/hello" == names.project("docs/hello", change=7, folder="x")
    assert "~local/changes/7" == names.project("", change=7, folder="x")
    assert "~local/my-web" == names.project("", change=None, folder="My_Web")
    with pytest.raises(UsageError, match="no Gerrit project"):
        names.project("~local/changes/7", change=8, folder="x")


@given(ugly, ugly)
def test_a_project_knows_its_own_repositories(project: str, service: str) -> None:
    """Those of its services; not those of a project below it, which other people review."""
    own = names.image_repository("pydeploy", project, service)
    if len(own) < 200:
        assert names.is_of_project("pydeploy", project, own)
    below = names.image_repository("pydeploy", f"{project}/x", service)
    assert not names.is_of_project("pydeploy", project, below)


def test_an_overlong_repository_is_nobody_elses() -> None:
    """Its digest cannot be taken as a service's name by the project that it begins with."""
    path = names.image_repository("pydeploy", "a/" + "b" * 300, "web").removeprefix("pydeploy/")
    assert "/" not in path
    assert path != names.image_repository("pydeploy", "a", path.rpartition("_")[2])[9:]


@pytest.mark.parametrize(
    ("registry", "reference"),
    [("127.0.0.1:5000", "127.0.0.1:5000/pydeploy/hello/web:1"), (None, "pydeploy/hello/web:1")],
)
def test_references(registry: str | None, reference: str) -> None:
    """With the registry's address in front, or a local name where there is none."""
    assert reference == names.registry_ref(registry, "pydeploy/hello/web", "1")
