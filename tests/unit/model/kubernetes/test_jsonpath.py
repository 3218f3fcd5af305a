"""Paths of columns."""

from __future__ import annotations

from typing import Any

import pytest

from corral.model.kubernetes.jsonpath import BadPath, compile, evaluate

OBJ = {"a": {"b.c": 1, "l": [{"n": "x", "v": 1}, {"n": "y", "v": 2}]}, "list": [1, 2, 3]}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".a.l[0].n", ["x"]),
        ("{.a.l[*].v}", [1, 2]),
        (".a['b.c']", [1]),
        (r".a.b\.c", [1]),
        ('.a.l[?(@.n=="y")].v', [2]),
        (".a.l[?(@.v>1)].n", ["y"]),
        (".list[-1]", [3]),
        (".list[1:]", [2, 3]),
        ("..n", ["x", "y"]),
        (".missing.deeper", []),
        (".list[9]", []),
    ],
)
def test_paths(path: str, found: list[Any]) -> None:
    assert evaluate(compile(path), OBJ) == found


@pytest.mark.parametrize("path", ["a", ".a[", ".a b", "[?(@.a==)]", ".a[x]"])
def test_bad_paths(path: str) -> None:
    with pytest.raises(BadPath):
        compile(path)
