from __future__ import annotations

from typing import Any

import pytest

from corral.model.kubernetes.kinds import fields


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ({}, {"a": None, "b": [], "c": {}, "d": ""}, True),
        ({"hostNetwork": False}, {}, True),
        ({"automountServiceAccountToken": False}, {}, False),
        ({"replicas": 0}, {}, False),
        ({"limits": {"cpu": "1000m"}}, {"limits": {"cpu": 1}}, True),
        ({"limits": {"cpu": "1"}}, {"limits": {}}, False),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
        ({"a": "1"}, {"a": 1}, False),
    ],
)
def test_what_means_the_same(one: Any, other: Any, equal: bool) -> None:
    assert fields.same(one, other) is equal
    assert fields.same(other, one) is equal


def test_what_is_not_there_reads_as_zero() -> None:
    found = {"a": None, "b": [{"c": 1}, None], "d": {"z": 1, "y": 2}}
    assert (fields.text(found, "a"), fields.number(found, "x"), fields.flag(found, "a")) == ("", 0, False)
    assert fields.objects(found, "b") == [{"c": 1}, {}] and fields.objects(found, "d") == []
    assert fields.part(found, "d", "z") == {} and fields.pairs(found, "d") == [("y", 2), ("z", 1)]


def test_filling_keeps_places() -> None:
    found: dict[str, Any] = {"a": None, "b": 0, "c": False}
    fields.fill(found, "a", 1)
    fields.fill(found, "c", True)
    fields.fill_empty(found, "b", 2)
    assert list(found.items()) == [("a", 1), ("b", 2), ("c", False)]
    fields.keep(found, {"a": 9}, "a", "b")
    assert found == {"a": 9, "c": False}
