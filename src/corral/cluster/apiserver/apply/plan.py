"""What apply needs of a Schema, compiled once: how each field, item and value is merged and owned.

Follows k8s.io/kube-openapi/pkg/schemaconv. A place where the schema says nothing is `DEDUCED` (maps are granular, lists
atomic) or, in a RawExtension or an untyped list, `UNTYPED` (all is atomic).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from corral.cluster.apiserver.apply import elements
from corral.cluster.apiserver.apply.typed_errors import TypedError
from corral.model.kubernetes.schema.types import MISSING, Schema

ATOMIC, SET, KEYED = "atomic", "set", "map"
MAP, LIST, SCALAR = "map", "list", "scalar"


@dataclass(slots=True, eq=False)
class Plan:
    """One type. It may be a scalar, a list and a map at once, if the schema allows all three.

    scalar     numeric, string, boolean or untyped; "" if it is none
    list       atomic, set or map; "" if it is none. `item` is the type of its items, `keys` tell these apart,
               `defaults` has the keys that may be left out
    map        granular or atomic; "" if it is none. `fields` are the known ones, `value` is the type of all others
    zero       the fields that a Go struct of this type has even when it is empty (see zero.py)
    loose      somewhere below there is no schema: 1 and true may be mistaken for each other
    name       the type's name in the built-in schemas
    """

    scalar: str = ""
    list: str = ""
    item: Plan | None = None
    keys: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    map: str = ""
    fields: dict[str, Plan] = field(default_factory=dict)
    value: Plan | None = None
    required: tuple[str, ...] = ()
    loose: bool = False
    name: str = ""

    @property
    def free(self) -> bool:
        """Whether this is a map of anything."""
        value = self.value
        return not self.fields and value is not None and value is not UNTYPED and value.scalar == "untyped"

    def field(self, key: str) -> Plan:
        """The type of a field; UNTYPED if there is none."""
        return self.fields.get(key) or self.value or UNTYPED

    def kind(self, value: Any) -> str:
        """Which of its types a value is of: the value's own, if the schema allows it, else the first one."""
        if isinstance(value, dict):
            if self.map:
                return MAP
        elif isinstance(value, list):
            if self.list:
                return LIST
        elif value is not None and self.scalar:
            return SCALAR
        return MAP if self.map else SCALAR if self.scalar else LIST

    def element(self, item: Any) -> str:
        """The path element for an item of this list, which is a set or keyed; raises TypedError."""
        if self.list == KEYED:
            return self._keyed(item)
        if isinstance(item, dict):
            raise TypedError("associative list without keys has an element that's a map type")
        if isinstance(item, list):
            raise TypedError("not supported: associative list with lists as elements")
        if item is None:
            raise TypedError("associative list without keys has an element that's an explicit null")
        return elements.of_value(item)

    def _keyed(self, item: Any) -> str:
        if not isinstance(item, dict):
            what = "a null element" if item is None else "non-map elements"
            raise TypedError(f"associative list with keys may not have {what}")
        if len(self.keys) == 1 and self.keys[0] in item:
            return elements.of_key(self.keys[0], item[self.keys[0]])
        found = {}
        for key in self.keys:
            if key in item:
                found[key] = item[key]
            elif key in self.defaults:
                found[key] = self.defaults[key]
        if not found:
            names = " ".join(f'"{key}"' for key in self.keys)
            text = f"associative list with keys has an element that omits all key fields [{names}] (and doesn't have "
            raise TypedError(f"{text}default values for any key fields)")
        return elements.of_keys(found)


UNTYPED = Plan(scalar="untyped", list=ATOMIC, map=ATOMIC, loose=True)
UNTYPED.item = UNTYPED.value = UNTYPED
DEDUCED = Plan(scalar="untyped", list=ATOMIC, item=UNTYPED, map="granular", loose=True)
DEDUCED.value = DEDUCED

_FIELDS_V1 = Plan(map=ATOMIC, value=UNTYPED)  # in managedFields, which nobody owns: not a reason to be `loose`
_TEXT = Plan(scalar="string")
_OWNER = Plan(map=ATOMIC, value=_TEXT)
_OBJECT_META = Plan(
    map="granular",
    fields={
        "labels": Plan(map="granular", value=_TEXT),
        "annotations": Plan(map="granular", value=_TEXT),
        "finalizers": Plan(list=SET, item=_TEXT),
        "ownerReferences": Plan(list=KEYED, keys=("uid",), item=UNTYPED),
        "managedFields": Plan(list=ATOMIC, item=UNTYPED),
        "deletionGracePeriodSeconds": Plan(scalar="numeric"),
        "generation": Plan(scalar="numeric"),
        **dict.fromkeys(("name", "generateName", "namespace", "selfLink", "uid", "resourceVersion"), _TEXT),
        **dict.fromkeys(("creationTimestamp", "deletionTimestamp"), Plan(scalar="untyped")),
    },
)


@functools.lru_cache(maxsize=1024)
def of_schema(schema: Schema | None) -> Plan:
    """Pure: the plan for objects of this schema; None: an object of which no schema is known.

    >>> port = Schema("object", properties={"port": Schema("integer"), "name": Schema("string")})
    >>> ports = Schema("array", items=port, list_type="map", list_map_keys=("port",))
    >>> plan = of_schema(Schema("object", properties={"ports": ports}))
    >>> plan.fields["ports"].element({"port": 80, "name": "web"})
    'k:{"port":80}'
    """
    if schema is None:
        return DEDUCED
    compiler = _Compiler()
    return compiler.object(schema, preserve=False, compiled=compiler.of(schema, preserve=False))


class _Compiler:
    """Types contain themselves: each is made once, and is known before its fields are made."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, bool], Plan] = {}

    def of(self, schema: Schema, *, preserve: bool) -> Plan:
        """`preserve`: a schema above keeps unknown fields, which is true of all below it."""
        preserve = preserve or schema.preserve_unknown
        known = self._made.get((id(schema), preserve))
        if known is not None:
            return known
        if schema.name.endswith("runtime.RawExtension"):
            return UNTYPED
        if schema.name.endswith("meta.v1.FieldsV1"):
            return _FIELDS_V1
        if schema.format.startswith("schema-or-"):
            return DEDUCED
        plan = self._made[id(schema), preserve] = Plan(scalar=_scalar(schema), name=schema.name)
        if schema.type in ("", "object") and not _is_scalar_alone(schema):
            self._map(plan, schema, preserve)
        if schema.type in ("", "array") and not _is_scalar_alone(schema):
            self._list(plan, schema, preserve)
        inner = [*plan.fields.values(), *(one for one in (plan.item, plan.value) if one)]
        plan.loose = plan.loose or any(one.loose for one in inner)
        return self.object(schema, preserve=preserve, compiled=plan) if schema.embedded else plan

    def object(self, schema: Schema, *, preserve: bool, compiled: Plan) -> Plan:
        """An object with apiVersion, kind and metadata, even where the schema of a CRD does not say what these are."""
        for key in ("apiVersion", "kind"):
            compiled.fields.setdefault(key, _TEXT)
        metadata = schema.properties.get("metadata")
        if metadata is None or not (metadata.name or "labels" in metadata.properties):
            compiled.fields["metadata"] = _OBJECT_META
        compiled.map = compiled.map or "granular"
        return compiled

    def _map(self, plan: Plan, schema: Schema, preserve: bool) -> None:
        plan.map = schema.map_type
        plan.required = () if schema.raw else schema.required
        plan.fields.update((key, self.of(one, preserve=preserve)) for key, one in schema.properties.items())
        if schema.values is not None:
            plan.value = self.of(schema.values, preserve=preserve)
        elif preserve or not schema.properties:
            plan.value = DEDUCED

    def _list(self, plan: Plan, schema: Schema, preserve: bool) -> None:
        plan.list, plan.keys = schema.list_type, schema.list_map_keys
        plan.item = UNTYPED if schema.items is None else self.of(schema.items, preserve=preserve)
        known = schema.items.properties if schema.items else {}
        plan.defaults = {
            key: known[key].default for key in plan.keys if key in known and known[key].default is not MISSING
        }


def _is_scalar_alone(schema: Schema) -> bool:
    return schema.format in ("int-or-string", "quantity")


def _scalar(schema: Schema) -> str:
    if schema.type in ("integer", "number"):
        return "numeric"
    if schema.type == "string":
        return "string" if schema.format in ("", "byte") else "untyped"
    return {"boolean": "boolean", "": "untyped"}.get(schema.type, "")
