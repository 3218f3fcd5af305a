"""The schemas of the kinds that are built in, made from the data file when they are first asked for."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import msgspec

from corral.model.kubernetes.resources import GroupVersionKind, Resource
from corral.model.kubernetes.schema.data import Data, Field, element, load, long_name
from corral.model.kubernetes.schema.types import Schema

_JSON_SCHEMA = "apiextensions.v1.JSONSchemaProps"
# Kinds that every group has, of which upstream's documents say so with a line for each.
EVERYWHERE = {"DeleteOptions": "meta.v1.DeleteOptions", "WatchEvent": "meta.v1.WatchEvent"}

_SCALARS: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "bytes": {"type": "string", "format": "byte"},
    "bool": {"type": "boolean"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "double": {"type": "number", "format": "double"},
    "quantity": {"type": "string", "format": "quantity", "name": "apimachinery.api.resource.Quantity"},
    "int-or-string": {"format": "int-or-string", "name": "apimachinery.util.intstr.IntOrString"},
    "time": {"type": "string", "format": "date-time", "name": "meta.v1.Time"},
    "micro-time": {"type": "string", "format": "date-time", "name": "meta.v1.MicroTime"},
    "duration": {"type": "string", "name": "meta.v1.Duration"},
    "raw-extension": {"type": "object", "preserve_unknown": True, "name": "apimachinery.runtime.RawExtension"},
    "fields-v1": {"type": "object", "preserve_unknown": True, "name": "meta.v1.FieldsV1"},
    "json": {"preserve_unknown": True, "name": "apiextensions.v1.JSON"},
    "schema-or-array": {"format": "schema-or-array", "name": "apiextensions.v1.JSONSchemaPropsOrArray"},
    "schema-or-bool": {"format": "schema-or-bool", "name": "apiextensions.v1.JSONSchemaPropsOrBool"},
    "schema-or-strings": {"format": "schema-or-strings", "name": "apiextensions.v1.JSONSchemaPropsOrStringArray"},
}


class Builtin:
    """All stable resources of Kubernetes, and the schemas of their kinds.

    A type that is one of several (`int-or-string`, `schema-or-bool`, …) has no `type`, and says so in `format`;
    of a `schema-or-…`, `properties` are those of a JSON schema, `items` the type of a list's items.
    """

    def __init__(self, data: Data) -> None:
        self.data = data
        self.resources: tuple[Resource, ...] = data.resources
        self._made: dict[str, Schema] = {}
        self._scalars: dict[tuple[str, bool], Schema] = {}

    def schema(self, gvk: GroupVersionKind) -> Schema | None:
        """The kind's schema, kinds of lists and options included; None for a kind that is not built in."""
        name = self.type_name(gvk)
        return self.type(name) if name else None

    def type_name(self, gvk: GroupVersionKind) -> str | None:
        """The short name of the type of a kind, such as "core.v1.Pod"; None for a kind that is not built in."""
        return self.data.kinds.get(gvk) or EVERYWHERE.get(gvk.kind)

    def type(self, name: str) -> Schema:
        """A type by its short name, such as "core.v1.PodSpec". Raises KeyError."""
        found = self._made.get(name)
        if found is None:
            header = self.data.types[name].partition("\n")[0]
            map_type = "atomic" if header.endswith(" atomic") else "granular"
            properties: dict[str, Schema] = {}
            # Known before its fields are made: types contain themselves.
            found = self._made[name] = Schema(
                type="object", name=long_name(name), properties=properties, map_type=map_type
            )
            fields = tuple(self.data.fields(name))
            found.required = tuple(field.name for field in fields if field.required)
            properties.update((field.name, self._field(field)) for field in fields)
        return found

    def _field(self, field: Field) -> Schema:
        made, options = self._of(field.type), field.options
        if not options and not field.omit_empty:
            return made
        if field.type in _SCALARS and not options:
            return self._scalar(field.type, omit_empty=True)
        changes: dict[str, Any] = {"omit_empty": field.omit_empty}
        if "set" in options:
            changes["list_type"] = "set"
        if "map" in options:
            changes |= {"list_type": "map", "list_map_keys": tuple(options["map"].split(","))}
        if "atomic" in options:
            changes["map_type"] = "atomic"
        if "patch" in options:
            changes["patch_strategy"] = tuple(options["patch"].split(","))
        if "merge" in options:
            changes["patch_merge_key"] = options["merge"]
        if "default" in options:
            changes["default"] = msgspec.json.decode(options["default"])
        # `properties` is shared: a type that is still being made gets its fields in both.
        return dataclasses.replace(made, **changes)

    def _of(self, kind: str) -> Schema:
        prefix, inner = element(kind)
        if prefix == "{}":
            return Schema(type="object", values=self._of(inner))
        if prefix:
            return Schema(type="array", items=self._of(inner))
        return self._scalar(kind) if kind in _SCALARS else self.type(kind)

    def _scalar(self, kind: str, *, omit_empty: bool = False) -> Schema:
        found = self._scalars.get((kind, omit_empty))
        if found is None:
            found = self._scalars[kind, omit_empty] = Schema(**_SCALARS[kind], omit_empty=omit_empty)
            found.name = long_name(found.name) if found.name else ""
            if kind.startswith("schema-or-"):
                schema = self.type(_JSON_SCHEMA)
                found.properties = schema.properties
                found.items = self._scalar("string") if kind == "schema-or-strings" else schema
        return found


@cache
def builtin() -> Builtin:
    """
    >>> pod = builtin().schema(GroupVersionKind("", "v1", "Pod"))
    >>> pod.properties["spec"].properties["containers"].list_map_keys
    ('name',)
    >>> builtin().type("core.v1.ContainerPort").properties["protocol"].default
    'TCP'
    """
    return Builtin(load())
