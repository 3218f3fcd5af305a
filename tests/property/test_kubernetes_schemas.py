"""Kubernetes' bodies and schemas: objects of every kind survive, and nothing that a client sends is more than a 400."""

from __future__ import annotations

import base64
import json
import struct
from datetime import UTC, datetime
from typing import Any

import msgspec
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corral.model.kubernetes import protobuf
from corral.model.kubernetes.body import decode_body
from corral.model.kubernetes.protobuf import MAGIC
from corral.model.kubernetes.resources import GroupVersionKind
from corral.model.kubernetes.schema import Schema, builtin
from corral.model.kubernetes.schema.check import conform
from corral.model.kubernetes.schema.crd import from_structural, with_defaults
from corral.model.kubernetes.schema.data import element
from corral.model.kubernetes.schema.document import decode_json
from corral.model.kubernetes.schema.structural import problems
from corral.model.kubernetes.schema.values import validate
from corral.model.kubernetes.schema.yaml_document import decode_yaml
from corral.model.kubernetes.status import StatusError

KINDS = sorted({one.gvk for one in builtin().resources})
POD = GroupVersionKind("", "v1", "Pod")
texts = st.text(max_size=8)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
few = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)

SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": texts,
    "bytes": st.binary(max_size=6).map(lambda data: base64.b64encode(data).decode()),
    "bool": st.booleans(),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "quantity": st.sampled_from(["0", "1", "500m", "1Gi", "-3k"]),
    "int-or-string": st.integers(-(2**31), 2**31 - 1) | texts,
    "time": st.integers(0, 2**33).map(lambda at: f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"),
    "micro-time": st.integers(0, 2**33).map(lambda at: f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S.000007Z}"),
    "raw-extension": st.dictionaries(texts, anything, max_size=2),
    "fields-v1": st.dictionaries(texts, anything, max_size=2),
    "json": anything.filter(lambda value: value is not None),
    "schema-or-bool": st.booleans() | st.just({"type": "string"}),
    "schema-or-array": st.just({"type": "string"}) | st.just([{"type": "string"}]),
    "schema-or-strings": st.just({"type": "string"}) | st.just(["a", "b"]),
}


@st.composite
def of_type(draw: st.DrawFn, kind: str, depth: int = 0) -> Any:
    """A value of a type of the data file."""
    prefix, inner = element(kind)
    if prefix == "{}":
        return draw(st.dictionaries(texts, of_type(inner, depth), max_size=2))
    if prefix:
        return draw(st.lists(of_type(inner, depth), max_size=2))
    if inner in SCALARS:
        return draw(SCALARS[inner])
    fields = list(builtin().data.fields(inner))
    # What has no number is not on the wire: kind and version are in the envelope, and few fields are too new.
    known = [one for one in fields if one.path != (0,)]
    chosen = (
        draw(st.lists(st.sampled_from(known), max_size=0 if depth > 4 else 4, unique_by=lambda one: one.name))
        if known
        else []
    )
    return {one.name: draw(of_type(one.type, depth + 1)) for one in chosen}


@st.composite
def objects(draw: st.DrawFn) -> tuple[GroupVersionKind, dict[str, Any]]:
    gvk = draw(st.sampled_from(KINDS))
    found = draw(of_type(builtin().data.kinds[gvk]))
    return gvk, {"apiVersion": gvk.api_version, "kind": gvk.kind, **found}


def schema_of(gvk: GroupVersionKind) -> Schema:
    found = builtin().schema(gvk)
    assert found is not None
    return found


# -------------------------------------------------------------------------------- a writer of protobuf, for the tests


def varint(number: int) -> bytes:
    number &= 2**64 - 1
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*made, number])


def field(number: int, value: int | float | bytes) -> bytes:
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def on_wire(value: Any, kind: str) -> int | float | bytes:
    if kind in ("string",):
        return str(value).encode()
    if kind == "bytes":
        return base64.b64decode(value)
    if kind in ("bool", "int32", "int64"):
        return int(value)
    if kind == "double":
        return float(value)
    if kind == "quantity":
        return field(1, str(value).encode())
    if kind == "int-or-string":
        return field(1, 0) + field(2, value) if isinstance(value, int) else field(1, 1) + field(3, value.encode())
    if kind in ("time", "micro-time"):
        at = datetime.fromisoformat(value)
        return field(1, int(at.replace(microsecond=0).timestamp())) + field(2, at.microsecond * 1000)
    if kind in ("raw-extension", "fields-v1", "json"):
        return field(1, json.dumps(value).encode())
    if kind.startswith("schema-or-"):
        return schema_or(value, kind)
    return message(value, kind)


def schema_or(value: Any, kind: str) -> bytes:
    schema = "apiextensions.v1.JSONSchemaProps"
    if isinstance(value, bool):
        return field(1, int(value))
    if isinstance(value, list):
        return b"".join(field(2, one.encode() if isinstance(one, str) else message(one, schema)) for one in value)
    return field(2 if kind == "schema-or-bool" else 1, message(value, schema))


def message(value: dict[str, Any], name: str) -> bytes:
    made = b""
    for one in builtin().data.fields(name):
        if one.name in value and one.path != (0,):
            for part in parts(value[one.name], one.type, one.path[-1]):
                for number in reversed(one.path[:-1]):
                    part = field(number, part)
                made += part
    return made


def parts(value: Any, kind: str, number: int) -> list[bytes]:
    prefix, inner = element(kind)
    if prefix == "[]":
        return [field(number, on_wire(one, inner)) for one in value]
    if prefix == "*":
        return [field(number, b"".join(field(1, on_wire(one, inner)) for one in value))]
    if prefix == "{}":
        found = []
        for key, one in value.items():
            encoded = parts(one, inner, 2)[0]
            found.append(field(number, field(1, key.encode()) + encoded))
        return found
    return [field(number, on_wire(value, kind))]


def envelope(gvk: GroupVersionKind, obj: dict[str, Any]) -> bytes:
    meta = field(1, gvk.api_version.encode()) + field(2, gvk.kind.encode())
    return MAGIC + field(1, meta) + field(2, message(obj, builtin().data.kinds[gvk]))


# ------------------------------------------------------------------------------------------------------ properties


@few
@given(objects())
def test_an_object_is_the_same_in_every_format(found: tuple[GroupVersionKind, dict[str, Any]]) -> None:
    gvk, obj = found
    tidy = conform(obj, schema_of(gvk))
    assert not tidy.faults
    assert conform(tidy.object, schema_of(gvk)).object == tidy.object
    for data, kind in (
        (msgspec.json.encode(obj), "application/json"),
        (envelope(gvk, obj), "application/vnd.kubernetes.protobuf"),
    ):
        decoded = decode_body(data, kind, gvk).object
        assert without_empty(conform(decoded, schema_of(gvk)).object) == without_empty(tidy.object)


def without_empty(value: Any) -> Any:
    """Protobuf does not tell an empty list, map or zero time from one that is not there."""
    if isinstance(value, dict):
        made = {key: without_empty(one) for key, one in value.items()}
        return {key: one for key, one in made.items() if one not in ({}, [], None)}
    return [without_empty(one) for one in value] if isinstance(value, list) else value


@few
@given(st.sampled_from(KINDS), anything)
def test_no_object_is_too_odd_to_be_checked(gvk: GroupVersionKind, value: Any) -> None:
    found = conform({"metadata": value, "spec": value, "status": value, "data": value}, schema_of(gvk))
    msgspec.json.encode(found.object)


@few
@given(st.sampled_from(KINDS), st.data())
def test_a_value_of_the_wrong_type_is_found(gvk: GroupVersionKind, data: st.DataObject) -> None:
    schema = schema_of(gvk).properties["metadata"]
    key = data.draw(st.sampled_from(sorted(schema.properties)))
    wrong = data.draw(st.sampled_from([[[]], True, 1.5]))
    assert conform({"metadata": {key: wrong}}, schema_of(gvk)).mistyped


@given(st.binary(max_size=200))
def test_bytes_are_no_more_than_a_bad_request(data: bytes) -> None:
    for kind in ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf"):
        for body in (data, MAGIC + data):
            try:
                found = decode_body(body, kind, POD)
            except StatusError as error:
                assert error.code == 400
            else:
                msgspec.json.encode(conform(found.object, schema_of(POD)).object)


@few
@given(objects(), st.data())
def test_a_broken_message_is_no_more_than_a_bad_request(
    found: tuple[GroupVersionKind, dict[str, Any]], data: st.DataObject
) -> None:
    good = bytearray(envelope(*found))
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(4, len(good) - 1))] = data.draw(st.integers(0, 255))
    try:
        msgspec.json.encode(protobuf.decode(bytes(good[: data.draw(st.integers(4, len(good)))])))
    except StatusError as error:
        assert error.code == 400


@given(anything)
def test_json_comes_back_as_it_was(value: Any) -> None:
    found = decode_json(json.dumps(value).encode())
    assert not found.duplicates
    assert msgspec.json.encode(found.object)


@given(anything, st.booleans())
def test_yaml_and_json_say_the_same(value: Any, flow: bool) -> None:
    dumped = yaml.safe_dump({"value": value}, allow_unicode=True, default_flow_style=flow)
    try:
        found = decode_yaml(dumped.encode())
    except StatusError as error:
        assert error.code == 400
        return
    # JSON is YAML, but for what lies beyond 16 bits: its escapes are two halves there.
    text = json.dumps(found.object)
    if "\\ud8" not in text and "\\ud9" not in text and "\\uda" not in text and "\\udb" not in text:
        assert decode_yaml(text.encode()).object == found.object


raws = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["object", "array", "string", "integer", "number", "boolean"]),
        "nullable": st.booleans(),
        "default": anything,
        "enum": st.lists(anything, max_size=2),
        "pattern": texts,
        "format": st.sampled_from(["int32", "date-time", "uuid", "ipv4", "cidr", "quantity", "byte", "email"]),
        "maximum": st.integers() | st.floats(allow_nan=False, allow_infinity=False),
        "multipleOf": st.integers(1) | st.floats(min_value=1e-300, allow_nan=False, allow_infinity=False),
        "maxLength": st.integers(0, 9),
        "minItems": st.integers(0, 3),
        "uniqueItems": st.booleans(),
        "required": st.lists(texts, max_size=2),
        "x-kubernetes-preserve-unknown-fields": st.booleans(),
        "x-kubernetes-embedded-resource": st.booleans(),
        "x-kubernetes-int-or-string": st.booleans(),
        "x-kubernetes-list-type": st.sampled_from(["atomic", "set", "map"]),
        "x-kubernetes-list-map-keys": st.lists(texts, max_size=2),
    },
)
structures = st.recursive(
    raws,
    lambda inner: st.builds(
        lambda raw, more: {**raw, **more},
        raws,
        st.fixed_dictionaries(
            {},
            optional={
                "properties": st.dictionaries(texts, inner, max_size=3),
                "items": inner,
                "additionalProperties": inner | st.booleans(),
                "anyOf": st.lists(inner, min_size=1, max_size=2),
                "oneOf": st.lists(inner, min_size=1, max_size=2),
                "not": inner,
            },
        ),
    ),
    max_leaves=5,
)


@few
@given(structures, anything)
def test_any_schema_judges_any_value(raw: dict[str, Any], value: Any) -> None:
    schema = from_structural(raw)
    pruned = conform({"spec": value, "metadata": {}}, schema).object
    filled = with_defaults(pruned, schema)
    for problem in (*validate(filled, raw), *problems(raw, "schema")):
        assert str(problem)
    assert conform(pruned, schema).object == pruned
    assert with_defaults(filled, schema) == filled
