"""A change of ann's, whose second patchset is bob's."""

from __future__ import annotations

from pydeploy.clients.gerrit.detail import Approval, Detail, Patchset, Person

ANN = Person(number=1, username="ann", name="Ann")
BOB = Person(number=2, username="bob", name="Bob")
EVE = Person(number=3, username="eve", name="Ann")
ONE, TWO = "1" * 40, "2" * 40


def change(*votes: tuple[str, int, Person]) -> Detail:
    return Detail(
        number=10020,
        gerrit_project="docs/hello",
        branch="master",
        topic="t",
        subject="s",
        status="NEW",
        owner=ANN,
        patchset=2,
        revision=TWO,
        patchsets=(
            Patchset(number=1, revision=ONE, uploader=ANN),
            Patchset(number=2, revision=TWO, uploader=BOB),
        ),
        approvals=tuple(Approval(label=label, value=value, by=by) for label, value, by in votes),
    )
