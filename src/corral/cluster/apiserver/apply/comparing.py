"""What changed between two objects: the fields that were removed, modified and added.

Follows sigs.k8s.io/structured-merge-diff, typed/compare.go.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from corral.cluster.apiserver.apply.elements import SELF
from corral.cluster.apiserver.apply.fieldset import EMPTY, MEMBER, FieldSet, union
from corral.cluster.apiserver.apply.plan import ATOMIC, LIST, MAP, UNTYPED, Plan
from corral.cluster.apiserver.apply.reset_fields import Filter
from corral.cluster.apiserver.apply.typed_errors import TypedError
from corral.cluster.apiserver.patch.values import equal

_ABSENT: Any = object()


class Comparison(NamedTuple):
    """No field is in two of these. All are empty if the objects are equal."""

    removed: FieldSet = EMPTY
    modified: FieldSet = EMPTY
    added: FieldSet = EMPTY

    def __bool__(self) -> bool:
        return bool(self.removed or self.modified or self.added)

    def through(self, reset: Filter) -> Comparison:
        """Without what a filter holds back."""
        return Comparison(*map(reset.of, self)) if self else self


_SAME = Comparison()
_MODIFIED = Comparison(modified=MEMBER)


def compare(old: Any, new: Any, plan: Plan) -> Comparison:
    """Pure: what changed. Raises TypedError where the items of a list cannot be told apart.

    >>> from corral.cluster.apiserver.apply.plan import DEDUCED
    >>> compare({"a": 1, "b": {"c": 1, "d": 1}}, {"a": 2, "b": {"c": 1, "e": 1}}, DEDUCED)
    Comparison(removed={'f:b': {'f:d': {'.': {}}}}, modified={'f:a': {'.': {}}}, added={'f:b': {'f:e': {'.': {}}}})
    """
    if _same(old, new, plan):
        return _SAME
    left, right = plan.kind(old), plan.kind(new)
    found = _of_kind(left, old, new, plan)
    if left != right:
        other = _of_kind(right, old, new, plan)
        return Comparison(*(union(*both) for both in zip(found, other, strict=True)))
    return found


def everything(value: Any, plan: Plan) -> FieldSet:
    """Pure: all that is in a value that was not there before: its leaves and all above them, itself included."""
    found: FieldSet = {SELF: EMPTY}
    if isinstance(value, dict):
        if plan.map and plan.map != ATOMIC:
            for key, one in value.items():
                found[f"f:{key}"] = everything(one, plan.field(key)) if isinstance(one, dict | list) else MEMBER
    elif isinstance(value, list) and plan.list and plan.list != ATOMIC:
        for key, items in _by_element(value, plan).items():
            found[key] = everything(items[0], plan.item or UNTYPED) if len(items) == 1 else MEMBER
    return found


def _same(old: Any, new: Any, plan: Plan) -> bool:
    return bool(old == new) and (not plan.loose or equal(old, new))


def _of_kind(kind: str, old: Any, new: Any, plan: Plan) -> Comparison:
    if kind == MAP and plan.map != ATOMIC:
        left, right = old if isinstance(old, dict) else {}, new if isinstance(new, dict) else {}
        return _maps(left, right, plan) if left or right else _MODIFIED
    if kind == LIST and plan.list != ATOMIC:
        before, after = old if isinstance(old, list) else [], new if isinstance(new, list) else []
        return _lists(before, after, plan) if before or after else _MODIFIED
    return _MODIFIED


def _maps(old: dict[str, Any], new: dict[str, Any], plan: Plan) -> Comparison:
    parts = _Parts()
    for key, right in new.items():
        left = old.get(key, _ABSENT)
        if left is right:
            continue
        below = plan.field(key)
        if left is _ABSENT:
            parts.added[f"f:{key}"] = everything(right, below)
        elif not _same(left, right, below):
            parts.put(f"f:{key}", _below(f".{key}", left, right, below))
    for key in old.keys() - new.keys():
        parts.removed[f"f:{key}"] = everything(old[key], plan.field(key))
    return parts.comparison()


def _lists(old: list[Any], new: list[Any], plan: Plan) -> Comparison:
    """Items that are there more than once are compared as one: with all of them, or not at all."""
    before, after, item = _by_element(old, plan), _by_element(new, plan), plan.item or UNTYPED
    parts = _Parts()
    for key, rights in after.items():
        lefts = before.get(key, [])
        if len(lefts) < 2 and len(rights) < 2:
            if not lefts:
                parts.added[key] = everything(rights[0], item)
            elif not _same(lefts[0], rights[0], item):
                parts.put(key, _below(key, lefts[0], rights[0], item))
        elif len(lefts) > 1 and len(rights) > 1:
            if not equal(lefts, rights):
                parts.put(key, _MODIFIED)
        elif len(lefts) > 1:
            parts.put(key, Comparison(removed=MEMBER, added=everything(rights[0], item)))
        else:
            parts.put(key, Comparison(removed=everything(lefts[0], item) if lefts else EMPTY, added=MEMBER))
    for key in before.keys() - after.keys():
        parts.removed[key] = everything(before[key][0], item) if len(before[key]) == 1 else MEMBER
    return parts.comparison()


class _Parts:
    def __init__(self) -> None:
        self.removed: FieldSet = {}
        self.modified: FieldSet = {}
        self.added: FieldSet = {}

    def put(self, key: str, found: Comparison) -> None:
        if found.removed:
            self.removed[key] = found.removed
        if found.modified:
            self.modified[key] = found.modified
        if found.added:
            self.added[key] = found.added

    def comparison(self) -> Comparison:
        return Comparison(self.removed, self.modified, self.added)


def _below(shown: str, old: Any, new: Any, plan: Plan) -> Comparison:
    try:
        return compare(old, new, plan)
    except TypedError as error:
        raise TypedError(error.fault, shown + error.path) from None


def _by_element(items: list[Any], plan: Plan) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for index, item in enumerate(items):
        try:
            found.setdefault(plan.element(item), []).append(item)
        except TypedError as error:
            raise TypedError(f"element {index}: {error.fault}") from None
    return found
