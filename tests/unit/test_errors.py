"""The tree of errors against DESIGN.md section 6 (docs/errors.md)."""

from __future__ import annotations

import pytest

from pydeploy import errors

TABLE = {
    "ConfigError": (2, "author"),
    "SiteConfigError": (2, "operator"),
    "LayoutError": (2, "author"),
    "PolicyError": (2, "author"),
    "TrustError": (2, "none"),
    "BuildError": (3, "author"),
    "DeployError": (4, "author"),
    "CapacityError": (5, "operator"),
    "ServiceError": (6, "operator"),
    "UsageError": (64, "caller"),
}


def descendants(kind: type[BaseException]) -> set[type[BaseException]]:
    below = set(kind.__subclasses__())
    return below.union(*(descendants(one) for one in below))


def make(name: str, message: str = "m", **more: str) -> errors.PydeployError:
    extra = {"service": "etcd"} if name == "ServiceError" else {}
    failure: errors.PydeployError = getattr(errors, name)(message, **extra, **more)
    return failure


@pytest.mark.parametrize(("name", "code", "fault"), [(key, *value) for key, value in TABLE.items()])
def test_exit_code_and_fault(name: str, code: int, fault: str) -> None:
    """Each class has the exit code and the fault of the table: whose turn it is."""
    failure = make(name)
    assert (code, fault) == (failure.exit_code, failure.fault)


def test_the_table_is_complete() -> None:
    """There is no expected failure that the table does not name."""
    found = descendants(errors.PydeployError)
    assert set(TABLE) == {kind.__name__ for kind in found if kind.__module__ == errors.__name__}


def test_a_finer_class_is_told_as_the_one_of_the_table() -> None:
    """A client may have finer ones, which callers tell apart; a result knows the table's."""

    class Starting(errors.ServiceError):
        pass

    told = Starting("m", service="jenkins")
    assert ("ServiceError", "ServiceError") == (told.kind, told.as_dict()["class"])


def test_the_drawing_is_complete() -> None:
    """The tree at the top of errors.py names every class with its exit code and fault."""
    lines = (errors.__doc__ or "").splitlines()
    for name, (code, fault) in TABLE.items():
        (line,) = (one for one in lines if f"─ {name} " in one)
        assert [name, str(code), fault] == line.split("─ ")[1].split()[:3]


def test_a_result_tells_everything() -> None:
    """`as_dict` is the `error` object of a result: class, message, hint, fault, code, logs."""
    assert {
        "class": "BuildError",
        "message": "it does not build",
        "hint": "mend it",
        "fault": "author",
        "exit_code": 3,
        "logs": "line\n",
    } == make("BuildError", "it does not build", hint="mend it", logs="line\n").as_dict()


def test_a_service_error_names_the_service() -> None:
    """Which system did not answer can be told without reading the message."""
    assert "docker" == errors.ServiceError("gone", service="docker").service


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143)])
def test_interrupted_exits_as_a_shell_says_it(number: int, code: int) -> None:
    """128 + the signal's number, and nobody's turn."""
    stopped = errors.Interrupted(number)
    assert (code, "none", code) == (
        stopped.exit_code,
        stopped.fault,
        stopped.as_dict()["exit_code"],
    )


def test_interrupted_is_not_swallowed_by_handlers_of_failures() -> None:
    """Like KeyboardInterrupt: "go on with the next one" must not go on after Ctrl-C."""
    assert not issubclass(errors.Interrupted, Exception)


def test_superseded_is_no_failure() -> None:
    """Somebody wished for something newer: that is success, and no PydeployError."""
    newer = errors.Superseded("patchset 3")
    assert (False, "patchset 3") == (isinstance(newer, errors.PydeployError), newer.by)
