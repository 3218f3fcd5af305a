"""How Go's JSON decoder names types and refuses values: the words that clients of a Kubernetes server know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from corral.model.kubernetes.schema.types import Schema

_FORMATS = {"int32": "int32", "int64": "int64", "double": "float64", "byte": "[]uint8"}
_KINDS = {"string": "string", "boolean": "bool", "number": "float64", "integer": "int64"}


def type_name(schema: Schema) -> str:
    """Pure: the Go type.

    >>> type_name(Schema("integer", "int32")), type_name(Schema("array", items=Schema("string")))
    ('int32', '[]string')
    >>> type_name(Schema("object", name="io.k8s.api.core.v1.PodSpec"))
    'v1.PodSpec'
    """
    if schema.format in _FORMATS:
        return _FORMATS[schema.format]
    if schema.type == "array" and schema.items:
        return "[]" + type_name(schema.items)
    if schema.type == "object":
        if schema.values:
            return "map[string]" + type_name(schema.values)
        return ".".join(schema.name.split(".")[-2:])
    return _KINDS.get(schema.type, "interface {}")


def struct_name(schema: Schema) -> str:
    """Pure: a struct without its package."""
    return schema.name.rpartition(".")[2]


def value_name(value: Any) -> str:
    """Pure: what kind of JSON a value is.

    >>> [value_name(one) for one in ("x", 3, True, [], {}, 1.5)]
    ['string', 'number', 'bool', 'array', 'object', 'number']
    """
    if isinstance(value, bool):
        return "bool"
    kinds = {str: "string", int: "number", float: "number", list: "array", dict: "object"}
    return kinds.get(type(value), "null")


def mismatch(shown: str, wanted: str, owner: Schema | None, path: Sequence[str]) -> str:
    """Pure: the decoder's complaint; `path` leads to the field, `owner` is the struct that it is in.

    >>> spec = Schema("object", name="io.k8s.api.apps.v1.DeploymentSpec")
    >>> mismatch("string", "int32", spec, ("spec", "replicas"))
    'json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32'
    """
    into = f"Go struct field {struct_name(owner)}.{'.'.join(path)}" if owner else "Go value"
    return f"json: cannot unmarshal {shown} into {into} of type {wanted}"


def unrestored(value: Any, schema: Schema) -> str:
    """Pure: the complaint of whoever makes a typed object of a map (k8s.io/apimachinery/pkg/runtime, converter.go).

    >>> unrestored(2, Schema("string")), unrestored("3", Schema("integer", "int32"))
    ('cannot convert int64 to string', 'unrecognized type: int32')
    >>> unrestored("x", Schema("object", values=Schema("string"))), unrestored({}, Schema("array"))
    ('cannot restore map from string', 'cannot restore slice from map')
    """
    found = _GO_KINDS[type(value)]
    if schema.type == "array" or schema.format == "byte":
        return f"cannot restore slice from {found}"
    if schema.type == "object":
        return f"cannot restore map from {found}" if schema.values else f"cannot restore struct from: {found}"
    wanted = type_name(schema)
    return f"cannot convert {found} to {wanted}" if (found, wanted) in _CONVERTIBLE else f"unrecognized type: {wanted}"


_GO_KINDS = {str: "string", int: "int64", float: "float64", bool: "bool", list: "slice", dict: "map"}
# What Go could convert and JSON cannot; what it could not convert either, it says less of.
_CONVERTIBLE = {("int64", "string"), *((one, two) for one in ("int64", "float64") for two in ("int32", "int64"))}
