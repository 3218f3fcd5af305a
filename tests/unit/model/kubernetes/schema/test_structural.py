"""What makes a schema one that a custom kind may have."""

from __future__ import annotations

from typing import Any

import pytest

from corral.model.kubernetes.schema.structural import problems

OBJECT: dict[str, Any] = {"type": "object"}
STRING: dict[str, Any] = {"type": "string"}


def texts(raw: dict[str, Any]) -> list[str]:
    return [str(one) for one in problems(raw, "s")]


def around(raw: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"f": raw}}


@pytest.mark.parametrize(
    "raw",
    [
        OBJECT,
        {
            "type": "object",
            "properties": {"metadata": {"type": "object", "properties": {"name": {"type": "string", "pattern": "^a"}}}},
        },
        around(
            {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}], "pattern": "x"}
        ),
        around({"x-kubernetes-int-or-string": True, "allOf": [{"anyOf": [{"type": "integer"}, {"type": "string"}]}]}),
        around({"x-kubernetes-preserve-unknown-fields": True}),
        around(
            {"type": "object", "properties": {"a": STRING}, "oneOf": [{"required": ["a"]}, {"properties": {"a": {}}}]}
        ),
        around({"type": "array", "items": STRING, "x-kubernetes-list-type": "set"}),
        around({"type": "string", "default": "a", "enum": ["a"]}),
        around({"type": "object", "additionalProperties": True}),
    ],
)
def test_structural_schemas(raw: dict[str, Any]) -> None:
    assert texts(raw) == []


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ({}, "s.type: Required value: must not be empty at the root"),
        (STRING, 's.type: Invalid value: "string": must be object at the root'),
        ({"type": "object", "nullable": True}, "s.nullable: Forbidden: nullable cannot be true at the root"),
        (
            {"type": "object", "additionalProperties": STRING},
            "s.additionalProperties: Forbidden: must not be used at the root",
        ),
        (around({}), "s.properties[f].type: Required value: must not be empty for specified object fields"),
        (
            around({"type": "array", "items": {}}),
            "s.properties[f].items.type: Required value: must not be empty for specified array items",
        ),
        (around({"type": "array"}), "s.properties[f].items: Required value: must be specified"),
        (
            around({"type": "text"}),
            's.properties[f].type: Unsupported value: "text": supported values: "array", "boolean", "integer", '
            '"number", "object", "string"',
        ),
        (
            around({"type": "string", "allOf": [{"type": "string"}]}),
            "s.properties[f].allOf[0].type: Forbidden: must be empty to be structural",
        ),
        (
            around({"type": "object", "not": {"properties": {"a": {"nullable": True}}}, "properties": {"a": STRING}}),
            "s.properties[f].not.properties[a].nullable: Forbidden: must be false to be structural",
        ),
        (
            {"type": "object", "anyOf": [{"properties": {"b": {"items": {}}}}]},
            "s.properties[b]: Required value: because it is defined in s.anyOf[0].properties[b]",
        ),
        (
            around({"type": "string", "pattern": "("}),
            's.properties[f].pattern: Invalid value: "(": must be a valid regular expression, but isn\'t: '
            "error parsing regexp: missing closing ): `(`",
        ),
        (
            around({"type": "array", "items": STRING, "uniqueItems": True}),
            "s.properties[f].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity "
            "becomes quadratic",
        ),
        (
            around({"type": "object", "properties": {"a": STRING}, "additionalProperties": STRING}),
            "s.properties[f].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
        ),
        (
            around(
                {"type": "string", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}
            ),
            's.properties[f].type: Invalid value: "string": must be object if x-kubernetes-embedded-resource is true',
        ),
        (
            around({"type": "string", "x-kubernetes-list-type": "set"}),
            's.properties[f].type: Invalid value: "string": must be array if x-kubernetes-list-type is specified',
        ),
        (around({"$ref": "x", "type": "object"}), "s.properties[f].$ref: Forbidden: $ref is not supported"),
        (
            around({"type": "integer", "default": "x"}),
            's.properties[f].default: Invalid value: "string":  in body must be of type integer: "string"',
        ),
        (
            around({"type": "object", "properties": {"a": STRING}, "default": {"b": 1}}),
            's.properties[f].default: Invalid value: {"b":1}: must not have unknown fields',
        ),
        (
            {"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": OBJECT}}}},
            "s.properties[metadata]: Forbidden: must not specify anything other than name and generateName, "
            "but metadata is implicitly specified",
        ),
    ],
)
def test_what_is_not_structural(raw: dict[str, Any], says: str) -> None:
    assert says in texts(raw)


def test_keys_of_lists_must_tell_items_apart() -> None:
    items = {
        "type": "object",
        "properties": {"a": STRING, "b": {"type": "object"}, "c": {"type": "string", "nullable": True}},
    }
    raw = {
        "type": "array",
        "items": items,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["a", "b", "z"],
    }
    found = "\n".join(texts(around(raw)))
    assert "entries must all be names of item properties" in found
    assert 'items.properties[b].type: Invalid value: "object": must be a scalar type' in found
    assert "items.properties[a].default: Required value: this property is in x-kubernetes-list-map-keys" in found
    assert "must not be empty if x-kubernetes-list-type is map" in "\n".join(
        texts(around({"type": "array", "items": OBJECT, "x-kubernetes-list-type": "map"}))
    )
