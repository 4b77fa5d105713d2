"""One message for each phase, from templates that a site may replace."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydeploy.errors import SiteConfigError
from pydeploy.reporters import message
from pydeploy.reporters.markup import MARKDOWN, SLACK
from pydeploy.reporters.report import PHASES, Failure, Phase, Report
from tests.unit.reporters.samples import FULL, URL, of


def test_deployed_says_all_that_is_known() -> None:
    """Links, release, digests, how long it took, what is new, until when, and the build."""
    assert """\
10020 is deployed: http://10020.deploy.deepin.test

* api: http://api--10020.deploy.deepin.test:8080
* release 10020-3, in 12.3 s
* web: abababababab
* stays until 2026-12-01T12:00:00Z

Against 10020-2:

* revision: 111111111111 → 222222222222
* image of web: (none) → abababababab

Build: http://jenkins.deepin.test/job/docs/12/""" == message.of_phase(FULL)


def test_a_failure_says_why_and_what_next() -> None:
    """The last lines, the hint, and the one command to try again."""
    assert """\
10020 could not be deployed, and it is the author's turn (DeployError).

```
web exited with 1
```

Its last lines:

```
one
two
```

→ read the log

Again: `pydeploy deploy --change 10020 --patchset 3`
Build: http://jenkins.deepin.test/job/docs/12/""" == message.of_phase(of("failed-author"))


@pytest.mark.parametrize(
    ("phase", "begins"),
    [
        ("started", "10020: patchset 3 is being deployed."),
        ("failed-operator", "10020 could not be deployed, and the change is not to blame"),
        ("untrusted", "10020 is not deployed yet: somebody has to let the change through first."),
        ("aborted", "10020: the deploy was stopped"),
        ("superseded", "10020: patchset 3 was superseded"),
        ("removed", "10020 was removed"),
        ("promoted", "10020 was promoted: http://10020.deploy.deepin.test"),
    ],
)
def test_the_other_phases(phase: Phase, begins: str) -> None:
    assert message.of_phase(of(phase)).startswith(begins)


def test_an_untrusted_change_reads_the_same_in_every_build() -> None:
    """So that it is said once: no URL of a build, no duration."""
    failure = Failure(kind="TrustError", message="let through by a member of Maintainers")
    first = message.of_phase(of("untrusted", failure=failure))
    other = of("untrusted", failure=failure, build_url="http://jenkins.test/8/", duration=1.0)
    assert first == message.of_phase(other)
    assert "let through by a member of Maintainers" in first
    assert "Again: `pydeploy deploy --change 10020 --patchset 3`" in first


@pytest.mark.parametrize("phase", PHASES)
def test_what_is_not_known_is_not_said(phase: Phase) -> None:
    """The least that a report can hold makes a message of every phase, without holes."""
    found = message.of_phase(Report(phase=phase, environment="docs"))
    assert found.startswith("docs")
    assert "None" not in found
    assert "\n\n\n" not in found


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"state": "completed", "url": ""}, "10020 has run to its end."),
        ({"is_unchanged": True}, f"10020 runs unchanged: {URL}"),
        ({"url": "", "urls": {}}, "10020 is deployed; it has no URL."),
    ],
)
def test_ways_of_being_deployed(more: dict[str, object], says: str) -> None:
    assert message.of_phase(of("deployed", **more)).startswith(says)


@pytest.mark.parametrize(
    ("act", "says", "again"),
    [
        ("check", "10020 could not be checked", "Again: `pydeploy check`"),
        ("build", "10020 could not be built", "Again: `pydeploy build`"),
        ("remove", "10020 could not be removed", "Again: `pydeploy remove 10020`"),
        ("promote", "10020 could not be promoted", ""),
    ],
)
def test_what_failed_is_called_by_its_name(act: str, says: str, again: str) -> None:
    """Where the result says which command it was."""
    found = message.of_phase(of("failed-operator", act=act))
    assert found.startswith(says)
    assert again in found if again else "Again" not in found


def test_a_promotion_names_the_change() -> None:
    found = message.of_phase(of("promoted", environment="staging"))
    assert found.startswith(f"Change 10020 now runs in staging: {URL}")


@given(text=st.text(max_size=60), logs=st.text(max_size=200))
def test_text_of_a_change_is_never_more_than_text(text: str, logs: str) -> None:
    """Whatever is in it, the rest of the message is the same."""
    failure = Failure(kind="DeployError", message=f"x{text}", logs=f"x{logs}")
    found = message.of_phase(of("failed-author", failure=failure, build_url=""))
    assert 4 == sum(line == "```" for line in found.split("\n"))
    assert found.endswith("Again: `pydeploy deploy --change 10020 --patchset 3`")


def test_no_message_is_longer_than_gerrit_takes() -> None:
    """It is cut, and a block that was cut is closed."""
    long = Failure(kind="BuildError", message="ä" * 40_000)
    found = message.of_phase(of("failed-author", failure=long))
    assert message.LONGEST >= len(found.encode())
    assert found.endswith("```\n(cut)")


def test_only_the_last_lines_of_a_log() -> None:
    logs = "\n".join(f"line {number}" for number in range(100))
    assert "line 98\nline 99" == message.tail(logs, 2)
    assert "" == message.tail(logs, 0)
    assert len(message.tail("x" * 10_000, 5)) < 500


# -- templates of a site ----------------------------------------------------------------


def test_a_site_replaces_what_it_likes(tmp_path: Path) -> None:
    """What is not in its folder stays ours; includes, too."""
    (tmp_path / "deployed.txt.j2").write_text("Läuft: {{ url | link }} {{ text }}")
    (tmp_path / "end.txt.j2").write_text("bye")
    assert f"Läuft: {URL} `@all`" == message.of_phase(
        of("deployed", text="@all"), templates=tmp_path
    )
    assert "10020 was removed.\nbye" == message.of_phase(of("removed"), templates=tmp_path)


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{{ ulr }}", "'ulr' is undefined"),
        ("{% if %}", "line 1"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{% include 'nosuch.j2' %}", "there is no template nosuch.j2"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ text.format(report) }}{{ report.__init__.__globals__ }}", "unsafe"),
        ("{{ urls.clear() }}", "unsafe"),
    ],
)
def test_a_wrong_template_is_the_operator_s(tmp_path: Path, template: str, says: str) -> None:
    """Named with its line or reason; it runs in a sandbox."""
    (tmp_path / "deployed.txt.j2").write_text(template)
    with pytest.raises(SiteConfigError, match=says):
        message.of_phase(FULL, templates=tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SiteConfigError, match="there is no folder"):
        message.of_phase(FULL, templates=tmp_path / "nosuch")


# -- chats ------------------------------------------------------------------------------


def test_a_chat_is_told_in_few_words() -> None:
    assert f"""\
Deployed by Ann
10020: <{URL}>
Build: <http://jenkins.deepin.test/job/docs/12/>""" == message.of_text(
        "Deployed by Ann", FULL, markup=SLACK
    )
    assert "just `@all` this" == message.of_text("just @all this", None, markup=MARKDOWN)


def test_a_chat_hears_whose_turn_it_is() -> None:
    found = message.of_text("Failed", of("failed-operator"), markup=MARKDOWN)
    assert "10020 failed (DeployError): web exited with 1" in found
    assert "It is the operator's turn." in found
