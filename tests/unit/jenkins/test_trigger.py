"""Asking for a build: what the job would not take is said before Jenkins is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pydeploy.clients.jenkins import Jenkins
from pydeploy.clients.jenkins_answers import Refused
from pydeploy.clients.jenkins_http import Login
from pydeploy.errors import PydeployError, UsageError
from pydeploy.jenkins import parameters, trigger
from pydeploy.jenkins.values import Request
from tests.unit.jenkins import fake as kinds
from tests.unit.jenkins.conftest import Door
from tests.unit.jenkins.fake import FakeJenkins, Job


@pytest.fixture
def job(fake: FakeJenkins) -> Job:
    definitions = [
        kinds.string("BRANCH", "master"),
        kinds.choice("COLOUR", "red", "blue"),
        kinds.boolean("CLEAN"),
        kinds.password("SECRET", "default"),
        kinds.file("NOTES"),
    ]
    fake.folders.add("docs")
    fake.jobs["docs/hello"] = Job(definitions)
    return fake.jobs["docs/hello"]


def ask(jenkins: Jenkins, **given: Any) -> int:
    return trigger.trigger(jenkins, Request(job="docs/hello", **given)).queue_id


def test_every_kind_of_parameter_arrives(fake: FakeJenkins, jenkins: Jenkins, job: Job) -> None:
    """String, choice, boolean, password and file in one request."""
    given = {"BRANCH": "feature/x", "COLOUR": "blue", "CLEAN": "true", "SECRET": "s3cret"}
    number = ask(jenkins, parameters=given, files={"NOTES": ("n.txt", b"text")})
    assert given | {"CLEAN": True} == fake.items[number].parameters
    assert {"NOTES": ("n.txt", b"text")} == fake.items[number].files
    assert 1 == len(fake.posts())


def test_what_is_not_given_has_its_default(fake: FakeJenkins, jenkins: Jenkins, job: Job) -> None:
    """A parameterized job without values is asked by buildWithParameters."""
    number = ask(jenkins)
    assert "master" == fake.items[number].parameters["BRANCH"]
    assert fake.posts()[0].path.endswith("/buildWithParameters")


def test_a_job_without_parameters_is_asked_by_build(fake: FakeJenkins, jenkins: Jenkins) -> None:
    """The other address is 400 for it."""
    fake.jobs["plain"] = Job()
    assert 42 == trigger.trigger(jenkins, Request(job="plain")).queue_id
    assert fake.posts()[0].path.endswith("/build")


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"parameters": {"BRANHC": "x"}}, "no parameter 'BRANHC'", "did you mean 'BRANCH'"),
        ({"parameters": {"X": "x"}}, "no parameter 'X'", "BRANCH, COLOUR, CLEAN, SECRET, NOTES"),
        ({"parameters": {"COLOUR": "rde"}}, "did you mean 'red'", "red, blue"),
        ({"parameters": {"CLEAN": "yes"}}, "does not take 'yes'", "true or false"),
        ({"parameters": {"NOTES": "x"}}, "is a file", "-f NOTES=FILE"),
        ({"files": {"BRANCH": ("n", b"")}}, "is no file", "-p BRANCH=VALUE"),
        (
            {"parameters": {"NOTES": "x"}, "files": {"NOTES": ("n", b"")}},
            "a value and a file",
            "one",
        ),
    ],
)
def test_what_the_job_would_not_take_is_said_first(
    fake: FakeJenkins, jenkins: Jenkins, job: Job, given: Any, message: str, hint: str
) -> None:
    """Jenkins would ignore it, take it for false, or answer 500."""
    with pytest.raises(UsageError, match=message) as wrong:
        ask(jenkins, **given)
    assert hint in wrong.value.hint
    assert [] == fake.posts()


def test_the_trigger_token_never_becomes_a_parameter(
    fake: FakeJenkins, door: Door, job: Job
) -> None:
    """A parameter called `token` would get it, and show it in the build."""
    assert job.definitions is not None
    job.definitions.append(kinds.string("token"))
    login = Login(username="ci", secret=fake.users["ci"].api_token, trigger_token="t-secret")
    with pytest.raises(UsageError, match="would get the trigger token"):
        ask(door(login))
    assert [] == fake.posts()


def test_a_folder_is_not_built(fake: FakeJenkins, jenkins: Jenkins, job: Job) -> None:
    """It names what is in it."""
    with pytest.raises(UsageError, match="folder of jobs: docs/hello"):
        trigger.trigger(jenkins, Request(job="docs"))


def test_a_disabled_job_is_the_operators_turn(
    fake: FakeJenkins, jenkins: Jenkins, job: Job
) -> None:
    """Exit 6; nothing is asked."""
    job.is_disabled = True
    with pytest.raises(Refused, match="disabled") as refused:
        ask(jenkins)
    assert (6, "operator") == (refused.value.exit_code, refused.value.fault)
    assert [] == fake.posts()


def test_a_job_with_files_of_a_plugin_gets_a_multipart_body(
    fake: FakeJenkins, jenkins: Jenkins, job: Job
) -> None:
    """Its definition looks for a part even where none is given, and fails on a form."""
    assert job.definitions is not None
    job.definitions[-1]["type"] = "StashedFileParameterDefinition"
    ask(jenkins, parameters={"BRANCH": "x"})
    assert fake.posts()[0].headers["Content-Type"].startswith("multipart/form-data")


# -- words of a command line ------------------------------------------------------------


def test_a_value_may_hold_everything() -> None:
    """Only the first `=` separates."""
    assert {"A": "b=c\n d", "E": ""} == parameters.pairs(["A=b=c\n d", "E="], "")


@pytest.mark.parametrize("words", [["A"], ["=x"], ["A=1", "A=2"]])
def test_a_word_that_is_no_pair_is_refused(words: list[str]) -> None:
    """Without repeating it: it may be a secret that lost its name."""
    with pytest.raises(UsageError):
        parameters.pairs(words, "-p KEY=VALUE")


def test_a_secret_comes_from_a_variable() -> None:
    """Its name is in the command line, never its value."""
    assert {"SECRET": "s"} == parameters.from_variables(["SECRET=VAR"], {"VAR": "s"})
    with pytest.raises(UsageError, match=r"\$VAR is not set"):
        parameters.from_variables(["SECRET=VAR"], {})
    with pytest.raises(UsageError, match="twice"):
        parameters.merged({"A": "1"}, {"A": "2"})


def test_a_file_is_read_by_its_path(tmp_path: Path) -> None:
    """Its own name goes along; one that cannot be read is the caller's turn."""
    (tmp_path / "n.txt").write_bytes(b"\xff")
    assert {"F": ("n.txt", b"\xff")} == parameters.files([f"F={tmp_path}/n.txt"])
    with pytest.raises(UsageError, match="cannot be read"):
        parameters.files([f"F={tmp_path}"])


@pytest.mark.parametrize("status", [401, 403, 404, 409, 500, 503])
def test_every_refusal_says_what_to_do_next(
    jenkins: Jenkins, fake: FakeJenkins, job: Job, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message without the next action is half a message."""

    def refuse(*_: object, **__: object) -> None:
        raise kinds._error(status, "no")

    monkeypatch.setattr(kinds._Handler, "_build", refuse)
    with pytest.raises(PydeployError, match=str(status)) as refused:
        ask(jenkins)
    assert refused.value.hint
    assert ("ServiceError", 6) == (refused.value.kind, refused.value.exit_code)
    assert 1 == len(fake.posts())
