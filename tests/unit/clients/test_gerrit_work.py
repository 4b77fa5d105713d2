"""Gerrit's own work on the wire, of either door; the real server has its own tests."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from pydeploy.clients.gerrit.model import NotFound, Refused, Unsupported
from pydeploy.clients.gerrit.ssh import Ssh
from pydeploy.errors import ServiceError
from tests.unit.clients.test_gerrit import Server, program, rest, server

__all__ = ["program", "server"]  # fixtures

ANN = {"_account_id": 8, "name": "Ann", "username": "ann"}
BOB = {"_account_id": 9, "name": "Bob"}


def info(number: int, **more: Any) -> dict[str, Any]:
    return {
        "_number": number, "project": "docs/hello", "branch": "master", "status": "NEW",
        "subject": "It's a \"test\"", "owner": ANN, "current_revision": "b2",
        "revisions": {
            "b2": {"_number": 2, "uploader": BOB}, "a1": {"_number": 1, "uploader": ANN},
        },
        "labels": {"Code-Review": {"all": [{**ANN, "value": 0}, {**BOB, "value": 2}]}},
        **more,
    }  # fmt: skip


def answer(value: Any, status: int = 200) -> tuple[int, dict[str, str], bytes]:
    return (status, {}, b")]}'\n" + json.dumps(value).encode())


SELF = answer({"_account_id": 7, "username": "ci-bot"})


def asked(server: Server) -> list[tuple[str, str]]:
    return [(method, path) for method, path, _, _ in server.seen]


# -- REST -------------------------------------------------------------------------------


def test_a_change_in_full(server: Server) -> None:
    """The uploader of each patchset, and who voted what on the current one."""
    server.answers = [SELF, answer(info(10020))]
    found = rest(server).show(10020)
    assert (2, "b2", "ann") == (found.patchset, found.revision, found.owner.username)
    assert [(1, "ann"), (2, "Bob")] == [(p.number, p.uploader.shown) for p in found.patchsets]
    assert [("Code-Review", 2, 9)] == [(a.label, a.value, a.by.number) for a in found.approvals]


def test_a_query_in_pages(server: Server) -> None:
    """Until the limit, or the end; its text stays one value."""
    server.answers = [
        SELF,
        answer([*map(info, range(1, 100)), info(100, _more_changes=True)]),
        answer([info(101), info(102)]),
    ]
    found = rest(server).query("a&n=9 'x'", 250)
    assert (102, False) == (len(found.changes), found.is_more)
    queries = [dict(parse_qsl(urlsplit(path).query)) for _, path in asked(server)[1:]]
    assert [("a&n=9 'x'", "100", "0"), ("a&n=9 'x'", "100", "100")] == [
        (one["q"], one["n"], one["S"]) for one in queries
    ]


def test_a_query_ends_at_its_limit(server: Server) -> None:
    server.answers = [SELF, answer([info(1), info(2, _more_changes=True)])]
    found = rest(server).query("x", 2)
    assert (2, True) == (len(found.changes), found.is_more)
    assert len(asked(server)) == 2


@pytest.mark.parametrize(
    ("act", "path", "body"),
    [
        (lambda gerrit: gerrit.abandon(7, "old"), "abandon", {"message": "old"}),
        (lambda gerrit: gerrit.abandon(7, ""), "abandon", {}),
        (lambda gerrit: gerrit.rebase(7, None), "rebase", {}),
        (lambda gerrit: gerrit.rebase(7, 6), "rebase", {"base": "6"}),
        (lambda gerrit: gerrit.submit(7), "submit", {}),
    ],
)
def test_each_is_asked_once(
    server: Server, act: Callable[[Any], None], path: str, body: dict[str, str]
) -> None:
    """A busy Gerrit may have done it."""
    act(rest(server))
    assert ("POST", f"/r/a/changes/7/{path}") == asked(server)[0]
    assert body == json.loads(server.seen[0][3])
    server.answers = [(503, {}, b"")]
    with pytest.raises(ServiceError, match="HTTP 503"):
        act(rest(server))
    assert len(asked(server)) == 2


# -- SSH --------------------------------------------------------------------------------

LINE = {
    "project": "docs/hello", "branch": "master", "number": 10020, "status": "NEW",
    "subject": "s", "owner": {"username": "ann", "email": "ann@deepin.test"},
    "currentPatchSet": {
        "number": 2, "revision": "b2", "uploader": {"username": "bob"},
        "approvals": [{"type": "Code-Review", "value": "2", "by": {"username": "bob"}}],
    },
    "patchSets": [
        {"number": 1, "revision": "a1", "uploader": {"username": "ann"}},
        {"number": 2, "revision": "b2", "uploader": {"username": "bob"}},
    ],
}  # fmt: skip
STATS = {"type": "stats", "rowCount": 1, "moreChanges": False}


def prints(*lines: Any) -> str:
    return "\n".join(f"echo {shlex.quote(json.dumps(one))}" for one in lines)


def ssh() -> Ssh:
    return Ssh("gerrit.test", username="ci-bot")


def words(folder: Path) -> list[str]:
    """What the server makes of the command: it splits as a shell does."""
    told = (folder / "words").read_text().split("\n")[:-1]
    return shlex.split("\n".join(told[told.index("gerrit.test") + 1 :]))


def test_a_change_in_full_by_ssh(program: Callable[[str], Path]) -> None:
    program(prints(LINE, STATS))
    found = ssh().show(10020)
    assert (2, "b2", "ann") == (found.patchset, found.revision, found.owner.username)
    assert [(1, "ann"), (2, "bob")] == [(p.number, p.uploader.shown) for p in found.patchsets]
    assert [("Code-Review", 2, "bob")] == [(a.label, a.value, a.by.shown) for a in found.approvals]


def test_no_change_by_ssh(program: Callable[[str], Path]) -> None:
    program(prints(STATS))
    with pytest.raises(NotFound):
        ssh().show(1)


@pytest.mark.parametrize(
    "text", ["--help", "status:open OR is:wip", 'it\'s "x" \\ $(id) `id`', "שלום 😀", "-is:wip"]
)
def test_a_query_is_one_word(program: Callable[[str], Path], text: str) -> None:
    """No part of it is an option, whatever it is."""
    folder = program(prints(LINE, STATS))
    assert len(ssh().query(text, 5).changes) == 1
    assert [
        "gerrit", "query", "--format=JSON", "--current-patch-set", "--start=0",
        f"({text}) limit:5",
    ] == words(folder)  # fmt: skip


def test_a_wrong_query_by_ssh(program: Callable[[str], Path]) -> None:
    program(prints({"type": "error", "message": "line 1: no viable alternative"}))
    with pytest.raises(Refused, match="no viable") as caught:
        ssh().query("((", 5)
    assert 400 == caught.value.status


@pytest.mark.parametrize("text", ["it's", "--submit", 'a\nb $(id) "x" \\', "😀"])
def test_why_it_is_abandoned_is_one_word(program: Callable[[str], Path], text: str) -> None:
    folder = program(prints(LINE))
    ssh().abandon(10020, text)
    assert ["gerrit", "review", "--abandon", f"--message={text}", "10020,2"] == words(folder)


@pytest.mark.parametrize(
    ("act", "flag"),
    [
        (lambda gerrit: gerrit.abandon(10020, ""), "--abandon"),
        (lambda gerrit: gerrit.rebase(10020, None), "--rebase"),
        (lambda gerrit: gerrit.submit(10020), "--submit"),
    ],
)
def test_the_rest_by_ssh(
    program: Callable[[str], Path], act: Callable[[Any], None], flag: str
) -> None:
    folder = program(prints(LINE))
    act(ssh())
    assert ["gerrit", "review", flag, "10020,2"] == words(folder)


def test_what_ssh_cannot(program: Callable[[str], Path]) -> None:
    program("exit 9")
    with pytest.raises(Unsupported, match="REST"):
        ssh().rebase(1, 2)


# -- members ----------------------------------------------------------------------------


def test_members_of_a_group(server: Server) -> None:
    """Also of the groups in it; its name is one part of the path."""
    server.answers = [answer([ANN, BOB])]
    found = rest(server).members("CI/Core Team")
    assert [8, 9] == [one.number for one in found]
    assert "/r/a/groups/CI%2FCore%20Team/members/?recursive=true" == asked(server)[0][1]


ROWS = "id\\tusername\\tfull name\\temail\\n8\\tann\\tAnn\\ta@x\\n9\\tn/a\\tBob\\tn/a\\n"


def test_members_of_a_group_by_ssh(program: Callable[[str], Path]) -> None:
    """Who has no login has none that anybody could be taken for."""
    folder = program(f"printf '{ROWS}'")
    assert [(8, "ann"), (9, "")] == [(o.number, o.username) for o in ssh().members("Core 'T'")]
    assert ["gerrit", "ls-members", "--recursive", "Core 'T'"] == words(folder)


@pytest.mark.parametrize("said", ["Group not found or not visible\\n", "", "id\\tusername\\n"])
def test_a_group_that_is_not_there_by_ssh(program: Callable[[str], Path], said: str) -> None:
    """Gerrit ends with 0 all the same."""
    program(f"printf '{said}'")
    with pytest.raises(Refused):
        ssh().members("nosuch")
