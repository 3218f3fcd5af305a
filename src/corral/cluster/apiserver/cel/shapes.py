"""The types of objects, as the check of expressions knows them. Pure; the library is not needed for it.

A type is a word: int, double, bool, string, bytes, timestamp, duration, dyn (anything), or `list WORD`, `map WORD`,
`object NAME`, where NAME is one of the shapes: the fields of an object by their names in expressions.
Follows k8s.io/apiserver/pkg/cel/common (SchemaDeclType) and …/admission/plugin/cel (request, namespaceObject).
"""

from __future__ import annotations

import re
from typing import Final

from corral.cluster.apiserver.cel.schemas import escape
from corral.model.kubernetes.schema import Schema

Shapes = dict[str, dict[str, str]]
DYN: Final = "dyn"
WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
FORMATS: Final = {"byte": "bytes", "date": "timestamp", "date-time": "timestamp", "duration": "duration"}
PLAIN: Final = {"integer": "int", "number": "double", "boolean": "bool"}
_GROUP: Final = {"group": "string", "version": "string"}
REQUEST: Final[Shapes] = {
    "kubernetes.GroupVersionKind": {**_GROUP, "kind": "string"},
    "kubernetes.GroupVersionResource": {**_GROUP, "resource": "string"},
    "kubernetes.UserInfo": {"username": "string", "uid": "string", "groups": "list string", "extra": "map list string"},
    "kubernetes.AdmissionRequest": {
        "kind": "object kubernetes.GroupVersionKind",
        "resource": "object kubernetes.GroupVersionResource",
        "subResource": "string",
        "requestKind": "object kubernetes.GroupVersionKind",
        "requestResource": "object kubernetes.GroupVersionResource",
        "requestSubResource": "string",
        "name": "string",
        "namespace": "string",
        "operation": "string",
        "userInfo": "object kubernetes.UserInfo",
        "dryRun": "bool",
        "options": DYN,
    },
}
NAMESPACE: Final[Shapes] = {
    "kubernetes.NamespaceMetadata": {
        **dict.fromkeys(("name", "generateName", "namespace", "UID", "resourceVersion"), "string"),
        **dict.fromkeys(("labels", "annotations"), "map string"),
        **dict.fromkeys(("creationTimestamp", "deletionTimestamp"), "timestamp"),
        **dict.fromkeys(("deletionGracePeriodSeconds", "generation"), "int"),
        "finalizers": "list string",
    },
    "kubernetes.NamespaceSpec": {"finalizers": "list string"},
    "kubernetes.NamespaceStatus": {"phase": "string"},
    "kubernetes.Namespace": {
        "metadata": "object kubernetes.NamespaceMetadata",
        "spec": "object kubernetes.NamespaceSpec",
        "status": "object kubernetes.NamespaceStatus",
    },
}


def shape(schema: Schema, name: str, into: Shapes) -> str:
    """The type of a schema; the shapes that it needs are added to `into`.

    >>> inner = Schema("object", properties={"a-b": Schema("integer"), "c": Schema("array", items=Schema("string"))})
    >>> found: Shapes = {}
    >>> shape(Schema("object", properties={"spec": inner, "any": Schema("object")}), "Web", found)
    'object Web'
    >>> found
    {'Web': {'spec': 'object Web.spec', 'any': 'dyn'}, 'Web.spec': {'a__dash__b': 'int', 'c': 'list string'}}
    """
    if schema.format == "int-or-string" or schema.preserve_unknown:
        return DYN
    if schema.type == "object" and schema.values is not None:
        return f"map {shape(schema.values, f'{name}.value', into)}"
    if schema.type == "object" and schema.properties:
        return f"object {_object(schema, name, into)}"
    if schema.type == "array":
        return f"list {shape(schema.items, f'{name}.item', into)}" if schema.items is not None else f"list {DYN}"
    if schema.type == "string":
        return FORMATS.get(schema.format, "string")
    return PLAIN.get(schema.type, DYN)


def _object(schema: Schema, name: str, into: Shapes) -> str:
    """A built-in type, which may contain itself, is one shape wherever it is."""
    known = schema.name or name
    if known not in into:
        fields = into[known] = {}
        for key, below in schema.properties.items():
            field = escape(key)
            if WORD.fullmatch(field):
                fields[field] = shape(below, f"{known}.{field}", into)
    return known
