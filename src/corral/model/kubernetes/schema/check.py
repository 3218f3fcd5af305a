"""Does an object fit its schema? Unknown fields and wrong types in the words of Go's decoder; what fits, made tidy.

A kind that is built in is read as Go reads it into its types: null is nothing, unknown fields are dropped, times
are UTC. A kind of a CustomResourceDefinition is pruned; whether its values have the right types is for
`validation.py` to say. In both, `metadata` is an ObjectMeta.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from corral.model.kubernetes.quantity import NoQuantity, of_json
from corral.model.kubernetes.schema import scalars
from corral.model.kubernetes.schema.document import quote
from corral.model.kubernetes.schema.gotypes import mismatch, type_name, unrestored, value_name
from corral.model.kubernetes.schema.types import Schema

UNKNOWN = "unknown"
WRONG_TYPE = "type"
_MAX_UNKNOWN = 100
_MAX_WRONG = 10
_RAW = "io.k8s.apimachinery.pkg.runtime.RawExtension"
_RANGES = {"int32": range(-(2**31), 2**31), "int64": range(-(2**63), 2**63)}
_NOTHING: Any = object()
_EMPTY: tuple[Any, ...] = ("", 0, False, [], {})


class Fault(NamedTuple):
    """`kind` is UNKNOWN or WRONG_TYPE; `path` as in `spec.containers[0].image`; `text` as a client reads it.

    `of_map` is that text where it is another one because the object was not decoded, but made of a map.
    """

    kind: str
    path: str
    text: str
    of_map: str = ""


class Checked(NamedTuple):
    """`object` is the tidied copy: worth something only if no fault is a WRONG_TYPE."""

    object: Any
    faults: tuple[Fault, ...]

    @property
    def unknown(self) -> tuple[str, ...]:
        """The texts of what strict validation refuses."""
        return tuple(dict.fromkeys(fault.text for fault in self.faults if fault.kind == UNKNOWN))[:_MAX_UNKNOWN]

    @property
    def mistyped(self) -> str:
        """What the decoder says of the first wrong type; "" if all are right."""
        return next((fault.text for fault in self.faults if fault.kind == WRONG_TYPE), "")

    @property
    def unrestored(self) -> str:
        """The same of an object that was made of a map."""
        return next((fault.of_map or fault.text for fault in self.faults if fault.kind == WRONG_TYPE), "")


def check(obj: Any, schema: Schema) -> tuple[Fault, ...]:
    """Pure: what is wrong with an object, in the order in which it stands there.

    >>> spec = Schema("object", name="io.k8s.api.core.v1.PodSpec", properties={"hostIPC": Schema("boolean")})
    >>> pod = Schema("object", name="io.k8s.api.core.v1.Pod", properties={"spec": spec})
    >>> [fault.text for fault in check({"spec": {"x": 1, "hostIPC": "y"}}, pod)]
    ['unknown field "spec.x"', 'json: cannot unmarshal string into Go struct field PodSpec.spec.hostIPC of type bool']
    """
    return conform(obj, schema).faults


def conform(obj: Any, schema: Schema) -> Checked:
    """Pure: a tidied copy of an object, and what is wrong with it."""
    walk = _Walk()
    made = walk.value(obj, schema, None)
    return Checked(None if made is _NOTHING else made, tuple(walk.faults))


class _Walk:
    """`_path` has the pieces of the present path, `_fields` the names of struct fields on it, as Go's decoder does."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self._path: list[str] = []
        self._fields: list[str] = []
        self._silent = self._unknowns = self._wrongs = 0

    def value(self, value: Any, schema: Schema, owner: Schema | None) -> Any:
        """`owner` is the struct that the value is a field of; None where Go has no structs."""
        if value is None:
            return _NOTHING if owner is not None or schema.name or not schema.nullable else None
        built_in = owner is not None or schema.name
        if built_in and (special := _SPECIAL.get(schema.format)):
            return special(self, value, schema, owner)
        if schema.type == "object":
            return self._object(value, schema, owner)
        if schema.type == "array":
            return self._array(value, schema, owner)
        if owner is not None and not _fits(value, schema):
            return self._wrong(value, schema, owner)
        return value

    def _object(self, value: Any, schema: Schema, owner: Schema | None) -> Any:
        if schema.name == _RAW:
            return value  # any JSON, whatever its type says
        if not isinstance(value, dict):
            return self._wrong(value, schema, owner) if owner is not None or schema.name else value
        if schema.properties:
            return self._struct(value, schema, schema if schema.name else None)
        if schema.values is not None:
            return self._map(value, schema.values, owner)
        return value if schema.preserve_unknown else self._struct(value, schema, None)

    def _struct(self, value: dict[str, Any], schema: Schema, owner: Schema | None) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, one in value.items():
            field = schema.properties.get(key)
            if field is not None:
                self._fields.append(key)
                found = self._below(key, one, field, owner)
                self._fields.pop()
                if field.omit_empty and found in _EMPTY:
                    continue
            elif schema.values is not None:
                found = self._below(key, one, schema.values, None)
            elif schema.preserve_unknown:
                found = one
            else:
                self._unknown(key)
                continue
            if found is not _NOTHING:
                made[key] = found
        return made

    def _below(self, key: str, value: Any, schema: Schema, owner: Schema | None) -> Any:
        self._path.append(f".{key}")
        found = self.value(value, schema, owner)
        self._path.pop()
        return found

    def _map(self, value: dict[str, Any], values: Schema, owner: Schema | None) -> dict[str, Any]:
        made: dict[str, Any] = {}
        texts = values.type == "string" and values.format not in _SPECIAL
        for key, one in value.items():
            if texts and isinstance(one, str):
                made[key] = one
                continue
            found = self._below(key, one, values, owner)
            made[key] = _zero(values) if found is _NOTHING and owner is not None else found
        return {key: one for key, one in made.items() if one is not _NOTHING}

    def _array(self, value: Any, schema: Schema, owner: Schema | None) -> Any:
        if not isinstance(value, list) or schema.items is None:
            return self._wrong(value, schema, owner) if owner is not None else value
        made = []
        for index, one in enumerate(value):
            self._path.append(f"[{index}]")
            found = self.value(one, schema.items, owner)
            self._path.pop()
            made.append((_zero(schema.items) if owner is not None else None) if found is _NOTHING else found)
        return made

    def schema_or(self, value: Any, schema: Schema, owner: Schema | None) -> Any:
        """A JSON schema, or true or false, a list of schemas or of texts; Go says nothing of what it does not know."""
        self._silent += 1
        if isinstance(value, dict) and schema.properties:
            value = self._struct(value, schema, schema.items if schema.items and schema.items.name else schema)
        elif isinstance(value, list) and schema.format != "schema-or-bool":
            value = self._array(value, Schema("array", items=schema.items), owner)
        self._silent -= 1
        return value

    def quantity(self, value: Any, schema: Schema, owner: Schema | None) -> Any:
        try:
            return str(of_json(value))
        except NoQuantity as error:
            return self._fault(error.message)

    def int_or_string(self, value: Any, schema: Schema, owner: Schema | None) -> Any:
        if isinstance(value, str) or _fits(value, _INT32):
            return value
        shown = f"number {value}" if _is_number(value) else value_name(value)
        return self._fault(mismatch(shown, "int32", None, ()))

    def moment(self, value: Any, schema: Schema, owner: Schema | None) -> Any:
        if not isinstance(value, str):
            return self._fault(mismatch(value_name(value), "string", None, ()))
        micro = schema.name.endswith("MicroTime")
        return self._parsed(value, lambda text: scalars.moment(text, micro=micro))

    def byte(self, value: Any, schema: Schema, owner: Schema | None) -> Any:
        return self._parsed(value, scalars.base64_text) if isinstance(value, str) else self._wrong(value, schema, owner)

    def _parsed(self, text: str, parse: Callable[[str], str]) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            return self._fault(str(error))

    def _wrong(self, value: Any, schema: Schema, owner: Schema | None) -> Any:
        shown = f"number {value}" if schema.type == "integer" and _is_number(value) else value_name(value)
        return self._fault(mismatch(shown, type_name(schema), owner, self._fields), unrestored(value, schema))

    def _unknown(self, key: str) -> None:
        self._unknowns += not self._silent
        if not self._silent and self._unknowns <= 2 * _MAX_UNKNOWN:
            path = "".join([*self._path, f".{key}"]).lstrip(".")
            self.faults.append(Fault(UNKNOWN, path, f"unknown field {quote(path)}"))

    def _fault(self, text: str, of_map: str = "") -> Any:
        """Only the first few are kept: a client is shown no more, and a body may have millions."""
        self._wrongs += 1
        if self._wrongs <= _MAX_WRONG:
            self.faults.append(Fault(WRONG_TYPE, "".join(self._path).lstrip("."), text, of_map))
        return _NOTHING


_INT32 = Schema("integer", "int32")
_SPECIAL: dict[str, Callable[[_Walk, Any, Schema, Schema | None], Any]] = {
    "quantity": _Walk.quantity,
    "int-or-string": _Walk.int_or_string,
    "date-time": _Walk.moment,
    "byte": _Walk.byte,
    "schema-or-array": _Walk.schema_or,
    "schema-or-bool": _Walk.schema_or,
    "schema-or-strings": _Walk.schema_or,
}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _fits(value: Any, schema: Schema) -> bool:
    if schema.type == "string":
        return isinstance(value, str)
    if schema.type == "boolean":
        return isinstance(value, bool)
    if schema.type == "integer":
        return isinstance(value, int) and not isinstance(value, bool) and value in _RANGES[schema.format or "int64"]
    return _is_number(value) if schema.type == "number" else True


def _zero(schema: Schema) -> Any:
    """What null in a list or a map comes to in Go.

    >>> _zero(Schema("string")), _zero(Schema("string", "quantity"))
    ('', '0')
    """
    if schema.format == "date-time":
        return None
    if schema.format in ("quantity", "int-or-string"):
        return "0" if schema.format == "quantity" else 0
    return {"string": "", "boolean": False, "integer": 0, "number": 0, "array": [], "object": {}}.get(schema.type)
