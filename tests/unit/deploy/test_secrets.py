"""Who gets which secret of the site, where its value comes from, and that nobody else sees it."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pydeploy import console
from pydeploy.config.site import SecretGrant, Site
from pydeploy.deploy import diagnosis, secrets
from pydeploy.deploy.secrets import SecretFile
from pydeploy.errors import DeployError, PolicyError, ServiceError
from tests.unit.deploy.engines import Api, engine
from tests.unit.deploy.samples import a_candidate, model

VALUE = "opensesame-0123456789"
WHO = {"gerrit_project": "docs/hello", "branch": "mas*"}


def grant(**keys: Any) -> SecretGrant:
    source = {} if {"file", "command"} & keys.keys() else {"variable": "TOKEN"}
    return SecretGrant.model_validate(
        {"name": "token", **source, **WHO, "environments": ["*"], **keys}
    )


def files(
    *grants: SecretGrant,
    environment: str = "staging",
    project: str = "docs/hello",
    branch: str = "master",
    **use: Any,
) -> secrets.Files:
    asked = {
        **model(web={"secrets": [{"source": "token", **use}]}),
        "secrets": {"token": {"external": True}},
    }
    candidate = replace(a_candidate(), model=asked, gerrit_project=project, branch=branch)
    return secrets.files(Site(secrets=grants), environment, candidate)


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", VALUE)
    monkeypatch.setenv("HARMLESS", "for-changes")


# -- who ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("environment", "value"), [("staging", VALUE), ("10020", "for-changes")])
def test_the_first_grant_that_matches_counts(environment: str, value: str) -> None:
    """So that changes get a harmless value under the same name."""
    grants = (
        grant(environments=["staging", "production"]),
        grant(variable="HARMLESS", environments=["[0-9]*"]),
        grant(variable="NEVER_ASKED"),
    )
    (file,) = files(*grants, environment=environment)["web"]
    assert SecretFile(name="token", value=value.encode()) == file


@pytest.mark.parametrize(
    ("project", "branch"),
    [
        ("docs/other", "master"),
        ("docs/hello/more", "master"),
        ("docs/hello", "feature"),
        ("docs/hello", ""),
        ("", "master"),
        ("", ""),
    ],
)
def test_nobody_else_has_it(project: str, branch: str) -> None:
    """Nor who cannot say project and branch; the error does not tell whose it is."""
    with pytest.raises(PolicyError, match="'token' is not granted") as failure:
        files(grant(), project=project, branch=branch)
    assert "mas*" not in failure.value.message


def test_the_grant_names_the_environment() -> None:
    """The project has it elsewhere: another thing to ask the operator for."""
    with pytest.raises(PolicyError, match=r"granted to docs/hello.* not in environment 10020"):
        files(grant(environments=["staging"]), environment="10020")


def test_a_branch_may_be_a_ref() -> None:
    """As Gerrit's events say it."""
    assert ["web"] == list(files(grant(), branch="refs/heads/master"))


def test_a_file_is_as_it_was_asked_for() -> None:
    """Compose gives numbers as text, and modes as numbers or, newer, as octal text."""
    asked = {"target": "/run/secrets/the-token", "uid": "33", "gid": "34", "mode": "0440"}
    expected = SecretFile(name="the-token", value=VALUE.encode(), uid=33, gid=34, mode=0o440)
    assert {"web": (expected,)} == files(grant(), **asked)
    assert 0o400 == files(grant(), mode=0o400)["web"][0].mode


# -- where from ---------------------------------------------------------------------------


def test_a_file_is_read_byte_by_byte(tmp_path: Path) -> None:
    """A key store is no text, and what a file ends with belongs to it."""
    (tmp_path / "key").write_bytes(b"\xff\r\n\x00\n")
    assert b"\xff\r\n\x00\n" == secrets.read(grant(file=tmp_path / "key"))


def test_a_program_is_read_byte_by_byte() -> None:
    """Only the end of its last line is not part of the value."""
    assert b"\xff\r\na\n" == secrets.read(grant(command=["printf", r"\377\r\na\n\n"]))


def test_a_program_has_our_environment_and_not_the_changes_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may need a token; what lies in a change's checkout must not steer it."""
    monkeypatch.chdir(tmp_path)
    assert VALUE.encode() == secrets.read(grant(command=["printenv", "TOKEN"]))
    assert b"/" == secrets.read(grant(command=["pwd"]))


def test_no_shell_reads_a_command() -> None:
    """Arguments are arguments."""
    assert b"$TOKEN; id" == secrets.read(grant(command=["echo", "$TOKEN; id"]))


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ({"variable": "UNSET_HERE"}, "variable UNSET_HERE: it is empty"),
        ({"file": "/nonexistent/key"}, "file /nonexistent/key: No such file"),
        ({"file": "/"}, "file /: Is a directory"),
        ({"file": "/dev/zero"}, "no regular file"),
        ({"command": ["head", "-c", "1048577", "/dev/zero"]}, "more than 1048576 bytes"),
        ({"command": ["no-such-program"]}, "there is no such program"),
        ({"command": ["sh", "-c", f"echo {VALUE}; exit 3"]}, "command sh: it ended with 3"),
        ({"command": ["true"]}, "it is empty"),
    ],
)
def test_what_cannot_be_read_is_the_operators(source: dict[str, Any], why: str) -> None:
    """Exit 6; the message names the source, and neither arguments nor output."""
    with pytest.raises(ServiceError) as failure:
        secrets.read(grant(**source))
    assert why in failure.value.message
    assert VALUE not in str(failure.value.as_dict())
    assert "secret" == failure.value.service


def test_a_program_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deploy holds the environment's lock meanwhile."""
    monkeypatch.setattr(secrets, "_COMMAND_LIMIT", 0.2)
    with pytest.raises(ServiceError, match="no end after"):
        secrets.read(grant(command=["sleep", "60"]))


# -- how it travels -----------------------------------------------------------------------


def test_the_volumes_content() -> None:
    """The folder is root's, whatever an image had there; the rest as asked."""
    one = SecretFile(name="a", value=b"\x00x", uid=70000, gid=2**29, mode=0o400)
    with tarfile.open(fileobj=io.BytesIO(secrets._tar([one]))) as archive:
        found = {entry.name: (entry.mode, entry.uid, entry.gid, entry.isdir()) for entry in archive}
        content = archive.extractfile("volume/a")
        assert content is not None
        assert b"\x00x" == content.read()
    assert {
        "volume": (0o755, 0, 0, True),
        "volume/a": (0o400, 70000, 2**29, False),
    } == found


# -- hiding -------------------------------------------------------------------------------


def test_a_failure_does_not_show_a_value() -> None:
    """Neither in its message nor its hint nor its logs; afterwards nothing is hidden any more."""
    given = {"web": (SecretFile(name="a", value=VALUE.encode()),)}
    with pytest.raises(DeployError) as failure, secrets.hidden(given):
        raise DeployError(f"m {VALUE}", hint=f"h {VALUE}", logs=f"l {VALUE}")
    assert VALUE not in str(failure.value.as_dict()) + str(failure.value)
    assert "m *** h *** l ***" == " ".join(
        (failure.value.message, failure.value.hint, failure.value.logs)
    )
    assert VALUE == console.hidden(VALUE)


def test_no_repr_shows_a_value() -> None:
    """A traceback or a debugger's line would."""
    assert VALUE not in repr(SecretFile(name="a", value=VALUE.encode()))


def test_a_log_is_cut_after_values_were_hidden() -> None:
    """Else the second half of a value would be what is left of it."""

    class Printing(Api):
        def logs(self, *_: Any, **__: Any) -> bytes:
            rest = diagnosis.LOG_LIMIT - len(VALUE) // 2
            return (VALUE + "x" * rest).encode()

    with console.hiding([VALUE]):
        text = diagnosis.clipped(diagnosis.log_of(engine(Printing()), "web", lines=1))
    assert VALUE[-6:] not in text
