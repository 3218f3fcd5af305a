"""JSON values as patches see them: copies, equality, and how Go's texts show them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from corral.model.kubernetes.status import StatusError, bad_request

_Parameters = ParamSpec("_Parameters")
_Value = TypeVar("_Value")

_GO_TYPES = {
    dict: "map[string]interface {}",
    list: "[]interface {}",
    str: "string",
    int: "int64",
    float: "float64",
    bool: "bool",
    type(None): "%!s(<nil>)",
}


def rejected() -> StatusError:
    """What upstream answers to a patch that is well-formed and does not fit: it keeps the cause to itself."""
    return StatusError(422, "Invalid", "the server rejected our request due to an error in our request", {})


def bounded(function: Callable[_Parameters, _Value]) -> Callable[_Parameters, _Value]:
    """The function, which recurses into JSON: what is nested too deep for it is the client's fault (400)."""

    @functools.wraps(function)
    def checked(*arguments: _Parameters.args, **options: _Parameters.kwargs) -> _Value:
        try:
            return function(*arguments, **options)
        except RecursionError:
            raise bad_request("json: exceeded max depth") from None

    return checked


def copied(value: Any) -> Any:
    """A deep copy of plain JSON."""
    if isinstance(value, dict):
        return {key: copied(one) for key, one in value.items()}
    return [copied(one) for one in value] if isinstance(value, list) else value


def equal(left: Any, right: Any) -> bool:
    """Pure: equality of JSON, to which 1, 1.0 and true are three things.

    >>> equal([1, {"a": 2.0}], [1, {"a": 2.0}]), equal(1, True), equal(1, 1.0)
    (True, False, False)
    """
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(equal(one, right[key]) for key, one in left.items())
    if isinstance(left, list):
        return len(left) == len(right) and all(map(equal, left, right))
    return bool(left == right)


def go_type(value: Any) -> str:
    return _GO_TYPES[type(value)]


def shown(value: Any) -> str:
    """Pure: as Go's `%v` shows it.

    >>> shown({"b": [1, None, True], "a": "x y"})
    'map[a:x y b:[1 <nil> true]]'
    """
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{shown(one)}' for key, one in sorted(value.items()))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(shown, value))}]"
    if value is None:
        return "<nil>"
    return str(value).lower() if isinstance(value, bool) else str(value)
