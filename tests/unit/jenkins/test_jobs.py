"""Looking: jobs, folders, branches, builds; and what a wrong name was meant to be."""

from __future__ import annotations

import pytest

from pydeploy.clients.jenkins import Jenkins
from pydeploy.clients.jenkins_http import Login
from pydeploy.errors import UsageError
from pydeploy.jenkins import jobs
from pydeploy.jenkins.values import Parameter, job_name
from tests.unit.jenkins import fake as kinds
from tests.unit.jenkins.conftest import Door
from tests.unit.jenkins.fake import FakeJenkins, Job


@pytest.fixture
def tree(fake: FakeJenkins) -> FakeJenkins:
    """Folders seven deep, a multibranch project, an empty folder."""
    deep = "a/b/c/d/e/f/g"
    parts = deep.split("/")
    fake.folders |= {"/".join(parts[:length]) for length in range(1, 8)} | {"docs", "empty"}
    for name in ("top", f"{deep}/deepest", "docs/master", "docs/feature%2Fx", "a/b/inner"):
        fake.jobs[name] = Job()
    return fake


def test_all_jobs_are_listed_however_deep(tree: FakeJenkins, jenkins: Jenkins) -> None:
    """By their full names; folders are none."""
    names = {one.name for one in jobs.jobs(jenkins)}
    assert set(tree.jobs) == names


def test_a_folder_is_listed_alone(tree: FakeJenkins, jenkins: Jenkins) -> None:
    """Full names here, too."""
    found = [one.name for one in jobs.jobs(jenkins, "docs")]
    assert ["docs/feature%2Fx", "docs/master"] == found
    assert [] == jobs.jobs(jenkins, "empty")


def test_a_job_is_no_folder(tree: FakeJenkins, jenkins: Jenkins) -> None:
    """Exit 64."""
    with pytest.raises(UsageError, match="not a folder"):
        jobs.jobs(jenkins, "top")


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [
        ("docs/mastre", "docs/master"),
        ("docs/feature/x", "docs/feature%2Fx"),
        ("inner", "a/b/inner"),
        ("tpo", "top"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(
    tree: FakeJenkins, jenkins: Jenkins, wanted: str, meant: str
) -> None:
    """Misspelt, without its folder, or a branch as people write it."""
    with pytest.raises(UsageError) as unknown:
        jobs.job(jenkins, wanted)
    assert f"did you mean {meant!r}?" == unknown.value.hint


def test_a_hidden_list_is_no_reason_to_fail_otherwise(fake: FakeJenkins, jenkins: Jenkins) -> None:
    """The error stays that there is no such job."""
    fake.fail("starting", r"/ci/api/json", times=99)
    fake.users["ci"].may_build = False
    with pytest.raises(UsageError, match="no job 'x'"):
        jobs.job(jenkins, "x")


@pytest.mark.parametrize(
    "text", ["", "/", "a//b", "..", "a/../b", "a/.", "a\nb", "http://j/job/a", "a\x7f", "a\udcff"]
)
def test_a_name_that_would_lead_elsewhere_is_refused(text: str) -> None:
    """Before anything is sent."""
    with pytest.raises(UsageError, match="not the name of a job"):
        job_name(text)


@pytest.mark.parametrize("text", ["a", "/a/b/", "a b/feature%2Fx", "..a", "ü/?#"])
def test_other_names_are_names(text: str) -> None:
    """Outer slashes do not count."""
    assert text.strip("/") == job_name(text)


def test_a_job_tells_its_parameters(fake: FakeJenkins, jenkins: Jenkins) -> None:
    """In Jenkins' order, with what each kind takes."""
    fake.jobs["hello"] = Job(
        [kinds.string("A"), kinds.choice("B", "x", "y"), kinds.file("C"), kinds.password("D", "s")]
    )
    found = jobs.job(jenkins, "hello")
    assert ["A", "B", "C", "D"] == [one.name for one in found.parameters]
    assert found.parameters[1] == Parameter(
        name="B", kind="ChoiceParameterDefinition", choices=("x", "y")
    )
    assert [False, False, True, False] == [one.is_file for one in found.parameters]
    assert [False, False, False, True] == [one.is_password for one in found.parameters]


def test_a_job_without_parameters_is_not_parameterized(fake: FakeJenkins, jenkins: Jenkins) -> None:
    """An empty list of parameters is another thing: Jenkins asks it by buildWithParameters."""
    fake.jobs |= {"without": Job(), "empty": Job([])}
    assert not jobs.job(jenkins, "without").is_parameterized
    assert jobs.job(jenkins, "empty").is_parameterized


def test_the_last_build_is_the_one_without_a_number(fake: FakeJenkins, jenkins: Jenkins) -> None:
    """A job that has none says so, and what to do."""
    fake.jobs["hello"] = Job()
    with pytest.raises(UsageError, match="not been built yet"):
        jobs.build(jenkins, "hello")
    for _ in range(2):
        jenkins.build("hello", is_parameterized=False)
        fake.start(list(fake.items.values())[-1])
        fake.items.clear()
    found = jobs.build(jenkins, "hello")
    assert (2, True, None) == (found.number, found.is_building, found.result)
    assert found.url == "https://jenkins.elsewhere.example/ci/job/hello/2/"


def test_a_build_that_is_not_there_is_said(fake: FakeJenkins, jenkins: Jenkins) -> None:
    """With the last one's number."""
    fake.jobs["hello"] = Job()
    jenkins.build("hello", is_parameterized=False)
    fake.start(fake.items[42])
    with pytest.raises(UsageError, match="no build 7") as unknown:
        jobs.build(jenkins, "hello", 7)
    assert "1" in unknown.value.hint


def test_a_job_that_nobody_may_see_is_not_there(fake: FakeJenkins, door: Door) -> None:
    """Jenkins says 404 to whom it does not show a job; the hint says that, too."""
    fake.anonymous_reads = True
    with pytest.raises(UsageError) as unknown:
        jobs.job(door(Login()), "secret")
    assert "pydeploy jobs" in unknown.value.hint
