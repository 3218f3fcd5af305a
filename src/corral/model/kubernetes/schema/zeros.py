"""What Go writes of the fields of an object that nobody set: `null`, `""`, `0`, `{}`, or nothing at all.

A field without `omitempty` is always written, and a struct is even with it. Upstream keeps built-in kinds as protobuf,
which does not tell an empty list from none: both are null where they are written. Clients see this in `kubectl get`.

Objects in this process never have the nulls (`bare`), so that nobody has to ask whether a list is there; they have the
other zero values from the time when they were read (`complete`). The bytes that are stored and sent have both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any, NamedTuple

from corral.model.kubernetes.resources import split_api_version
from corral.model.kubernetes.schema.data import Field, element, load

Object = dict[str, Any]

_SCALARS: dict[str, Any] = {
    "string": "", "bool": False, "int32": 0, "int64": 0, "double": 0, "quantity": "0", "int-or-string": 0,
    "duration": "0s",
}  # fmt: skip
_METADATA = ("meta.v1.ObjectMeta", "meta.v1.ListMeta")  # nothing in them is written that nobody set
_AS_JSON = ("apiextensions", "apiregistration")  # what upstream keeps as JSON: an empty list stays one


class _Inner(NamedTuple):
    """A field in which there are structs to look at: one, a list of them, or a map."""

    key: str
    prefix: str
    type: str


class _Type(NamedTuple):
    """What one type comes to: a value for each of its `scalars`, {} for `structs`; `inner` fills those."""

    scalars: tuple[tuple[str, Any], ...]
    structs: tuple[str, ...]
    nulls: tuple[str, ...]
    empties: tuple[str, ...]  # of the nulls those that an empty value is written as, too
    inner: tuple[_Inner, ...]


def complete(obj: Object) -> Object:
    """Pure: a copy with the zero values that Go has in it, but for nulls. A kind that is not built in stays as it is.

    >>> complete({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}})["spec"]
    {}
    """
    name = type_of(obj)
    return _completed(obj, name, nulls=False) if name else obj


def written(obj: Object) -> Object:
    """Pure: a copy as Go writes it, nulls and all.

    >>> written({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {}, "rules": []})["rules"]
    """
    name = type_of(obj)
    return _completed(obj, name, nulls=True) if name else obj


def bare(obj: Object) -> Object:
    """The object itself, without the nulls of `written`.

    >>> bare({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "rules": None})
    {'apiVersion': 'rbac.authorization.k8s.io/v1', 'kind': 'Role'}
    """
    if name := type_of(obj):
        _strip(obj, _type(name))
    return obj


@cache
def empty(name: str) -> Object:
    """Pure: the zero value of a type ("core.v1.Pod"), nulls and all. It must not be changed.

    >>> empty("rbac.v1.ClusterRole")
    {'metadata': {}, 'rules': None}
    """
    return _completed({}, name, nulls=True)


def type_of(obj: Object) -> str:
    """The short name of a built-in object's type; "" of any other."""
    api_version, kind = obj.get("apiVersion"), obj.get("kind")
    return _named(api_version, kind) if isinstance(api_version, str) and isinstance(kind, str) else ""


@cache
def _names() -> dict[tuple[str, str, str], str]:
    return {(gvk.group, gvk.version, gvk.kind): name for gvk, name in load().kinds.items()}


def _named(api_version: str, kind: str) -> str:
    return _names().get((*split_api_version(api_version), kind), "")


def _completed(obj: Object, name: str, *, nulls: bool) -> Object:
    kind, made = _type(name), dict(obj)
    for key, value in kind.scalars:
        made.setdefault(key, value)
    for key in kind.structs:
        if made.get(key) is None:
            made[key] = {}
    for key in kind.nulls:
        if made.get(key) is None or (key in kind.empties and not made[key]):
            if nulls:
                made[key] = None
            else:
                made.pop(key, None)
    for key, prefix, inner in kind.inner:
        if (found := made.get(key)) is not None:
            made[key] = _each(found, prefix, partial(_completed, name=inner, nulls=nulls))
    return made


def _strip(obj: Object, kind: _Type) -> None:
    for key in kind.nulls:
        if key in obj and obj[key] is None:
            del obj[key]
    for key, prefix, inner in kind.inner:
        if (found := obj.get(key)) is not None:
            for one in _structs(found, prefix):
                _strip(one, _type(inner))


def _each(value: Any, prefix: str, change: Callable[[Object], Object]) -> Any:
    if prefix == "" and isinstance(value, dict):
        return change(value)
    if prefix == "[]" and isinstance(value, list):
        return [change(one) if isinstance(one, dict) else one for one in value]
    if prefix == "{}" and isinstance(value, dict):
        return {key: change(one) if isinstance(one, dict) else one for key, one in value.items()}
    return value


def _structs(value: Any, prefix: str) -> Iterator[Object]:
    many = value.values() if prefix == "{}" and isinstance(value, dict) else value if prefix == "[]" else (value,)
    return (one for one in many if isinstance(one, dict))


@cache
def _type(name: str) -> _Type:
    fields = tuple(load().fields(name))
    zeros = [field for field in fields if field.unset == "zero"]
    nulls = [field for field in fields if field.unset == "null"]
    empties = () if name.startswith(_AS_JSON) else tuple(field.name for field in nulls if _is_many(field))
    return _Type(
        tuple((field.name, _SCALARS[field.type]) for field in zeros if field.type in _SCALARS),
        tuple(field.name for field in zeros if field.type not in _SCALARS),
        tuple(field.name for field in nulls),
        empties,
        tuple(_inner(fields)),
    )


def _is_many(field: Field) -> bool:
    return field.type == "bytes" or element(field.type)[0] != ""


def _inner(fields: tuple[Field, ...]) -> Iterator[_Inner]:
    for field in fields:
        prefix, kind = element(field.type)
        if kind in load().types and kind not in _METADATA and _matters(kind):
            yield _Inner(field.name, prefix, kind)


@cache
def _matters(name: str) -> bool:
    """Whether anything in a type, or in what it is made of, is written that nobody set."""
    todo, seen = [name], set[str]()
    while todo:
        one = todo.pop()
        seen.add(one)
        for field in load().fields(one):
            kind = element(field.type)[1]
            if field.unset:
                return True
            if kind in load().types and kind not in _METADATA and kind not in seen:
                todo.append(kind)
    return False
