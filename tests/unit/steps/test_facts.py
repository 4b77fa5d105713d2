"""What is known of the change: the plugins' variables, else git; nonsense is refused by name."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from pydeploy.errors import UsageError
from pydeploy.steps.facts import Checkout, Facts, find

SHA, MERGED = "a" * 40, "b" * 40
# As gerrit-trigger sets them (GerritTriggerParameters), in its default modes.
TRIGGER = {
    "GERRIT_EVENT_TYPE": "patchset-created",
    "GERRIT_CHANGE_NUMBER": "10020",
    "GERRIT_PATCHSET_NUMBER": "3",
    "GERRIT_PATCHSET_REVISION": SHA,
    "GERRIT_REFSPEC": "refs/changes/20/10020/3",
    "GERRIT_PROJECT": "docs/hello",
    "GERRIT_BRANCH": "master",
    "GERRIT_TOPIC": "$(touch /tmp/x)",
    "GERRIT_CHANGE_OWNER": '"Ann" <ann@deepin.test>',
    "GERRIT_CHANGE_OWNER_NAME": "Ann",
    "GERRIT_CHANGE_OWNER_EMAIL": "ann@deepin.test",
    "GERRIT_CHANGE_OWNER_USERNAME": "ann",
}
# As gerrit-code-review sets them (GerritEnvironmentContributor).
CODE_REVIEW = {
    "BRANCH_NAME": "20/10020/3",
    "GERRIT_CHANGE_NUMBER": "10020",
    "GERRIT_PATCHSET_NUMBER": "3",
    "GERRIT_PATCHSET_REVISION": SHA,
    "GERRIT_REFNAME": "refs/changes/20/10020/3",
    "GERRIT_REFSPEC": "refs/changes/20/10020/3",
    "GERRIT_PROJECT": "docs/hello",
    "GERRIT_BRANCH": "master",
    "GERRIT_TOPIC": "$(touch /tmp/x)",
    "GERRIT_CHANGE_OWNER_NAME": "Ann",
    "GERRIT_CHANGE_OWNER_EMAIL": "ann@deepin.test",
}
WHOLE = Facts(
    change=10020,
    patchset=3,
    revision=SHA,
    gerrit_project="docs/hello",
    branch="master",
    topic="$(touch /tmp/x)",
    owner="ann@deepin.test",
)


def found(env_vars: dict[str, str] | None = None, **git: Any) -> Facts:
    return find(env_vars or {}, Checkout(**git))


@pytest.mark.parametrize("env_vars", [TRIGGER, CODE_REVIEW])
def test_both_plugins_say_the_same(env_vars: dict[str, str]) -> None:
    """Every field as it comes, unchanged."""
    assert WHOLE == found(env_vars)


def test_nothing_is_known_outside_gerrit() -> None:
    """Not even a project: another forge's name is not Gerrit's."""
    assert Facts() == found(head=SHA, origin="https://forge.deepin.test/docs/hello.git")


def test_a_multibranch_job_without_the_plugins_variables() -> None:
    """The branch is the change; its target is not known, and the project is the remote's."""
    facts = found({"BRANCH_NAME": "20/10020/3"}, origin="https://review.deepin.test/a/docs/hello")
    assert Facts(change=10020, patchset=3, gerrit_project="docs/hello") == facts


@pytest.mark.parametrize("name", ["feature/20/1", "20/10021/3", "20/10020/0", "20/10020/3/x"])
def test_a_branch_that_only_looks_like_a_change(name: str) -> None:
    """The first part is the number's last two digits."""
    facts = found({"BRANCH_NAME": name}, refs=("refs/changes/20/10020/3",))
    assert (None, name) == (facts.change, facts.branch)


def test_git_knows_the_change_by_its_refs() -> None:
    """Of several patchsets at one commit the newest; of several changes none."""
    refs = ("refs/remotes/origin/20/10020/3", "refs/changes/20/10020/4", "refs/heads/x")
    facts = found(head=SHA, refs=refs, origin="ssh://ci@review.deepin.test:29418/docs/hello")
    assert (10020, 4, "docs/hello") == (facts.change, facts.patchset, facts.gerrit_project)
    assert found(refs=(*refs, "refs/changes/21/10021/1")).change is None


def test_git_knows_the_change_by_what_was_fetched() -> None:
    """Only by the line of the commit that is checked out."""
    fetched = (
        f"{MERGED}\tnot-for-merge\t'refs/changes/21/10021/1' of ssh://x/docs\n"
        f"{SHA}\t\t'refs/changes/20/10020/3' of ssh://x/docs\n"
    )
    assert 10020 == found(head=SHA, fetched=fetched).change
    assert found(head="c" * 40, fetched=fetched).change is None


def test_a_branch_that_was_merged_is_no_change() -> None:
    """After a fast-forward the branch and the change's ref are one commit."""
    refs = ("refs/changes/20/10020/3",)
    assert found({"BRANCH_NAME": "master"}, refs=refs).change is None
    event = {"GERRIT_PROJECT": "docs/hello", "GERRIT_REFNAME": "refs/heads/master"}
    facts = found({**event, "GERRIT_NEWREV": MERGED}, refs=refs)
    assert Facts(gerrit_project="docs/hello", branch="master", revision=MERGED) == facts


@pytest.mark.parametrize(("head", "revision"), [(SHA, SHA), (MERGED, MERGED), ("c" * 40, SHA)])
def test_after_a_merge_what_is_checked_out_counts(head: str, revision: str) -> None:
    """Submitting may have made a new commit; either may be what the job has checked out."""
    facts = found({**TRIGGER, "GERRIT_NEWREV": MERGED}, head=head)
    assert revision == facts.revision


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GERRIT_CHANGE_NUMBER", "10020; ls"),
        ("GERRIT_CHANGE_NUMBER", "I8473b95934b5732ac55d26311a706c9c2bde9940"),
        ("GERRIT_CHANGE_NUMBER", "-1"),
        ("GERRIT_CHANGE_NUMBER", "٣"),
        ("GERRIT_PATCHSET_NUMBER", "three"),
        ("GERRIT_PATCHSET_NUMBER", "0"),
        ("GERRIT_PATCHSET_REVISION", "HEAD"),
    ],
)
def test_nonsense_is_an_error_that_names_the_variable(name: str, value: str) -> None:
    """A guess would be deployed."""
    with pytest.raises(UsageError) as refused:
        found({**TRIGGER, name: value})
    assert f"{name}={value!r}" in refused.value.message


def test_an_event_without_a_patchset() -> None:
    """The refspec tells it, if it is the change's own."""
    env_vars = {**TRIGGER, "GERRIT_PATCHSET_NUMBER": ""}
    assert 3 == found(env_vars).patchset
    with pytest.raises(UsageError, match="GERRIT_REFSPEC"):
        found({**env_vars, "GERRIT_REFSPEC": "refs/changes/21/10021/1"})
    assert found({"GERRIT_CHANGE_NUMBER": "10020"}).patchset is None


@pytest.mark.parametrize(
    ("told", "owner"),
    [
        ({"GERRIT_CHANGE_OWNER_EMAIL": "", "GERRIT_CHANGE_OWNER_USERNAME": "ann"}, "ann"),
        ({"GERRIT_CHANGE_OWNER_EMAIL": "null", "GERRIT_CHANGE_OWNER_NAME": "Ann"}, "Ann"),
        ({"GERRIT_CHANGE_OWNER": '"Ann" <ann@x>'}, '"Ann" <ann@x>'),
        ({"GERRIT_CHANGE_OWNER": base64.b64encode(b'"Ann" <ann@x>').decode()}, '"Ann" <ann@x>'),
        ({"GERRIT_CHANGE_OWNER": "jdoe"}, "jdoe"),
        ({}, ""),
    ],
)
def test_the_owner_in_every_spelling(told: dict[str, str], owner: str) -> None:
    """gerrit-trigger can be told to encode, or to leave out, names and addresses."""
    assert owner == found(told).owner


@pytest.mark.parametrize(
    ("url", "project"),
    [
        ("ssh://ci@review.deepin.test:29418/docs/hello", "docs/hello"),
        ("https://review.deepin.test/a/docs/hello.git", "docs/hello"),
        ("https://review.deepin.test/r/a/docs/hello", "docs/hello"),
        ("https://review.deepin.test/docs/a%20b/", "docs/a b"),
        ("ci@review.deepin.test:docs/hello", "docs/hello"),
        ("file:///srv/git/hello", ""),
        ("/srv/git/hello", ""),
        ("", ""),
    ],
)
def test_the_project_of_a_remote(url: str, project: str) -> None:
    """What stands behind the host, without what is Gerrit's own."""
    assert project == found({"BRANCH_NAME": "20/10020/3"}, origin=url).gerrit_project


def test_a_branch_that_is_built() -> None:
    """As the multibranch job or the git plugin has it."""
    assert "master" == found({"BRANCH_NAME": "master"}).branch
    assert "master" == found({"GIT_BRANCH": "origin/master"}).branch


def test_nothing_is_mixed_with_another_change() -> None:
    """An argument that names another change, or patchset, has no part of ours."""
    assert {} == WHOLE.for_step({"change": 10021})
    assert "" == WHOLE.for_step({"patchset": 2})["revision"]
    same = WHOLE.for_step({"change": 10020})
    assert ("10020", SHA, "docs/hello") == (
        same["environment"],
        same["revision"],
        same["gerritProject"],
    )
