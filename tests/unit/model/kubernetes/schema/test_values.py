"""Values against the rules of a custom schema, in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest

from corral.model.kubernetes.schema.values import validate


def texts(value: Any, raw: dict[str, Any], path: str = "spec") -> list[str]:
    return [str(one) for one in validate(value, raw, path)]


@pytest.mark.parametrize(
    ("raw", "good", "bad", "says"),
    [
        ({"type": "integer"}, 1.0, 1.5, 'Invalid value: "number": spec in body must be of type integer: "number"'),
        ({"type": "number"}, 1, "1", 'Invalid value: "string": spec in body must be of type number: "string"'),
        ({"type": "string"}, "", None, 'Invalid value: "null": spec in body must be of type string: "null"'),
        ({"type": "boolean"}, True, 1, 'Invalid value: "integer": spec in body must be of type boolean: "integer"'),
        (
            {"type": "string", "nullable": True},
            None,
            [],
            'Invalid value: "array": spec in body must be of type string: "array"',
        ),
        (
            {"x-kubernetes-int-or-string": True},
            "x",
            True,
            'Invalid value: "boolean": spec in body must be of type integer,string: "boolean"',
        ),
        ({"enum": ["a", 1]}, 1, "b", 'Unsupported value: "b": supported values: "a", "1"'),
        ({"enum": [1]}, 1, True, 'Unsupported value: true: supported values: "1"'),
        ({"maxLength": 2}, "äö", "abc", "Too long: may not be more than 2 bytes"),
        ({"minLength": 2}, "ab", "a", 'Invalid value: "a": spec in body should be at least 2 chars long'),
        ({"pattern": "^a+$"}, "aa", "a\n", "Invalid value: \"a\\n\": spec in body should match '^a+$'"),
        ({"maximum": 5}, 5, 6, "Invalid value: 6: spec in body should be less than or equal to 5"),
        ({"maximum": 5, "exclusiveMaximum": True}, 4, 5, "Invalid value: 5: spec in body should be less than 5"),
        ({"minimum": 0.5}, 0.5, 0.25, "Invalid value: 0.25: spec in body should be greater than or equal to 0.5"),
        ({"minimum": 0, "exclusiveMinimum": True}, 1, 0, "Invalid value: 0: spec in body should be greater than 0"),
        ({"multipleOf": 3}, 9, 10, "Invalid value: 10: spec in body should be a multiple of 3"),
        ({"maxItems": 1}, [1], [1, 2], "Too many: 2: must have at most 1 item"),
        ({"minItems": 1}, [1], [], "Invalid value: 0: spec in body should have at least 1 items"),
        ({"uniqueItems": True}, [1, True], [1, 1.0], 'Invalid value: "": spec in body shouldn\'t contain duplicates'),
        ({"minProperties": 1}, {"a": 1}, {}, "Invalid value: 0: spec in body should have at least 1 properties"),
        ({"maxProperties": 0}, {}, {"a": 1}, "Too many: 1: must have at most 0 items"),
        (
            {"type": "string", "format": "ipv4"},
            "10.0.0.1",
            "x",
            'Invalid value: "x": spec in body must be of type ipv4: "x"',
        ),
        (
            {"type": "integer", "format": "int32"},
            5,
            2**31,
            'Invalid value: 2147483648: spec in body must be of type int32: "2147483648"',
        ),
    ],
)
def test_rules(raw: dict[str, Any], good: Any, bad: Any, says: str) -> None:
    assert texts(good, raw) == []
    assert texts(bad, raw) == [f"spec: {says}"]


def test_fields_items_and_values_of_maps_have_their_paths() -> None:
    inner = {"type": "integer"}
    raw = {
        "type": "object",
        "required": ["name", "other"],
        "properties": {
            "list": {"type": "array", "items": inner},
            "map": {"type": "object", "additionalProperties": inner},
        },
    }
    assert [one.field for one in validate({"list": [1, "x"], "map": {"k": "y"}, "other": None}, raw)] == [
        "list[1]",
        "map.k",
        "name",
    ]


def test_sets_and_maps_have_no_item_twice() -> None:
    assert texts(["a", "b", "a"], {"x-kubernetes-list-type": "set"}) == ['spec[2]: Duplicate value: "a"']
    raw = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n", "p"]}
    assert texts([{"n": 1, "p": 2}, {"n": 1, "p": 3}, {"p": 2, "n": 1, "x": 5}], raw) == [
        'spec[2]: Duplicate value: {"n":1,"p":2}'
    ]


def test_combinations() -> None:
    one, two = {"required": ["a"]}, {"required": ["b"]}
    assert texts({}, {"anyOf": [one, two]}) == [
        '<nil>: Invalid value: "": "spec" must validate at least one schema (anyOf)',
        "spec.a: Required value",
    ]
    assert texts({"a": 1, "b": 1}, {"oneOf": [one, two]}) == [
        '<nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found 2 valid alternatives'
    ]
    assert texts({}, {"oneOf": [one, two]})[0].endswith("(oneOf). Found none valid")
    assert texts({"a": 1}, {"allOf": [one, two]}) == [
        "spec.b: Required value",
        '<nil>: Invalid value: "": "spec" must validate all the schemas (allOf)',
    ]
    assert texts({"a": 1}, {"not": one}) == ['<nil>: Invalid value: "": "spec" must not validate the schema (not)']
    assert texts({"a": 1}, {"anyOf": [one], "oneOf": [one, two], "allOf": [one], "not": two}) == []


def test_embedded_resources_say_what_they_are() -> None:
    raw = {"type": "object", "x-kubernetes-embedded-resource": True}
    assert texts({"kind": "Pod"}, raw) == ["spec.apiVersion: Required value: must not be empty"]


def test_a_pattern_that_would_stop_others_does_not_stop_us() -> None:
    assert texts("a" * 50_000 + "!", {"pattern": "^(a+)+$"})[0].startswith("spec: Invalid value")
