"""Is a schema structural? What a CustomResourceDefinition may not say in its schema, in upstream's words.

Follows k8s.io/apiextensions-apiserver/pkg/apiserver/schema (structure) and …/pkg/apis/apiextensions/validation (the
rest). A schema is structural when types and fields stand outside of allOf, anyOf, oneOf and not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from corral.model.kubernetes.problems import Problem, forbidden, invalid, not_supported, required
from corral.model.kubernetes.schema import pattern
from corral.model.kubernetes.schema.check import conform
from corral.model.kubernetes.schema.crd import (
    EMBEDDED,
    INT_OR_STRING,
    LIST_MAP_KEYS,
    LIST_TYPE,
    MAP_TYPE,
    PRESERVE,
    from_structural,
)
from corral.model.kubernetes.schema.values import validate

Raw = Mapping[str, Any]
_ROOT, _ITEM, _FIELD = "at the root", "for specified array items", "for specified object fields"
_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_SCALARS = ("boolean", "integer", "number", "string")
_EITHER = [{"type": "integer"}, {"type": "string"}]
_JUNCTIONS = ("allOf", "anyOf", "oneOf")
# What must not stand in a junction, and what it must be instead.
_OUTSIDE_ONLY = {
    "type": "must be empty",
    "additionalProperties": "must be undefined",
    "default": "must be undefined",
    "title": "must be empty",
    "description": "must be empty",
    "nullable": "must be false",
    PRESERVE: "must be false",
    EMBEDDED: "must be false",
    INT_OR_STRING: "must be false",
    LIST_MAP_KEYS: "must be empty",
    LIST_TYPE: "must be undefined",
    MAP_TYPE: "must be undefined",
    "x-kubernetes-validations": "must be empty",
}
_NEVER = {
    "id": "id is not supported",
    "definitions": "definitions is not supported",
    "patternProperties": "patternProperties is not supported",
    "additionalItems": "additionalItems is not supported",
    "dependencies": "dependencies is not supported",
    "$ref": "$ref is not supported",
}


def problems(raw: Raw, path: str) -> list[Problem]:
    """Pure: why a schema cannot be that of a custom kind; sorted, as upstream shows them.

    >>> [str(one) for one in problems({"properties": {"a": {}}}, "schema")][0]
    'schema.properties[a].type: Required value: must not be empty for specified object fields'
    >>> problems({"type": "object", "x-kubernetes-preserve-unknown-fields": True}, "schema")
    []
    """
    found = [*_rules(raw, path, root=True), *_invariants(raw, _ROOT, path), *_completeness(raw, raw, path, path)]
    if not found:
        found = list(_defaults(raw, path))
    return [one for _, one in sorted({str(one): one for one in found}.items())]


def _children(raw: Raw, path: str) -> Iterator[tuple[Raw, str, str]]:
    """(schema, level, path) of every schema right below, outside of junctions."""
    for key, one in (raw.get("properties") or {}).items():
        yield one, _FIELD, f"{path}.properties[{key}]"
    if isinstance(raw.get("items"), Mapping):
        yield raw["items"], _ITEM, f"{path}.items"
    if isinstance(raw.get("additionalProperties"), Mapping):
        yield raw["additionalProperties"], _FIELD, f"{path}.additionalProperties"


def _nested(raw: Raw, path: str) -> Iterator[tuple[Raw, str]]:
    """(schema, path) of what stands in the junctions of a schema."""
    for word in _JUNCTIONS:
        for index, one in enumerate(raw.get(word) or ()):
            yield one, f"{path}.{word}[{index}]"
    if raw.get("not") is not None:
        yield raw["not"], f"{path}.not"


# ------------------------------------------------------------------------------------------------------- structure


def _invariants(raw: Raw, level: str, path: str) -> Iterator[Problem]:
    if raw.get("type") == "array" and raw.get("items") is None:
        yield required(f"{path}.items", "must be specified")
    if level == _ROOT and raw.get("additionalProperties") is not None:
        yield forbidden(f"{path}.additionalProperties", "must not be used at the root")
    for one, below, where in _children(raw, path):
        yield from _invariants(one, below, where)
    yield from _types(raw, level, path)
    yield from _metadata(raw, level, path)
    if raw.get(INT_OR_STRING):
        for word in (PRESERVE, EMBEDDED):
            if raw.get(word):
                yield invalid(f"{path}.{word}", True, "must be false if x-kubernetes-int-or-string is true")
    yield from _junctions(raw, path, whole=True)


def _types(raw: Raw, level: str, path: str) -> Iterator[Problem]:
    kind, where = raw.get("type") or "", f"{path}.type"
    if raw.get(EMBEDDED) and kind != "object":
        text = "must be object if x-kubernetes-embedded-resource is true"
        yield invalid(where, kind, text) if kind else required(where, text)
    elif not kind and not raw.get(INT_OR_STRING) and not raw.get(PRESERVE):
        yield required(where, f"must not be empty {level}")
    if raw.get(EMBEDDED) and raw.get("additionalProperties") is not None:
        text = "must not be used if x-kubernetes-embedded-resource is set"
        yield forbidden(f"{path}.additionalProperties", text)
    if level == _ROOT and kind and kind != "object":
        yield invalid(where, kind, "must be object at the root")
    if raw.get(EMBEDDED) and not raw.get(PRESERVE) and not raw.get("properties"):
        text = (
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        )
        yield required(f"{path}.properties", text)


def _metadata(raw: Raw, level: str, path: str) -> Iterator[Problem]:
    properties = raw.get("properties") or {}
    if level != _ROOT and not raw.get(EMBEDDED):
        return
    for key in ("kind", "apiVersion"):
        if key in properties and properties[key].get("type") != "string":
            yield invalid(f"{path}.properties[{key}].type", properties[key].get("type") or "", "must be string")
    metadata, where = properties.get("metadata"), f"{path}.properties[metadata]"
    if metadata is None:
        return
    if metadata.get("type") != "object":
        yield invalid(f"{where}.type", metadata.get("type") or "", "must be object")
    known = set(metadata.get("properties") or ()) <= {"name", "generateName"}
    if level == _ROOT and not (known and set(metadata) <= {"type", "properties", "default", "description"}):
        text = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        yield forbidden(where, text)


def _junctions(raw: Raw, path: str, *, whole: bool = False) -> Iterator[Problem]:
    """Of the schemas in junctions; `whole`: the schema around them stands outside."""
    if raw.get("pattern") and (cause := pattern.problem(raw["pattern"])):
        text = f"must be a valid regular expression, but isn't: {cause}"
        yield invalid(f"{path}.pattern", raw["pattern"], text)
    plain = whole and raw.get("anyOf") == _EITHER
    for one, where in _nested(raw, path):
        if plain and where.startswith(f"{path}.anyOf["):
            continue  # integer or string, as x-kubernetes-int-or-string may say it
        first = whole and where == f"{path}.allOf[0]" and one.get("anyOf") == _EITHER
        yield from _inside({key: value for key, value in one.items() if key != "anyOf"} if first else one, where)


def _inside(raw: Raw, path: str) -> Iterator[Problem]:
    yield from _junctions(raw, path)
    for word, text in _OUTSIDE_ONLY.items():
        if raw.get(word) or (word in ("default", "additionalProperties") and raw.get(word) is not None):
            yield forbidden(f"{path}.{word}", f"{text} to be structural")
    if "metadata" in (raw.get("properties") or {}):
        yield forbidden(f"{path}.properties[metadata]", "must not be specified in a nested context")
    for one, _, where in _children(raw, path):
        if not where.endswith(".additionalProperties"):
            yield from _inside(one, where)


def _completeness(values: Raw, outside: Raw, outside_path: str, path: str) -> Iterator[Problem]:
    """What junctions speak of must stand outside of them, too."""
    for one, where in _nested(values, path):
        yield from _has_counterpart(one, outside, outside_path, where)


def _has_counterpart(raw: Raw, outside: Raw | None, outside_path: str, path: str) -> Iterator[Problem]:
    if outside is None:
        yield required(outside_path, f"because it is defined in {path}")
        return
    yield from _completeness(raw, outside, outside_path, path)
    if isinstance(raw.get("items"), Mapping):
        yield from _has_counterpart(raw["items"], outside.get("items"), f"{outside_path}.items", f"{path}.items")
    for key, one in (raw.get("properties") or {}).items():
        below = (outside.get("properties") or {}).get(key)
        tail = f".properties[{key}]"
        yield from _has_counterpart(one, below, outside_path + tail, path + tail)


# ------------------------------------------------------------------------------------------------------- the rest


def _rules(raw: Raw, path: str, *, root: bool = False) -> Iterator[Problem]:
    for word, text in _NEVER.items():
        if raw.get(word):
            yield forbidden(f"{path}.{word}", text)
    kind = raw.get("type")
    if kind == "null":
        yield forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
    elif kind and kind not in _TYPES:
        yield not_supported(f"{path}.type", kind, _TYPES)
    if root and raw.get("nullable"):
        yield forbidden(f"{path}.nullable", "nullable cannot be true at the root")
    if raw.get("uniqueItems"):
        text = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield forbidden(f"{path}.uniqueItems", text)
    if raw.get("additionalProperties") is False:
        yield forbidden(f"{path}.additionalProperties", "additionalProperties cannot be set to false")
    elif raw.get("additionalProperties") is not None and raw.get("properties"):
        yield forbidden(f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive")
    if isinstance(raw.get("items"), list):
        yield forbidden(f"{path}.items", "items must be a schema object and not an array")
    if raw.get(PRESERVE) is False:
        yield invalid(f"{path}.{PRESERVE}", False, "must be true or undefined")
    yield from _list_rules(raw, path)
    for one, where in (*((one, where) for one, _, where in _children(raw, path)), *_nested(raw, path)):
        yield from _rules(one, where)


def _list_rules(raw: Raw, path: str) -> Iterator[Problem]:
    kind, listed, mapped = raw.get("type") or "", raw.get(LIST_TYPE), raw.get(MAP_TYPE)
    for word, given, wanted, allowed in (
        (MAP_TYPE, mapped, "object", ("atomic", "granular")),
        (LIST_TYPE, listed, "array", ("atomic", "map", "set")),
    ):
        if given and kind != wanted:
            text = f"must be {wanted} if {word} is specified"
            yield invalid(f"{path}.type", kind, text) if kind else required(f"{path}.type", text)
        if given and given not in allowed:
            yield not_supported(f"{path}.{word}", given, allowed)
    keys, items = raw.get(LIST_MAP_KEYS) or (), raw.get("items")
    if keys and listed != "map":
        text = "must be map if x-kubernetes-list-map-keys is non-empty"
        yield invalid(f"{path}.{LIST_TYPE}", listed, text) if listed else required(f"{path}.{LIST_TYPE}", text)
    if listed == "map":
        if not keys:
            yield required(f"{path}.{LIST_MAP_KEYS}", "must not be empty if x-kubernetes-list-type is map")
        if items is None:
            yield required(f"{path}.items", "must have a schema if x-kubernetes-list-type is map")
        elif isinstance(items, Mapping):
            yield from _key_rules(items, keys, path)
    if listed in ("map", "set") and isinstance(items, Mapping) and items.get("nullable"):
        yield forbidden(f"{path}.items.nullable", f"cannot be nullable when x-kubernetes-list-type is {listed}")


def _key_rules(items: Raw, keys: Any, path: str) -> Iterator[Problem]:
    """Of a list that is a map: its keys must tell the items apart."""
    if items.get("type") != "object":
        text = "must be object if parent array's x-kubernetes-list-type is map"
        yield invalid(f"{path}.items.type", items.get("type") or "", text)
    properties = items.get("properties") or {}
    if any(key not in properties for key in keys):
        yield invalid(f"{path}.{LIST_MAP_KEYS}", list(keys), "entries must all be names of item properties")
    if len(set(keys)) < len(keys):
        yield invalid(f"{path}.{LIST_MAP_KEYS}", list(keys), "must not contain duplicate entries")
    for key in keys:
        one, where = properties.get(key), f"{path}.items.properties[{key}]"
        if one is None:
            continue
        if one.get("type") and one["type"] not in _SCALARS:
            text = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            yield invalid(f"{where}.type", one["type"], text)
        if one.get("default") is None and key not in (items.get("required") or ()):
            text = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            yield required(f"{where}.default", text)
        if one.get("nullable"):
            yield forbidden(
                f"{where}.nullable", "this property is in x-kubernetes-list-map-keys, so it cannot be nullable"
            )


def _defaults(raw: Raw, path: str) -> Iterator[Problem]:
    """Defaults keep to the schema that they are in, and have no fields that would be pruned."""
    if "default" in raw and raw["default"] is not None:
        where = f"{path}.default"
        for problem in validate(raw["default"], raw):
            # What has no path of its own is wrong with the default as a whole.
            whole = problem.field in ("", "<nil>")
            yield Problem(problem.type, where, problem.detail, problem.value) if whole else problem.under(where)
        if _pruned(raw["default"], raw) != raw["default"]:
            yield invalid(where, raw["default"], "must not have unknown fields")
    for one, _, where in _children(raw, path):
        yield from _defaults(one, where)


def _pruned(value: Any, raw: Raw) -> Any:
    inner = {"type": "object", "properties": {"value": raw}}
    found = conform({"value": value}, from_structural(inner)).object
    return found.get("value")
