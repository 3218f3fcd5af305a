"""Rules in schemas: where they are run, what they see, and how their failures read."""

from __future__ import annotations

from itertools import count
from typing import Any

from corral.cluster.apiserver.cel.compiling import problems_of_schema
from corral.cluster.apiserver.cel.rules import problems
from corral.cluster.apiserver.cel.schemas import RULES

INT = {"type": "integer"}


def schema(*rules: dict[str, Any], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties or {"a": INT, "b": INT}, RULES: list(rules)}


def texts(*found: Any) -> list[str]:
    return [str(one) for one in problems(*found)[0]]


def test_messages_paths_and_reasons() -> None:
    rule = {"rule": "self.a < self.b", "messageExpression": "'%d!'.format([self.a])", "fieldPath": ".a"}
    raw = {"type": "object", "properties": {"spec": schema(rule)}}
    assert texts({"spec": {"a": 2, "b": 1}}, None, raw) == ['spec.a: Invalid value: "object": 2!']
    rule |= {"messageExpression": "self.missing", "message": " said ", "reason": "FieldValueForbidden"}
    assert texts({"spec": {"a": 2, "b": 1}}, None, raw) == ["spec.a: Forbidden: said"]


def test_transitions_need_an_old_value() -> None:
    raw = schema({"rule": "self.a >= oldSelf.a", "message": "shrinks"})
    assert texts({"a": 1}, None, raw) == [] == texts({"a": 2}, {"a": 1}, raw)
    assert texts({"a": 1}, {"a": 2}, raw) == ['<nil>: Invalid value: "object": shrinks']
    optional = schema({"rule": "oldSelf.hasValue() || self.a == 0", "optionalOldSelf": True, "message": "begins at 0"})
    assert texts({"a": 1}, None, optional) == ['<nil>: Invalid value: "object": begins at 0']
    assert texts({"a": 1}, {"a": 0}, optional) == []


def test_items_of_maps_know_what_they_were() -> None:
    item = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "n": INT},
        RULES: [{"rule": "self.n >= oldSelf.n"}],
    }
    raw = schema(
        l={"type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    )
    old = {"l": [{"name": "a", "n": 5}, {"name": "b", "n": 1}]}
    new = {"l": [{"name": "b", "n": 2}, {"name": "a", "n": 4}]}
    assert texts(new, old, raw) == ['l[1]: Invalid value: "object": failed rule: self.n >= oldSelf.n']


def test_what_has_not_changed_is_not_refused() -> None:
    raw = schema({"rule": "self.a > 1"})
    assert texts({"a": 1}, {"a": 1}, raw) == [] and len(texts({"a": 0}, {"a": 1}, raw)) == 1
    refused, tolerated = problems({"a": 1}, {"a": 1}, raw)
    assert (refused, [str(one) for one in tolerated]) == (
        [],
        ['<nil>: Invalid value: "object": failed rule: self.a > 1'],
    )


def test_names_are_escaped() -> None:
    raw = schema(
        {"rule": "self.foo__dash__bar == 1 && self.__namespace__ == 'x'"},
        **{"foo-bar": INT, "namespace": {"type": "string"}},
    )
    assert texts({"foo-bar": 1, "namespace": "x"}, None, raw) == []


def test_errors_are_told() -> None:
    raw = schema({"rule": "self.b / self.a == 1"})
    assert texts({"a": 0, "b": 1}, None, raw) == [
        '<nil>: Invalid value: "object": division by zero evaluating rule: self.b / self.a == 1'
    ]
    assert "no such key: b" in texts({"a": 0}, None, raw)[0]


def test_time_runs_out() -> None:
    clock = count(0, 0.7).__next__
    raw = schema(*({"rule": f"self.a > {n}"} for n in range(5)))
    found, _ = problems({"a": 9}, None, raw, clock)
    assert len(found) == 1 and "running out of cost budget" in found[0].detail


def test_definitions_are_checked() -> None:
    def first(**rule: Any) -> str:
        return str(next(problems_of_schema(schema(rule), "s"), ""))

    assert first(rule="self.a > 1") == "" == first(rule="self.all(k, k != '')")
    assert "undefined field 'c'" in first(rule="self.c > 1")
    assert "cel expression must evaluate to a bool" in first(rule="'a'")
    assert "Syntax error" in first(rule="self.")
    assert first(rule=" ") == f"s.{RULES}[0].rule: Required value: rule is not specified"
    assert "must not contain line breaks" in first(rule="true", message="a\nb")
    assert "supported values" in first(rule="true", reason="Odd")
    assert "fieldPath must be a valid path" in first(rule="true", fieldPath=".x")
    assert "may not be set to true if oldSelf is not used" in first(rule="true", optionalOldSelf=True)
