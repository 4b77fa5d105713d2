"""Repositories as they have been since 2015 are read, with a warning for all that is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pydeploy.config.site import Site
from pydeploy.repository import inspect
from tests.unit.repository import fixtures


@pytest.mark.parametrize("name", fixtures.names("untidy"))
def test_is_read(name: str, tmp_path: Path) -> None:
    """Warnings and errors are exactly the expected ones; the model holds what is expected."""
    root = fixtures.checkout("untidy", name, tmp_path)
    expected = fixtures.expectation("untidy", name)

    inspection = inspect(root, site=fixtures.site("untidy", name))

    errors = {finding.code for finding in inspection.errors}
    warnings = {finding.code for finding in inspection.findings if not finding.is_error}
    assert errors == set(expected.get("errors", []))
    assert warnings >= set(expected["warnings"])
    if errors:
        assert inspection.checkout is None
        if "line" in expected:
            assert {finding.line for finding in inspection.errors} == {expected["line"]}
        return
    assert warnings == set(expected["warnings"])
    assert inspection.checkout is not None
    _assert_holds(inspection.checkout.model, expected.get("model", {}))
    if "services" in expected:
        assert sorted(inspection.checkout.model["services"]) == expected["services"]


@pytest.mark.parametrize("name", fixtures.names("untidy"))
def test_model_has_nothing_that_collides(name: str, tmp_path: Path) -> None:
    """Two environments of one service can live side by side, whatever its files say."""
    checkout = inspect(fixtures.checkout("untidy", name, tmp_path), site=Site()).checkout
    if checkout is None:
        return
    model = checkout.model
    assert not {"name", "version"} & model.keys()
    for service in model["services"].values():
        assert not {"container_name", "profiles", "env_file"} & service.keys()
        assert ("image" in service) != ("build" in service)
        assert all("published" not in port for port in service.get("ports", []))
    for section in ("networks", "volumes"):
        for entry in model.get(section, {}).values():
            assert not {"name", "ipam", "external"} & entry.keys()


def _assert_holds(actual: Any, expected: Any) -> None:
    """`expected` is a part of `actual`: mappings by their keys, everything else whole."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key, value in expected.items():
            assert key in actual
            _assert_holds(actual[key], value)
    elif isinstance(expected, list) and isinstance(actual, list):
        assert len(actual) == len(expected)
        for one, other in zip(actual, expected, strict=True):
            _assert_holds(one, other)
    else:
        assert actual == expected
