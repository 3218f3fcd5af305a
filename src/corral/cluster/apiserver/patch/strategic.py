"""Strategic merge patch: a merge patch that knows how the lists of built-in kinds are merged.

Follows k8s.io/apimachinery/pkg/util/strategicpatch. The schema says which lists are merged, and by which key; the
patch itself may hold directives: `$patch` (replace, delete), `$retainKeys`, `$setElementOrder/LIST` and
`$deleteFromPrimitiveList/LIST`. A patch that upstream fails on with a 500 is refused with a 400 and the same text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from corral.cluster.apiserver.patch import element_order, values
from corral.cluster.apiserver.patch.element_order import PATCH
from corral.model.kubernetes import status
from corral.model.kubernetes.schema.types import Schema

Object = dict[str, Any]

_RETAIN_KEYS = "$retainKeys"
_DELETE = "$deleteFromPrimitiveList"
_ORDER = "$setElementOrder"
_BAD_RETAIN_KEYS = "invalid patch format of retainKeys"
_BAD_PRIMITIVES = "invalid patch format of primitive list"
_BAD_ORDER = "invalid patch format of setElementOrder list"


class _Field(NamedTuple):
    """What the schema says of a field: of a list, `schema` is that of its items."""

    schema: Schema | None
    strategy: str
    merge_key: str


@values.bounded
def apply(obj: Object, patch: Any, schema: Schema | None) -> Object:
    """Pure: the object with the patch merged in.

    Raises StatusError: 400 for a malformed patch, 422 for lists of lists.

    >>> port = Schema("object", properties={"port": Schema("integer"), "name": Schema("string")})
    >>> ports = Schema("array", items=port, patch_strategy=("merge",), patch_merge_key="port")
    >>> service = Schema("object", properties={"ports": ports})
    >>> apply({"ports": [{"port": 80, "name": "a"}]}, {"ports": [{"port": 80, "name": "b"}, {"port": 81}]}, service)
    {'ports': [{'port': 80, 'name': 'b'}, {'port': 81}]}
    >>> apply({"ports": [{"port": 80}]}, {"ports": [{"port": 80, "$patch": "delete"}]}, service)
    {'ports': []}
    """
    if not isinstance(patch, dict):
        kind = {list: "array", str: "string", bool: "bool", type(None): "null"}.get(type(patch), "number")
        raise status.bad_request(f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}")
    return _merged(values.copied(obj), values.copied(patch), schema)


def _merged(original: Object, patch: Object, schema: Schema | None) -> Object:
    """Changes both in place."""
    if PATCH in patch:
        return _directed(patch)
    _retain_keys(original, patch)
    _merge_ordered_lists(original, patch, schema)
    for key, value in patch.items():
        if key.startswith(_DELETE):
            _delete_primitives(original, _named(key, _DELETE, _BAD_PRIMITIVES), value, schema)
        elif value is None:
            original.pop(key, None)
        else:
            _merge_field(original, key, value, schema)
    return original


def _directed(patch: Object) -> Object:
    directive = patch.pop(PATCH)
    if directive == "replace":
        return patch
    if directive == "delete":
        return {}
    shown = values.shown({**patch, PATCH: directive})
    raise status.bad_request(f"unknown patch type: {values.shown(directive)} in map: {shown}")


def _retain_keys(original: Object, patch: Object) -> None:
    """Of a union, say a Deployment's strategy: all fields but the listed ones go."""
    if _RETAIN_KEYS not in patch:
        return
    kept = patch.pop(_RETAIN_KEYS)
    if not isinstance(kept, list):
        raise status.bad_request(_BAD_RETAIN_KEYS)
    for key, value in patch.items():
        if value is not None and not key.startswith((_DELETE, _ORDER)) and key not in kept:
            raise status.bad_request(_BAD_RETAIN_KEYS)
    for key in [key for key in original if key not in kept]:
        del original[key]


def _merge_field(original: Object, key: str, value: Any, schema: Schema | None) -> None:
    old = original.get(key)
    if isinstance(value, dict) and isinstance(old, dict):
        field = _lookup(schema, key)
        original[key] = value if field.strategy == "replace" else _merged(old, value, field.schema)
    elif isinstance(value, list) and isinstance(old, list):
        field = _lookup(schema, key)
        original[key] = _merged_list(old, value, field) if field.strategy == "merge" else value
    else:
        _put(original, key, value)


def _put(original: Object, key: str, value: Any) -> None:
    """Sets what was not there, or was of another type: without nulls, and without what a directive is in."""
    if isinstance(value, dict) and PATCH in value:
        original.pop(key, None)
    else:
        original[key] = _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: one for key, one in value.items() if one is not None and not _is_directed(one)}
        return {key: _plain(one) for key, one in kept.items()}
    return [_plain(one) for one in value if not _is_directed(one)] if isinstance(value, list) else value


def _is_directed(value: Any) -> bool:
    return isinstance(value, dict) and PATCH in value


def _delete_primitives(original: Object, key: str, gone: Any, schema: Schema | None) -> None:
    if gone is None:
        original.pop(key, None)
        return
    if not isinstance(gone, list):
        raise status.bad_request(_BAD_PRIMITIVES)
    if isinstance(original.get(key), list):
        _lookup(schema, key)
        left = set(map(element_order.identity, gone))
        original[key] = [one for one in original[key] if element_order.identity(one) not in left]


def _merge_ordered_lists(original: Object, patch: Object, schema: Schema | None) -> None:
    """Lists whose order the patch gives: merged here, and taken out of the patch."""
    for key in [key for key in patch if key.startswith(_ORDER)]:
        order = patch.pop(key)
        if not isinstance(order, list):
            raise status.bad_request(f"expected a []interface {{}}, but received a {values.go_type(order)}")
        name = _named(key, _ORDER, _BAD_ORDER)
        old, new = _list_in(original, name), _list_in(patch, name)
        field = _lookup(schema, name)
        element_order.check(new or [], order, field.merge_key)
        patch.pop(name, None)
        if old is None and new is None:
            continue
        merged = _combined(old, new, field)
        original[name] = element_order.ordered(merged, order, _live_order(old or [], new or [], field), field.merge_key)


def _combined(old: list[Any] | None, new: list[Any] | None, field: _Field) -> list[Any]:
    if new is None:
        return old or []
    if old is None:
        return list(_plain(new))
    return _merged_list(old, new, field) if field.strategy == "merge" else new


def _live_order(old: list[Any], new: list[Any], field: _Field) -> list[Any]:
    """Where the live items stand, to which a new one is compared.

    As upstream has it: a new item takes the place of a deleted one, at the end.
    """
    merged = field.strategy == "merge" and field.merge_key and all(isinstance(one, dict) for one in [*old, *new])
    if not merged or any(one.get(PATCH) == "replace" for one in new):
        return old
    left, plain = _without_directives(old, new, field.merge_key)
    known = element_order.places(left, field.merge_key)
    added = [one for one in plain if element_order.key_of(one, field.merge_key) not in known]
    return [*left, *added][: len(old)]


def _list_in(holder: Object, name: str) -> list[Any] | None:
    found = holder.get(name)
    if name in holder and not isinstance(found, list):
        raise status.bad_request(f"expected a []interface {{}}, but received a {values.go_type(found)}")
    return found


def _merged_list(old: list[Any], new: list[Any], field: _Field) -> list[Any]:
    kind = _item_type(old, new)
    if kind is not dict:
        merged = list({element_order.identity(one): one for one in [*old, *new]}.values())
        return element_order.ordered(merged, new, old, "")
    if not field.merge_key:
        raise status.bad_request("cannot merge lists without merge key for struct")
    old, plain = _without_directives(old, new, field.merge_key)
    places = element_order.places(old, field.merge_key)
    merged = list(old)
    for one in plain:
        at = places.get(element_order.key_of(one, field.merge_key))
        if at is None:
            places[element_order.key_of(one, field.merge_key)] = len(merged)
            merged.append(one)
        else:
            merged[at] = _merged(merged[at], one, field.schema)
    return element_order.ordered(merged, plain, old, field.merge_key)


def _without_directives(old: list[Any], new: list[Any], merge_key: str) -> tuple[list[Any], list[Any]]:
    """The old items that no directive deletes, and the new ones without directives."""
    plain, replaced = [], False
    for one in new:
        directive = one.get(PATCH)
        if PATCH not in one:
            plain.append(one)
        elif directive == "replace":
            replaced = True
        elif directive == "delete":
            gone = element_order.key_of(one, merge_key)
            old = [item for item in old if merge_key not in item or element_order.key_of(item, merge_key) != gone]
        elif directive == "merge":
            raise status.bad_request("merging lists cannot yet be specified in the patch")
        else:
            text = f"unknown patch type: {values.shown(directive)} in map: {values.shown(one)}"
            raise status.bad_request(text)
    return (plain, []) if replaced else (old, plain)


def _item_type(*lists: Sequence[Any]) -> type:
    kinds = {type(one) for items in lists for one in items}
    if list in kinds:
        raise values.rejected()
    if len(kinds) > 1:
        raise status.bad_request(f"list element types are not identical: {values.shown(list(map(list, lists)))}")
    return kinds.pop() if kinds else str


def _named(key: str, prefix: str, fault: str) -> str:
    """The list that a directive is about.

    >>> _named("$setElementOrder/containers", "$setElementOrder", "no")
    'containers'
    """
    before, slash, name = key.partition("/")
    if before != prefix or not slash:
        raise status.bad_request(fault)
    return name


def _lookup(schema: Schema | None, key: str) -> _Field:
    if schema is None:
        return _Field(None, "", "")
    found = schema.properties.get(key)
    if found is not None:
        strategies = [one for one in found.patch_strategy if one != "retainKeys"]
        inner = found.items if found.type == "array" else found
        return _Field(inner, strategies[0] if strategies else "", found.patch_merge_key)
    if schema.preserve_unknown or not (schema.properties or schema.values):
        return _Field(None, "", "")
    if schema.values is not None:
        raise status.bad_request("merging an object in json but data type is not struct, instead is: map")
    struct = schema.name.rpartition(".")[2]
    raise status.bad_request(f'unable to find api field in struct {struct} for the json field "{key}"')
