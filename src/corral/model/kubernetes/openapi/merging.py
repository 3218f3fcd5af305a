"""The OpenAPI v2 documents of several servers as one. Pure. Follows kube-openapi's aggregator.

A definition that two of them have under one name, and not alike, gets another name in the document that joins.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Final

Object = dict[str, Any]
_REF: Final = "#/definitions/"


def merge(whole: Object, others: Iterable[tuple[Object, str]]) -> Object:
    """`others`: documents, each with the prefix of the paths that are wanted of it.

    >>> far = {"paths": {"/apis/f/v1/cows": {"get": {"schema": {"$ref": "#/definitions/A"}}}, "/x": {}},
    ...        "definitions": {"A": {"type": "string"}}}
    >>> found = merge({"paths": {"/api": {}}, "definitions": {"A": {"type": "object"}}}, [(far, "/apis/f/v1/")])
    >>> found["paths"]["/apis/f/v1/cows"]["get"]["schema"], sorted(found["definitions"]), sorted(found["paths"])
    ({'$ref': '#/definitions/A_v2'}, ['A', 'A_v2'], ['/api', '/apis/f/v1/cows'])
    """
    paths, definitions = dict(whole.get("paths") or {}), dict(whole.get("definitions") or {})
    for other, prefix in others:
        wanted = {path: one for path, one in _dict(other, "paths").items() if f"{path}/".startswith(prefix)}
        found = reached(wanted, _dict(other, "definitions"))
        names = {name: _free(name, one, definitions) for name, one in found.items()}
        changed = {old: new for old, new in names.items() if old != new}
        definitions |= {names[name]: _renamed(one, changed) for name, one in found.items()}
        paths |= {path: _renamed(one, changed) for path, one in wanted.items() if path not in paths}
    return {**whole, "paths": paths, "definitions": dict(sorted(definitions.items()))}


def _dict(holder: Object, key: str) -> Object:
    found = holder.get(key)
    return found if isinstance(found, dict) else {}


def _free(name: str, definition: Object, known: Object) -> str:
    number, found = 1, name
    while found in known and known[found] != definition:
        number += 1
        found = f"{name}_v{number}"
    return found


def reached(paths: Object, definitions: Object) -> Object:
    """The definitions that paths mention, and those that these do."""
    found: Object = {}
    todo = list(_mentioned(paths))
    while todo:
        name = todo.pop()
        if name in definitions and name not in found:
            found[name] = definitions[name]
            todo += _mentioned(definitions[name])
    return found


def _mentioned(value: Any) -> set[str]:
    names: set[str] = set()

    def note(name: str) -> str:
        names.add(name)
        return name

    _walk(value, note)
    return names


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if not names:
        return value
    copied = json.loads(json.dumps(value))
    _walk(copied, lambda name: names.get(name, name))
    return copied


def _walk(value: Any, change: Callable[[str], str]) -> None:
    """Gives `change` each name that is mentioned, and puts what it says in its place."""
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, list):
            todo += one
        elif isinstance(one, dict):
            ref = one.get("$ref")
            if isinstance(ref, str) and ref.startswith(_REF):
                new = change(ref.removeprefix(_REF))
                if _REF + new != ref:
                    one["$ref"] = _REF + new
            todo += one.values()
