"""Fields taken out of an object, and sets brought in line with a schema.

Follows sigs.k8s.io/structured-merge-diff, typed/remove.go and typed/reconcile_schema.go.
"""

from __future__ import annotations

from typing import Any

from corral.cluster.apiserver.apply.elements import SELF
from corral.cluster.apiserver.apply.fieldset import EMPTY, MEMBER, FieldSet
from corral.cluster.apiserver.apply.plan import ATOMIC, LIST, MAP, UNTYPED, Plan
from corral.cluster.apiserver.apply.typed_errors import TypedError

_GONE: Any = object()


def remove(obj: dict[str, Any], fields: FieldSet, plan: Plan) -> dict[str, Any]:
    """Pure: the object without these fields; what has nothing left in it goes, too.

    >>> from corral.cluster.apiserver.apply.plan import DEDUCED
    >>> remove({"a": {"b": 1}, "c": {"d": 1, "e": 2}}, {"f:a": {"f:b": MEMBER}, "f:c": {"f:d": MEMBER}}, DEDUCED)
    {'c': {'e': 2}}
    """
    found = _remove(obj, fields, plan)
    return {} if found is _GONE else dict(found)


def _remove(value: Any, fields: FieldSet, plan: Plan) -> Any:
    kind = plan.kind(value)
    if kind == MAP and isinstance(value, dict):
        kept: Any = {} if plan.map == ATOMIC else _remove_from_map(value, fields, plan)
    elif kind == LIST and isinstance(value, list):
        kept = [] if plan.list == ATOMIC else _remove_from_list(value, fields, plan)
    else:
        return value
    return kept if kept else _GONE


def _remove_from_map(value: dict[str, Any], fields: FieldSet, plan: Plan) -> dict[str, Any]:
    kept = {}
    for key, one in value.items():
        below = fields.get(f"f:{key}")
        if below and SELF in below:
            continue
        left = _remove(one, below, plan.field(key)) if below else one
        if left is not _GONE:
            kept[key] = left
    return kept


def _remove_from_list(value: list[Any], fields: FieldSet, plan: Plan) -> list[Any]:
    kept = []
    for item in value:
        try:
            below = fields.get(plan.element(item))
        except TypedError:
            below = None
        if below and SELF in below:
            continue
        left = _remove(item, below, plan.item or UNTYPED) if below else item
        if left is not _GONE:
            kept.append(left)
    return kept


def with_structs(fields: FieldSet, plan: Plan | None) -> FieldSet:
    """Pure: the set, and the structs above its members (not the maps).

    >>> plan = Plan(map="granular", fields={"spec": Plan(map="granular", value=Plan(scalar="string"))})
    >>> with_structs({"f:spec": {"f:a": MEMBER}}, plan)
    {'f:spec': {'f:a': {'.': {}}, '.': {}}}
    """
    found: FieldSet = {}
    for key, below in fields.items():
        if key == SELF:
            found[key] = EMPTY
            continue
        one = with_structs(below, _below(plan, key))
        if plan is not None and key[:2] == "f:" and key[2:] in plan.fields:
            one = {**one, SELF: EMPTY}
        found[key] = one
    return found


def _below(plan: Plan | None, key: str) -> Plan | None:
    if plan is None:
        return None
    if key[:2] == "f:" and plan.map:
        return plan.fields.get(key[2:]) or plan.value
    return plan.item if key[:2] == "k:" and plan.list else None


def reconcile(fields: FieldSet, plan: Plan) -> FieldSet:
    """Pure: the set as it would be had the schema always been this one.

    A map or list that has become atomic is owned by those who owned something in it.

    >>> reconcile({"f:a": {"f:b": MEMBER}}, Plan(map="granular", fields={"a": Plan(map="atomic", value=UNTYPED)}))
    {'f:a': {'.': {}}}
    """
    found = {key: _reconcile(key, below, plan) for key, below in fields.items()}
    return fields if all(found[key] is below for key, below in fields.items()) else found


def _reconcile(key: str, fields: FieldSet, plan: Plan) -> FieldSet:
    below = _below(plan, key) if key != SELF else None
    if below is None or len(fields) == (SELF in fields) or below.free:
        return fields
    if (below.map == ATOMIC) if below.map else (below.list == ATOMIC):
        return MEMBER
    return reconcile(fields, below)
