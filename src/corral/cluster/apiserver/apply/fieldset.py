"""Sets of fields, as trees.

A set is a dictionary from path elements to the sets below them; `"."` in it says that the path up to here is a member.
`{"f:spec": {"f:replicas": {".": {}}}}` has one member, `.spec.replicas`. An empty dictionary is the empty set, and no
set holds one but below ".". Sets are never changed once they are made: they share their branches.

`fieldsV1` is almost this: there a dictionary that would hold "." alone is empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from corral.cluster.apiserver.apply import elements
from corral.cluster.apiserver.apply.elements import SELF, BadElement

FieldSet = dict[str, Any]

EMPTY: FieldSet = {}
MEMBER: FieldSet = {SELF: EMPTY}


def of_paths(*paths: Iterable[str]) -> FieldSet:
    """Pure: the set of these paths, given as names of fields or as elements of other kinds.

    >>> of_paths(("status",), ("spec", "replicas"))
    {'f:status': {'.': {}}, 'f:spec': {'f:replicas': {'.': {}}}}
    """
    found: FieldSet = {}
    for path in paths:
        one = MEMBER
        for name in reversed(tuple(path)):
            one = {name if name[1:2] == ":" else f"f:{name}": one}
        found = union(found, one)
    return found


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """
    >>> union({"f:a": MEMBER}, {"f:a": {"f:b": MEMBER}})
    {'f:a': {'.': {}, 'f:b': {'.': {}}}}
    """
    if not left or not right or left is right:
        return left or right
    found = dict(left)
    for key, below in right.items():
        found[key] = union(found[key], below) if key in found else below
    return found


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    found = {}
    for key in left.keys() & right.keys():
        if key == SELF:
            found[key] = EMPTY
        elif below := intersection(left[key], right[key]):
            found[key] = below
    return found


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """The members of the left one that are not in the right one. A parent stays when its children go, and vice versa.

    >>> difference({"f:a": {".": {}, "f:b": MEMBER}}, {"f:a": MEMBER})
    {'f:a': {'f:b': {'.': {}}}}
    """
    common = left.keys() & right.keys()
    if not common:
        return left
    found = dict(left)
    for key in common:
        below = difference(left[key], right[key]) if key != SELF else EMPTY
        if below:
            found[key] = below
        else:
            del found[key]
    return found


def without(left: FieldSet, right: FieldSet) -> FieldSet:
    """The left one without the right one's members and all that lies below them.

    >>> without({"f:a": {".": {}, "f:b": MEMBER}, "f:c": MEMBER}, {"f:a": MEMBER})
    {'f:c': {'.': {}}}
    """
    found = {}
    for key, below in left.items():
        gone = right.get(key)
        if key == SELF or gone is None:
            found[key] = below
        elif SELF not in gone and (left_below := without(below, gone)):
            found[key] = left_below
    return found


def has(fields: FieldSet, path: Iterable[str]) -> bool:
    for key in path:
        if key not in fields:
            return False
        fields = fields[key]
    return SELF in fields


def paths(fields: FieldSet) -> Iterator[tuple[str, ...]]:
    """All members, in order: those of one level before those below."""
    return _paths(fields, ())


def _paths(fields: FieldSet, prefix: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    ordered = [key for key in elements.in_order(fields) if key != SELF]
    for key in ordered:
        if SELF in fields[key]:
            yield (*prefix, key)
    for key in ordered:
        yield from _paths(fields[key], (*prefix, key))


def shown(path: Iterable[str]) -> str:
    """Pure: a path as messages show it.

    >>> shown(("f:spec", "f:containers", 'k:{"name":"web"}', "f:image"))
    '.spec.containers[name="web"].image'
    """
    return "".join(map(elements.shown, path))


def from_wire(fields: Any) -> FieldSet:
    """Pure: the set that `fieldsV1` stands for; raises BadElement.

    >>> from_wire({"f:a": {}, "f:b": {".": {}, "f:c": {}}, "z:unknown": {}})
    {'f:a': {'.': {}}, 'f:b': {'.': {}, 'f:c': {'.': {}}}}
    """
    return {} if fields is None else _from_wire(fields, root=True)


def _from_wire(fields: Any, *, root: bool = False) -> FieldSet:
    if fields is None:
        return MEMBER
    if not isinstance(fields, dict):
        raise BadElement("expect { or n")
    found: FieldSet = {}
    for text, below in fields.items():
        if text == SELF:
            if not root:
                found[SELF] = EMPTY
            continue
        key = elements.canonical(text) if text[:2] != "f:" else text
        if key is not None:
            one = MEMBER if below == EMPTY else _from_wire(below)
            found[key] = union(found[key], one) if key in found else one
    return found if root or found else MEMBER


def to_wire(fields: FieldSet) -> dict[str, Any]:
    """Pure: the set as `fieldsV1`, in order.

    >>> to_wire(of_paths(("b",), ("b", "c"), ("a",)))
    {'f:a': {}, 'f:b': {'.': {}, 'f:c': {}}}
    """
    keys: Iterable[str] = fields if len(fields) < 2 else elements.in_order(fields)
    return {
        key: EMPTY if len(below) < 2 and SELF in below else to_wire(below) for key in keys for below in (fields[key],)
    }


def touches(wire: Mapping[str, Any], change: FieldSet) -> bool:
    """Pure: whether a set on the wire has a member of a (small) set: is answered without decoding the former."""
    for key, below in change.items():
        found = wire.get(key)
        if found is None or key == SELF:
            continue
        if SELF in below and (not found or SELF in found):
            return True
        if len(below) > (SELF in below) and touches(found, below):
            return True
    return False
