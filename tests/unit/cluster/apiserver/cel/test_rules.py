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

    assert first(rule="self.a > 1") == ""
    assert "undefined field 'c'" in first(rule="self.c > 1")
    assert "cel expression must evaluate to a bool" in first(rule="'a'")
    assert "Syntax error" in first(rule="self.")
    assert first(rule=" ") == f"s.{RULES}[0].rule: Required value: rule is not specified"
    assert "must not contain line breaks" in first(rule="true", message="a\nb")
    assert "supported values" in first(rule="true", reason="Odd")
    assert "fieldPath must be a valid path" in first(rule="true", fieldPath=".x")
    assert "may not be set to true if oldSelf is not used" in first(rule="true", optionalOldSelf=True)


def test_definitions_are_checked_with_the_types_of_their_schema() -> None:
    """The words are those that upstream's users know, and so are the places."""

    def first(rule: str, message: str = "", optional: bool = False, **properties: Any) -> str:
        words = {"rule": rule, "optionalOldSelf": optional, "messageExpression": message}
        found = next(problems_of_schema(schema({k: v for k, v in words.items() if v}, **properties), "s"), None)
        return found.detail.removeprefix("compilation failed: ERROR: <input>:") if found else ""

    text, time = {"type": "string"}, {"type": "string", "format": "date-time"}
    pairs = {"type": "object", "additionalProperties": {"type": "object", "properties": {"x": text}}}
    assert first("self.a > 'x'").startswith("1:8: found no matching overload for '_>_' applied to '(int, string)'")
    assert first("self.a") == "cel expression must evaluate to a bool"
    assert first("self.a > 1", "self.a") == "messageExpression must evaluate to a string"
    assert first("self.d == 1", d={"type": "number"}).startswith("1:8: found no matching overload for '_==_' applied")
    assert first("self.d > 1", d={"type": "number"}) == "", "numbers of all types can be compared"
    assert first("self.l.all(x, x.c == '')", l={"type": "array", "items": pairs["additionalProperties"]}) != ""
    assert first("self.m['k'].x == '' && self.m.all(k, v, v.x == k)", m=pairs) == ""
    assert "undefined field 'y'" in first("self.m.k.y == ''", m=pairs)
    assert "cannot be the range of a comprehension" in first("self.all(k, k != '')"), "an object with fields is no map"
    assert first("self.t.getFullYear() > 2000 && self.t > timestamp('2000-01-01T00:00:00Z')", t=time) == ""
    assert "undefined field 'u'" in first("self.u.v == 1", u={"x-kubernetes-preserve-unknown-fields": True})
    assert first("self.i == 1 || self.i == '1'", i={"x-kubernetes-int-or-string": True}) == ""
    assert "(int, null)" in first("self.a == null")
    assert first("self.a > oldSelf.a.orValue(0)", optional=True) == ""
    assert first("self.a > oldSelf.a", optional=True).splitlines() == [
        "1:8: found no matching overload for '_>_' applied to '(int, optional_type(int))'",
        " | self.a > oldSelf.a",
        " | .......^",
    ]


def test_times_durations_and_bytes_are_such() -> None:
    def said(rule: str, value: Any, name: str, old: Any = None) -> list[str]:
        raw = schema({"rule": rule, "message": "no"}, a={"type": "string", "format": name})
        assert [*problems_of_schema(raw, "s")] == []
        return texts({"a": value}, old, raw)

    later = "self.a > timestamp('2026-01-01T00:00:00Z')"
    assert said(later, "2026-01-01T02:00:00.5+01:00", "date-time") == [] == said(later, "2026-01-02", "date")
    assert len(said(later, "2025-01-01T00:00:00Z", "date-time")) == 1
    assert said("self.a > oldSelf.a", "2026-01-02", "date", {"a": "2026-01-01"}) == []
    assert said("self.a == duration('90m')", "1h30m", "duration") == [] == said("self.a == b'x'", "eA==", "byte")
    assert "no such overload" in said(later, "soon", "date-time")[0], "that it is no time is told by the schema's check"
    listed = schema({"rule": "self.l.sum() == duration('3s')"}, l={"type": "array", "items": {"format": "duration"}})
    listed["properties"]["l"]["items"]["type"] = "string"
    assert texts({"l": ["1s", "2 sec"]}, None, listed) == []


def test_an_embedded_object_shows_what_it_is() -> None:
    inner = {"type": "object", "x-kubernetes-embedded-resource": True, "properties": {"z": INT}}
    raw = schema({"rule": "self.e.kind == 'Pod' && self.e.metadata.name == 'p'"}, e=inner)
    assert [*problems_of_schema(raw, "s")] == []
    assert texts({"e": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {}}}}, None, raw) == []
