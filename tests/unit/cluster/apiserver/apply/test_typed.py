import pytest

from corral.cluster.apiserver.apply import plan
from corral.cluster.apiserver.apply.fieldset import of_paths
from corral.cluster.apiserver.apply.plan import DEDUCED
from corral.cluster.apiserver.apply.typed import check, field_set
from tests.unit.cluster.apiserver.apply.schemas import SPEC

PLAN = plan.of_schema(SPEC)
A = 'k:{"name":"a"}'


@pytest.mark.parametrize(
    ("value", "paths"),
    [
        ({"replicas": 1, "text": "x"}, [("replicas",), ("text",)]),
        ({"replicas": None}, [("replicas",)]),
        ({"map": {"a": "1"}}, [("map", "a")]),
        ({"map": {}}, [("map",)]),
        ({"structs": {"a": {"name": "x"}}}, [("structs", "a"), ("structs", "a", "name")]),
        ({"atom": {"a": 1}}, [("atom",)]),
        ({"whole": ["a"]}, [("whole",)]),
        ({"set": ["a", "b", "a"]}, [("set", 'v:"a"'), ("set", 'v:"b"')]),
        ({"set": []}, []),
        ({"list": [{"name": "a", "value": 1}]}, [("list", A), ("list", A, "name"), ("list", A, "value")]),
        ({"any": {"a": {"b": 1}, "c": [1]}}, [("any", "a"), ("any", "a", "b"), ("any", "c")]),
    ],
)
def test_the_fields_of_an_object(value, paths):
    assert field_set(value, PLAN) == of_paths(*paths)


def test_without_a_schema_every_key_counts():
    assert field_set({"a": {"b": {}}, "c": [{"d": 1}]}, DEDUCED) == of_paths(("a",), ("a", "b"), ("c",))


@pytest.mark.parametrize(
    ("value", "faults"),
    [
        ({"replicas": "x"}, [".replicas: expected numeric (int or float), got string"]),
        ({"replicas": True}, [".replicas: expected numeric (int or float), got bool"]),
        ({"text": 1}, [".text: expected string, got &value.valueUnstructured{Value:1}"]),
        ({"flag": "x"}, [".flag: expected boolean, got &{x}"]),
        ({"map": [1]}, [".map: expected map, got &{[1]}"]),
        ({"list": {"a": 1}}, [".list: expected list, got &{map[a:1]}"]),
        ({"size": []}, [".size: expected any scalar, got &{[]}"]),
        ({"nope": 1}, [".nope: field not declared in schema"]),
        ({"list": [{"name": "a"}, {"name": "a"}]}, ['.list: duplicate entries for key [name="a"]']),
        ({"set": ["a", "a"]}, ['.set: duplicate entries for key [="a"]']),
        ({"set": [None]}, [".set: element 0: associative list without keys has an element that's an explicit null"]),
        ({"set": [[]]}, [".set: element 0: not supported: associative list with lists as elements"]),
        ({"set": [{}]}, [".set: element 0: associative list without keys has an element that's a map type"]),
        ({"list": [None]}, [".list: element 0: associative list with keys may not have a null element"]),
        ({"list": ["a"]}, [".list: element 0: associative list with keys may not have non-map elements"]),
        ({"list": [{"name": "a", "value": "x"}]},
         ['.list[name="a"].value: expected numeric (int or float), got string']),
        ({"whole": [1]}, [".whole[0]: expected string, got &value.valueUnstructured{Value:1}"]),
        ({"replicas": None, "map": None, "list": None, "any": {"x": [{}]}, "size": "5%"}, []),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_object(value, faults):
    assert [str(one) for one in check(value, PLAN)] == faults
