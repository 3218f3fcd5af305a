"""JSON patch. Follows RFC 6902, as upstream reads it (evanphx/json-patch v4).

That is: an index may be negative (counted from the end), `replace` also sets a key that is missing, and a missing
key is as good as null for `test` and `copy`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from corral.cluster.apiserver.patch import values
from corral.model.kubernetes import status

Object = dict[str, Any]

MOST_OPERATIONS = 10_000
MOST_COPIED_BYTES = 3 * 1024 * 1024


class DoesNotFit(status.StatusError):
    """A patch that does not fit the object. Clients of the API are not told why, as upstream; `cause` is for those who
    wrote it for the server, `tested`: one of its tests has failed."""

    def __init__(self, cause: str, *, tested: bool = False) -> None:
        generic = values.rejected()
        super().__init__(generic.code, generic.reason, generic.message, generic.details)
        self.cause, self.tested = cause, tested


class _Unfit(Exception):
    """This operation does not fit the object."""


class _Differs(_Unfit):
    """What it tests is another value."""


class _Document:
    """What a patch works on. `root` is in a list, so that the empty path is a place like any other."""

    def __init__(self, obj: Object) -> None:
        self.root: Any = values.copied(obj)
        self.copied = 0

    def place(self, path: str) -> tuple[Any, str]:
        """The container and the key in it."""
        first, *between, last = path.split("/") if "/" in path else (None, "")
        if first is None:
            raise _Unfit
        found = self.root
        for key in between:
            found = _get(found, _decoded(key))
            if not isinstance(found, dict | list):
                raise _Unfit
        return found, _decoded(last)


@values.bounded
def apply(obj: Object, operations: Any) -> Object:
    """Pure: the object after all operations, in order, or none.

    Raises StatusError: 400 for what is no patch, 413 for too many operations, 422 for a patch that does not fit.

    >>> apply({"a": [1, 3]}, [{"op": "add", "path": "/a/1", "value": 2}, {"op": "test", "path": "/a/-1", "value": 3}])
    {'a': [1, 2, 3]}
    """
    _check(operations)
    document = _Document(obj)
    for operation in operations:
        try:
            _verb(operation)(document, operation)
        except _Unfit as error:
            tested = isinstance(error, _Differs)
            raise DoesNotFit(_cause(operation, tested), tested=tested) from None
    if not isinstance(document.root, dict):
        raise DoesNotFit("the patch does not leave an object")
    return document.root


def _cause(operation: Object, tested: bool) -> str:
    """
    >>> _cause({"op": "remove", "path": "/a/b"}, False)
    'remove operation does not apply: doc is missing path: "/a/b": missing value'
    """
    verb, path = operation.get("op"), operation.get("path")
    if not isinstance(verb, str) or verb not in _VERBS:
        return f"Unexpected kind: {verb}"
    if tested:
        return f"testing value {path} failed: test failed"
    return f'{verb} operation does not apply: doc is missing path: "{path}": missing value'


def _check(operations: Any) -> None:
    if not isinstance(operations, list):
        text = f"json: cannot unmarshal {_json_type(operations)} into Go value of type jsonpatch.Patch"
        raise status.bad_request(text)
    for one in operations:
        if not isinstance(one, dict):
            text = f"json: cannot unmarshal {_json_type(one)} into Go value of type jsonpatch.Operation"
            raise status.bad_request(text)
    if len(operations) > MOST_OPERATIONS:
        text = f"The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {len(operations)}"
        raise status.too_large(text)


def _json_type(value: Any) -> str:
    return {dict: "object", list: "array", str: "string", bool: "bool"}.get(type(value), "number")


def _verb(operation: Object) -> Callable[[_Document, Object], None]:
    name = operation.get("op")
    if not isinstance(name, str) or name not in _VERBS:
        raise _Unfit
    return _VERBS[name]


def _pointer(operation: Object, field: str = "path") -> str:
    found = operation.get(field)
    if not isinstance(found, str):
        raise _Unfit
    return found


def _decoded(key: str) -> str:
    return key.replace("~1", "/").replace("~0", "~")


def _index(key: str, length: int) -> int:
    """The place of an item of a list of this length, from either end."""
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", key) or not -length <= int(key) < length:
        raise _Unfit
    return int(key) % length


def _get(container: Any, key: str) -> Any:
    if isinstance(container, list):
        return container[_index(key, len(container))]
    return container.get(key)


def _set(container: Any, key: str, value: Any) -> None:
    if isinstance(container, list):
        container[_index(key, len(container))] = value
    else:
        container[key] = value


def _insert(container: Any, key: str, value: Any) -> None:
    if isinstance(container, dict):
        container[key] = value
    elif key == "-":
        container.append(value)
    else:
        container.insert(_index(key, len(container) + 1), value)


def _delete(container: Any, key: str) -> None:
    if isinstance(container, list):
        del container[_index(key, len(container))]
    elif key not in container:
        raise _Unfit
    else:
        del container[key]


def _add(document: _Document, operation: Object) -> None:
    _insert(*document.place(_pointer(operation)), values.copied(operation.get("value")))


def _remove(document: _Document, operation: Object) -> None:
    _delete(*document.place(_pointer(operation)))


def _replace(document: _Document, operation: Object) -> None:
    value = values.copied(operation.get("value"))
    if _pointer(operation) == "":
        if not isinstance(value, dict | list):
            raise _Unfit
        document.root = value
    else:
        _set(*document.place(_pointer(operation)), value)


def _move(document: _Document, operation: Object) -> None:
    container, key = document.place(_pointer(operation, "from"))
    value = _get(container, key)
    _delete(container, key)
    _insert(*document.place(_pointer(operation)), value)


def _copy(document: _Document, operation: Object) -> None:
    value = _get(*document.place(_pointer(operation, "from")))
    container, key = document.place(_pointer(operation))
    document.copied += len(msgspec.json.encode(value))
    if document.copied > MOST_COPIED_BYTES:
        raise _Unfit
    _insert(container, key, values.copied(value))


def _test(document: _Document, operation: Object) -> None:
    whole = _pointer(operation) == ""
    found = document.root if whole else _get(*document.place(_pointer(operation)))
    if not values.equal(found, operation.get("value")):
        raise _Differs


_VERBS: dict[str, Callable[[_Document, Object], None]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}
