"""Schemas of CustomResourceDefinitions: a structural schema as a Schema, and the defaults in it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from corral.model.kubernetes.schema.stable import builtin
from corral.model.kubernetes.schema.types import MISSING, Schema

PRESERVE = "x-kubernetes-preserve-unknown-fields"
EMBEDDED = "x-kubernetes-embedded-resource"
INT_OR_STRING = "x-kubernetes-int-or-string"
LIST_TYPE, LIST_MAP_KEYS = "x-kubernetes-list-type", "x-kubernetes-list-map-keys"
MAP_TYPE = "x-kubernetes-map-type"


def from_structural(raw: Mapping[str, Any]) -> Schema:
    """Pure: the Schema of a kind, of the `openAPIV3Schema` of one of its versions (which need not be valid).

    `apiVersion`, `kind` and `metadata` are in it whether or not the schema mentions them.

    >>> found = from_structural({"type": "object", "properties": {"spec": {"type": "object", "nullable": True}}})
    >>> sorted(found.properties), found.properties["spec"].nullable, found.properties["metadata"].name
    (['apiVersion', 'kind', 'metadata', 'spec'], True, 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta')
    """
    return _schema({**raw, EMBEDDED: True}, raw)


def _schema(raw: Mapping[str, Any], written: Mapping[str, Any] | None = None) -> Schema:
    properties = {key: _schema(one) for key, one in _mapping(raw.get("properties")).items() if isinstance(one, Mapping)}
    if raw.get(EMBEDDED):
        properties |= _type_meta()
    items, more = raw.get("items"), raw.get("additionalProperties")
    either = bool(raw.get(INT_OR_STRING))
    return Schema(
        type="" if either else _text(raw.get("type")),
        format="int-or-string" if either else _text(raw.get("format")),
        properties=properties,
        values=_schema(more) if isinstance(more, Mapping) else Schema(preserve_unknown=True) if more is True else None,
        items=_schema(items) if isinstance(items, Mapping) else None,
        required=tuple(map(str, raw.get("required") or ())),
        list_type=_text(raw.get(LIST_TYPE)) or "atomic",
        list_map_keys=tuple(map(str, raw.get(LIST_MAP_KEYS) or ())),
        map_type=_text(raw.get(MAP_TYPE)) or "granular",
        preserve_unknown=bool(raw.get(PRESERVE)),
        embedded=bool(raw.get(EMBEDDED)),
        nullable=bool(raw.get("nullable")),
        default=raw.get("default", MISSING),
        raw=raw if written is None else written,
    )


def _type_meta() -> dict[str, Schema]:
    text = Schema(type="string")
    return {"apiVersion": text, "kind": text, "metadata": builtin().type("meta.v1.ObjectMeta")}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def with_defaults(value: Any, schema: Schema) -> Any:
    """Pure: a copy in which what was left out has its default; nested ones too, where there is something to nest in.

    >>> inner = Schema("object", properties={"size": Schema("integer", default=3)})
    >>> with_defaults({"spec": {}}, Schema("object", properties={"spec": inner}))
    {'spec': {'size': 3}}
    >>> with_defaults({}, Schema("object", properties={"spec": inner}))
    {}
    """
    if schema.name:
        return value  # built in: its kind has code for its defaults
    if isinstance(value, dict):
        made = {key: with_defaults(one, _of_key(schema, key)) for key, one in value.items()}
        for key, field in schema.properties.items():
            missing = key not in value or (value[key] is None and not field.nullable)
            if missing and field.default is not MISSING:
                made[key] = with_defaults(copy.deepcopy(field.default), field)
        return made
    if isinstance(value, list) and schema.items is not None:
        return [with_defaults(one, schema.items) for one in value]
    return value


_ANYTHING = Schema(preserve_unknown=True)


def _of_key(schema: Schema, key: str) -> Schema:
    return schema.properties.get(key) or schema.values or _ANYTHING
