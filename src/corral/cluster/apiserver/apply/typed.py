"""An object as its schema sees it: the set of its fields, and what is wrong with it.

Follows sigs.k8s.io/structured-merge-diff, typed/tofieldset.go and typed/validate.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from corral.cluster.apiserver.apply import elements
from corral.cluster.apiserver.apply.elements import SELF
from corral.cluster.apiserver.apply.fieldset import EMPTY, MEMBER, FieldSet
from corral.cluster.apiserver.apply.plan import ATOMIC, LIST, MAP, UNTYPED, Plan
from corral.cluster.apiserver.apply.typed_errors import TypedError
from corral.cluster.apiserver.patch.values import go_type, shown


def field_set(value: Any, plan: Plan) -> FieldSet:
    """Pure: all leaves, items of lists and keys of maps; fields of structs only where nothing is below them.

    >>> from corral.cluster.apiserver.apply.plan import Plan
    >>> text = Plan(scalar="string")
    >>> field_set({"labels": {"a": "1"}, "name": "x"}, Plan(map="granular", fields={
    ...     "labels": Plan(map="granular", value=text), "name": text}))
    {'f:labels': {'f:a': {'.': {}}}, 'f:name': {'.': {}}}
    """
    found = dict(_field_set(value, plan))
    found.pop(SELF, None)
    return found


def _field_set(value: Any, plan: Plan) -> FieldSet:
    kind = plan.kind(value)
    if kind == MAP:
        if plan.map == ATOMIC:
            return MEMBER
        return _map_set(value, plan) if isinstance(value, dict) else EMPTY
    if kind == LIST:
        if plan.list == ATOMIC:
            return MEMBER
        return _list_set(value, plan) if isinstance(value, list) else EMPTY
    return MEMBER


def _map_set(value: dict[str, Any], plan: Plan) -> FieldSet:
    found: FieldSet = {}
    for key, one in value.items():
        below = _field_set(one, plan.field(key))
        if one is None or one == {} or key not in plan.fields:
            below = {**below, SELF: EMPTY} if below else MEMBER
        if below:
            found[f"f:{key}"] = below
    return found


def _list_set(value: list[Any], plan: Plan) -> FieldSet:
    found: FieldSet = {}
    seen: set[str] = set()
    for item in value:
        try:
            key = plan.element(item)
        except TypedError:
            continue
        found[key] = MEMBER if key in seen else {**_field_set(item, plan.item or UNTYPED), SELF: EMPTY}
        seen.add(key)
    return found


def check(value: Any, plan: Plan) -> list[TypedError]:
    """Pure: what is wrong with an applied object: types, unknown fields, items that are there twice."""
    return list(_check(value, plan, ""))


def atomics(value: Any, plan: Plan, path: str = "") -> Iterator[str]:
    """Pure: where a checked object has lists, maps or structs that are replaced as a whole.

    >>> list(atomics({"a": {"b": [1]}}, Plan(map="granular", fields={"a": Plan(map=ATOMIC, value=UNTYPED)})))
    ['.a', '.a.b']
    """
    kind = plan.kind(value)
    if isinstance(value, dict) and kind == MAP:
        if plan.map == ATOMIC:
            yield path
        for key, one in value.items():
            yield from atomics(one, plan.field(key), f"{path}.{key}")
    elif isinstance(value, list) and kind == LIST:
        if plan.list == ATOMIC:
            yield path
        for index, one in enumerate(value):
            yield from atomics(one, plan.item or UNTYPED, f"{path}[{index}]")


def _check(value: Any, plan: Plan, path: str) -> Iterator[TypedError]:
    kind = plan.kind(value)
    if value is None:
        return
    if kind == MAP:
        if isinstance(value, dict):
            yield from _check_map(value, plan, path)
        else:
            yield TypedError(f"expected map, got &{{{shown(value)}}}", path)
    elif kind == LIST:
        if isinstance(value, list):
            yield from _check_list(value, plan, path)
        else:
            yield TypedError(f"expected list, got &{{{shown(value)}}}", path)
    elif fault := _scalar_fault(value, plan.scalar):
        yield TypedError(fault, path)


def _check_map(value: dict[str, Any], plan: Plan, path: str) -> Iterator[TypedError]:
    for key, one in value.items():
        below = plan.fields.get(key) or plan.value
        if below is None:
            yield TypedError("field not declared in schema", f"{path}.{key}")
            return
        yield from _check(one, below, f"{path}.{key}")


def _check_list(value: list[Any], plan: Plan, path: str) -> Iterator[TypedError]:
    seen: set[str] = set()
    for index, item in enumerate(value):
        at = f"i:{index}"
        if plan.list != ATOMIC:
            try:
                at = plan.element(item)
            except TypedError as error:
                yield TypedError(f"element {index}: {error.fault}", path)
                return
            if at in seen:
                yield TypedError(f"duplicate entries for key {elements.shown(at)}", path)
            seen.add(at)
        yield from _check(item, plan.item or UNTYPED, path + elements.shown(at))


def _scalar_fault(value: Any, wanted: str) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if wanted == "numeric" and not is_number:
        return f"expected numeric (int or float), got {go_type(value)}"
    if wanted == "string" and not isinstance(value, str):
        return f"expected string, got &value.valueUnstructured{{Value:{shown(value)}}}"
    if wanted == "boolean" and not isinstance(value, bool):
        return f"expected boolean, got &{{{shown(value)}}}"
    if wanted == "untyped" and isinstance(value, dict | list):
        return f"expected any scalar, got &{{{shown(value)}}}"
    return ""
