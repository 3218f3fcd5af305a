"""What rules are estimated to cost: the numbers that upstream has for the same rules of the same schemas."""

from __future__ import annotations

from typing import Any

import pytest

from corral.cluster.apiserver.cel.compiling import problems_of_schema
from corral.cluster.apiserver.cel.cost import estimate
from corral.cluster.apiserver.cel.declared import declared
from corral.cluster.apiserver.cel.sizes import sized
from corral.cluster.apiserver.cel.typed import Rules

RULES = "x-kubernetes-validations"
OBJECT = {"type": "object", "properties": {"required": {"type": "string"}}, "required": ["required"]}
TEXTS = {"type": "array", "items": {"type": "string"}}
TEN_TEXTS = {"type": "array", "maxItems": 10, "items": {"type": "string", "maxLength": 10}}
AT = "spec.validation.openAPIV3Schema"
ADVICE = "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"  # noqa: E501


def array(item: dict[str, Any], **more: int) -> dict[str, Any]:
    return {"type": "array", "items": item, **more}


def mapping(value: dict[str, Any], **more: int) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": value, **more}


def cost(raw: dict[str, Any], rule: str, *, optional: bool = False) -> int:
    shapes: dict[str, dict[str, str]] = {}
    word, root = declared(raw, shapes), sized(raw)
    assert root
    return estimate(Rules(word, shapes, optional=optional).check(rule, "BOOL"), root)


@pytest.mark.parametrize(
    ("raw", "rule", "expected"),
    [
        (array({"type": "number"}), "self.all(x, true)", 4718591),
        (array({"type": "number"}, maxItems=10), "self.all(x, true)", 32),
        (array({"type": "string"}), "self.all(x, true)", 3145727),
        (array(array({"type": "number"})), "self.all(x, true)", 3145727),
        (array(OBJECT), "self.all(x, true)", 555128),
        (array({"type": "string", "format": "duration"}), "self.all(x, true)", 2359295),
        (array({"type": "string", "format": "date-time"}), "self.all(x, true)", 428963),
        (array({"x-kubernetes-int-or-string": True}), "self[0] == 5", 3),
        (array({"type": "string"}), "self[1] == self[1]", 314577),
        (array({"type": "number"}, maxItems=10), "self.all(x, self.all(y, true))", 352),
        (array({"type": "number"}, maxItems=10), "self.all(x, self.all(y, self.all(z, true)))", 3552),
        (array(mapping({"type": "number"})), "self.all(x, x.y == 25.2)", 6291452),
        (array(mapping({"type": "number"})), "self[0].x > 2.0", 4),
        (mapping({"type": "number"}), "self.all(x, true)", 1348169),
        (mapping({"type": "boolean"}), "self.all(x, true)", 943718),
        (mapping({"type": "string"}), "self.all(x, x.contains(self[x]))", 2752507),
        (mapping({"type": "string", "maxLength": 10}, maxProperties=10), "self.all(x, x.contains(self[x]))", 72),
        (mapping({"type": "integer"}), "oldSelf.size() == self.size()", 5),
        (mapping({"type": "string", "format": "date-time"}), 'self["a"] == self["b"]', 8),
        ({"type": "string"}, "self.contains('test')", 314574),
        ({"type": "string", "maxLength": 10}, "self.contains('test')", 5),
        ({"type": "string"}, "self.startsWith('test')", 2),
        ({"type": "string"}, "size(self + 'hello') > size('hello')", 314578),
        ({"type": "string"}, "self.matches('x')", 314574),
        ({"type": "string", "maxLength": 50}, "self.matches('x')", 22),
        ({"type": "string"}, "''.matches('(((((((((())))))))))[0-9]')", 7),
        ({"type": "string"}, "self.matches('')", 1),
        ({"type": "string"}, "self.find('[0-9]+') == ''", 629147),
        ({"type": "string"}, "self.lowerAscii() == 'lower!'", 314575),
        ({"type": "string", "enum": ["A", "B", "C", "LongValue"]}, "self.contains('A')", 2),
        ({"type": "string", "format": "byte"}, "self == b'x'", 2),
        ({"x-kubernetes-int-or-string": True}, "isQuantity(self)", 314574),
        (TEXTS, "self.join(' ') == 'aa bb'", 329853068905),
        (TEN_TEXTS, "self.join(' ') == 'aa bb'", 43),
        (TEXTS, "self.isSorted() == true", 329854432052),
        (TEN_TEXTS, "self.isSorted() == true", 52),
        ({"type": "string"}, "sets.contains([1, 2, 3, 4], [2, 3])", 29),
        ({"type": "string"}, "!ip.isCanonical('127.0.0.1')", 3),
    ],
)
def test_estimates_are_upstreams(raw: dict[str, Any], rule: str, expected: int) -> None:
    assert cost(raw, rule) == expected


def test_an_optional_old_value_costs_nothing_by_itself() -> None:
    rule = "self.all(x, x != 1)"
    assert cost(array({"type": "integer"}), rule, optional=True) == cost(array({"type": "integer"}), rule)


@pytest.mark.parametrize("rule", [
    "self.indexOf('a') == 1",
    "self.map(x, x.size()).sum() > 1",
    "self.transformMap(i, x, x.size()).size() > 1",
])  # fmt: skip
def test_what_is_said_by_other_words_costs_no_more(rule: str) -> None:
    assert cost(TEN_TEXTS, rule) < 400


def said(schema: dict[str, Any]) -> list[str]:
    return [str(one).replace(ADVICE, "…") for one in problems_of_schema(schema, AT)]


def test_loops_in_loops_over_lists_without_a_limit_are_refused() -> None:
    schema = {"type": "object", "properties": {"l": TEXTS}, RULES: [{"rule": "self.l.all(x, self.l.all(y, x == y))"}]}
    whole = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
    assert said(schema) == [
        f"{AT}.{RULES}[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x …",
        f"{AT}.{RULES}[0].rule: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire "
        "OpenAPIv3 schema",
        f"{AT}: Forbidden: {whole} exceeds budget by factor of more than 100x …",
    ]
    limited = {**schema, "properties": {"l": {**TEXTS, "maxItems": 20, "items": {"type": "string", "maxLength": 63}}}}
    assert not said(limited)


def test_a_rule_counts_as_often_as_there_can_be_what_it_is_for() -> None:
    item = {"type": "string", "maxLength": 63, RULES: [{"rule": "self.matches('^[a-z]+$')"}]}
    where = f"{AT}.properties[l].items.{RULES}[0].rule"
    schema = {"type": "object", "properties": {"l": array(item)}}
    assert said(schema) == [f"{where}: Forbidden: estimated rule cost exceeds budget by factor of 5.6x …"]
    assert not said({"type": "object", "properties": {"l": array(item, maxItems=64)}})


def test_rules_that_are_cheap_enough_alone_may_be_too_dear_together() -> None:
    loops = [{"rule": f"self.l.all(x, x != 'a{number}')"} for number in range(20)]
    found = said({"type": "object", "properties": {"l": TEXTS}, RULES: loops})
    assert [one.partition(": ")[0] for one in found] == [f"{AT}.{RULES}[{number}].rule" for number in range(4)] + [AT]
    assert found[-1].endswith("for entire OpenAPIv3 schema exceeds budget by factor of 1.048576x …")


def test_a_message_may_be_too_dear_too() -> None:
    rule = {"rule": "size(self.l) > 0", "messageExpression": "self.l.join(',')"}
    first, *_ = said({"type": "object", "properties": {"l": TEXTS}, RULES: [rule]})
    where = f"{AT}.{RULES}[0].messageExpression"
    assert first == f"{where}: Forbidden: estimated messageExpression cost exceeds budget by factor of more than 100x …"


def test_numbers_do_not_grow_without_an_end() -> None:
    rule = "self"
    for name in "abcdefgh":
        rule = f"cel.bind({name}, {rule}, {name}.replace('', {name}))"
    assert cost({"type": "string"}, f"{rule} == ''") == 2**64 - 1
