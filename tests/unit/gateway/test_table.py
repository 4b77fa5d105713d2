"""What HAProxy's map needs so that it says what etcd says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pydeploy.gateway import table
from pydeploy.gateway.table import Edit, Table

A, B = "10.0.0.1:20000", "10.0.0.1:20001"


def _apply(state: Table, host: str, value: str | None) -> str | None:
    """As the follower does it; the target that was left."""
    edit = state.want(host, value)
    return state.done(edit) if edit else None


def test_an_absent_host_is_added_a_present_one_set() -> None:
    """`add` of a present key would make a second entry that is never seen."""
    state = Table()
    assert state.want("a.test", A) == Edit(kind="add", host="a.test", value=A)
    state.done(Edit(kind="add", host="a.test", value=A))
    assert state.want("a.test", B) == Edit(kind="set", host="a.test", value=B)


def test_nothing_is_done_for_what_is_already_so() -> None:
    state = Table()
    _apply(state, "a.test", A)
    assert state.want("a.test", A) is None
    assert state.want("b.test", None) is None


def test_an_edit_that_was_not_done_is_needed_again() -> None:
    state = Table()
    state.want("a.test", A)
    assert state.want("a.test", B) == Edit(kind="add", host="a.test", value=B)


def test_a_target_is_left_when_its_last_host_goes() -> None:
    """An environment has several hosts when there are several domains."""
    state = Table()
    _apply(state, "a.test", A)
    _apply(state, "a.localhost", A)
    assert _apply(state, "a.test", B) is None
    assert _apply(state, "a.localhost", B) == A
    assert _apply(state, "a.test", None) is None
    assert _apply(state, "a.localhost", None) == B


def test_pages_are_not_left() -> None:
    """Only what takes requests can have open ones."""
    state = Table()
    _apply(state, "a.test", "starting")
    assert _apply(state, "a.test", A) is None


def test_replaced_tells_which_targets_are_left() -> None:
    state = Table()
    for host, value in (("a.test", A), ("b.test", B), ("c.test", "failed")):
        _apply(state, host, value)
    state.wanted = {"b.test": B, "d.test": "starting"}
    assert state.replaced() == {A}
    assert state.routed == state.wanted
    assert state.is_routed(B)
    assert not state.is_routed(A)


def test_text_is_one_line_per_host() -> None:
    assert table.text({"a.test": A, "b.test": "removed"}) == f"a.test {A}\nb.test removed\n"


_HOSTS = st.sampled_from(["a", "b", "c"])
_VALUES = st.sampled_from([A, B, "starting", None])


@given(st.lists(st.tuples(_HOSTS, _VALUES, st.booleans())))
def test_edits_always_lead_to_what_is_wanted(steps: list[tuple[str, str | None, bool]]) -> None:
    """Whatever comes, with a full replacement here and there, the counts agree with the map."""
    state = Table()
    for host, value, replace in steps:
        _apply(state, host, value)
        if replace:
            state.replaced()
        assert state.routed == state.wanted
        for target in (A, B):
            assert state.is_routed(target) == (target in state.routed.values())
