"""JSON merge patch. Follows RFC 7386."""

from __future__ import annotations

from typing import Any

from corral.cluster.apiserver.patch import values
from corral.model.kubernetes import status

Object = dict[str, Any]


@values.bounded
def apply(obj: Object, patch: Any) -> Object:
    """Pure: the object with what the patch sets, and without what it sets to null.

    Raises StatusError: 400 for a patch that is no object.

    >>> apply({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": None, "e": 3}, "d": [2]})
    {'a': {'c': 2, 'e': 3}, 'd': [2]}
    """
    if not isinstance(patch, dict):
        kind = {list: "array", str: "string", bool: "bool"}.get(type(patch), "number")
        if patch is None:
            raise status.bad_request("Invalid JSON Patch")
        text = f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
        raise status.bad_request(f"error decoding patch: {text}")
    return _merged(obj, patch)


def _merged(old: Any, patch: Object) -> Object:
    """The old one is kept in what it has in common with the new one: no deep copy is needed."""
    found = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        elif isinstance(value, dict):
            found[key] = _merged(found.get(key), value)
        else:
            found[key] = values.copied(value)
    return found
