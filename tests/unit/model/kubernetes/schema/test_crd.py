"""Structural schemas as Schemas, and the defaults in them."""

from __future__ import annotations

import pytest

from corral.model.kubernetes.schema import MISSING, Schema, builtin
from corral.model.kubernetes.schema.crd import from_structural, with_defaults

RAW = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "ports": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["port", "protocol"],
                    "items": {
                        "type": "object",
                        "properties": {"port": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"}},
                    },
                },
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "selector": {
                    "type": "object",
                    "x-kubernetes-map-type": "atomic",
                    "additionalProperties": {"type": "string"},
                },
                "size": {"x-kubernetes-int-or-string": True, "default": "10%"},
                "free": {"x-kubernetes-preserve-unknown-fields": True},
                "any": {"type": "object", "additionalProperties": True},
                "note": {"type": "string", "nullable": True, "default": "n"},
                "nested": {"type": "object", "default": {}, "properties": {"deep": {"type": "integer", "default": 7}}},
                "groups": {
                    "type": "object",
                    "additionalProperties": {"type": "object", "properties": {"x": {"default": 1}}},
                },
            },
        }
    },
}
SCHEMA = from_structural(RAW)
SPEC = SCHEMA.properties["spec"]


def test_what_every_kind_has_is_there() -> None:
    assert SCHEMA.properties["metadata"] is builtin().type("meta.v1.ObjectMeta")
    assert SCHEMA.properties["kind"].type == "string" and SCHEMA.required == ("spec",)
    assert SCHEMA.raw is RAW


def test_lists_maps_and_what_may_be_two_things() -> None:
    ports = SPEC.properties["ports"]
    assert (ports.list_type, ports.list_map_keys) == ("map", ("port", "protocol"))
    assert SPEC.properties["tags"].list_type == "set"
    assert SPEC.properties["selector"].map_type == "atomic" and SPEC.map_type == "granular"
    assert (SPEC.properties["size"].type, SPEC.properties["size"].format) == ("", "int-or-string")
    assert SPEC.properties["free"].preserve_unknown and not SPEC.preserve_unknown
    anything = SPEC.properties["any"].values
    assert anything is not None and anything.preserve_unknown
    assert SPEC.properties["note"].nullable and SPEC.default is MISSING


def test_embedded_resources_have_metadata_too() -> None:
    raw = {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}
    found = from_structural({"type": "object", "properties": {"template": raw}}).properties["template"]
    assert found.embedded and found.preserve_unknown
    assert found.properties["metadata"] is builtin().type("meta.v1.ObjectMeta")


def test_defaults_fill_what_is_missing_and_what_is_null_but_may_not_be() -> None:
    obj = {"spec": {"size": None, "note": None, "ports": [{"port": 1}], "groups": {"a": {}, "b": None}}}
    assert with_defaults(obj, SCHEMA) == {
        "spec": {
            "size": "10%",
            "note": None,
            "ports": [{"port": 1, "protocol": "TCP"}],
            "nested": {"deep": 7},
            "groups": {"a": {"x": 1}, "b": None},
        }
    }
    assert obj == {"spec": {"size": None, "note": None, "ports": [{"port": 1}], "groups": {"a": {}, "b": None}}}


def test_defaults_are_copies() -> None:
    schema = Schema("object", properties={"list": Schema("array", items=Schema("string"), default=["a"])})
    with_defaults({}, schema)["list"].append("b")
    assert with_defaults({}, schema) == {"list": ["a"]}


@pytest.mark.parametrize("value", [None, 1, "x", [1]])
def test_what_is_no_object_has_no_defaults(value: object) -> None:
    assert with_defaults(value, SCHEMA) == value


def test_an_odd_schema_is_still_one() -> None:
    found = from_structural({"type": 5, "properties": {"a": True}, "items": [], "x-kubernetes-list-type": None})
    assert found.type == "" and "a" not in found.properties and found.items is None and found.list_type == "atomic"
