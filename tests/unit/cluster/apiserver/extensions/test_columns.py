"""The columns that a definition asks for: what stands in them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from corral.cluster.apiserver.extensions.columns import columns_of
from corral.model.kubernetes.kinds.cells import AGE

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def cell(value: Any, kind: str) -> Any:
    (column,) = columns_of([{"name": "X", "type": kind, "jsonPath": ".spec.x"}])
    return column.cell({"spec": {"x": value}}, NOW)


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("integer", 3, 3),
        ("integer", 3.0, 3),
        ("integer", "3", None),
        ("integer", True, None),
        ("number", 2.5, 2.5),
        ("number", "2.5", None),
        ("boolean", False, False),
        ("boolean", "false", None),
        ("string", "x", "x"),
        ("string", True, "true"),
        ("string", 7, "7"),
        ("string", {"a": ["ü"]}, '{"a":["ü"]}'),
        ("string", None, None),
        ("date", "2026-01-02T02:04:05Z", "60m"),
        ("date", "yesterday", "<invalid>"),
        ("date", 5, None),
    ],
)
def test_what_does_not_fit_the_type_is_not_shown(kind: str, value: Any, shown: Any) -> None:
    found = cell(value, kind)
    assert found == shown and type(found) is type(shown)


def test_the_first_of_what_a_path_finds() -> None:
    path = '.status.conditions[?(@.type=="Ready")].status'
    (column,) = columns_of([{"name": "Ready", "type": "string", "jsonPath": path}])
    ready = [{"type": "Other", "status": "x"}, {"type": "Ready", "status": "a"}, {"type": "Ready", "status": "b"}]
    assert column.cell({"status": {"conditions": ready}}, NOW) == "a"
    assert column.cell({"status": {"conditions": []}}, NOW) is None and column.cell({}, NOW) is None


def test_what_columns_say_of_themselves() -> None:
    raw = {"name": "X", "type": "integer", "format": "int32", "jsonPath": ".x", "priority": 1}
    (column,) = columns_of([raw])
    assert (column.name, column.type, column.format, column.priority) == ("X", "integer", "int32", 1)
    assert column.description == "Custom resource definition column (in JSONPath format): .x"
    assert columns_of([{**raw, "description": "How many."}])[0].description == "How many."


def test_without_columns_there_is_the_age() -> None:
    assert columns_of([]) == (AGE,)


def test_a_path_of_another_release_shows_nothing() -> None:
    """It was refused today; one that is stored must not keep the others from being listed."""
    assert columns_of([{"name": "X", "type": "string", "jsonPath": "no path"}])[0].cell({"no": 1}, NOW) is None
