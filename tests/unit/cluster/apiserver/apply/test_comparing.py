import pytest

from corral.cluster.apiserver.apply import plan
from corral.cluster.apiserver.apply.comparing import compare, everything
from corral.cluster.apiserver.apply.fieldset import of_paths
from corral.cluster.apiserver.apply.typed_errors import TypedError
from corral.model.kubernetes.schema.types import Schema
from tests.unit.cluster.apiserver.apply.schemas import SPEC

PLAN = plan.of_schema(SPEC)
A, B = 'k:{"name":"a"}', 'k:{"name":"b"}'


def item(name, **more):
    return {"name": name, **more}


@pytest.mark.parametrize(
    ("old", "new", "removed", "modified", "added"),
    [
        ({"replicas": 1}, {"replicas": 1}, [], [], []),
        ({"replicas": 1}, {"replicas": 2}, [], [("replicas",)], []),
        ({"replicas": 1}, {}, [("replicas",)], [], []),
        ({"replicas": None}, {"replicas": 1}, [], [("replicas",)], []),
        ({}, {"map": {}}, [], [], [("map",)]),
        ({"map": {}}, {"map": {"a": "1"}}, [], [], [("map", "a")]),
        ({"map": None}, {"map": {"a": "1"}}, [], [], [("map", "a")]),
        ({"map": None}, {"map": {}}, [], [("map",)], []),
        ({"map": {"a": "1"}}, {"map": {}}, [("map", "a")], [], []),
        ({"map": {"a": "1"}}, {}, [("map",), ("map", "a")], [], []),
        ({"atom": {"a": 1}}, {"atom": {"a": 1, "b": 2}}, [], [("atom",)], []),
        ({"whole": ["a"]}, {"whole": ["b"]}, [], [("whole",)], []),
        ({"whole": ["a"]}, {"whole": []}, [], [("whole",)], []),
        ({"set": ["a", "b"]}, {"set": ["b", "a"]}, [], [], []),
        ({"set": ["a", "b"]}, {"set": ["b", "c"]}, [("set", 'v:"a"')], [], [("set", 'v:"c"')]),
        ({"list": [item("a", value=1)]}, {"list": [item("a", value=2)]}, [], [("list", A, "value")], []),
        ({"list": [item("a")]}, {"list": [item("b")]}, [("list", A), ("list", A, "name")], [],
         [("list", B), ("list", B, "name")]),
        ({"list": []}, {"list": None}, [], [("list",)], []),
        ({"ports": [{"port": 80}]}, {"ports": [{"port": 80, "protocol": "TCP"}]}, [], [],
         [("ports", 'k:{"port":80,"protocol":"TCP"}', "protocol")]),
        ({"any": {"a": 1}}, {"any": {"a": {"b": 2}}}, [], [("any", "a")], [("any", "a", "b")]),
        ({"any": {"a": {"b": 2}}}, {"any": {"a": [1]}}, [("any", "a", "b")], [("any", "a")], []),
        ({"any": {"a": 1}}, {"any": {"a": True}}, [], [("any", "a")], []),
        ({"size": 1}, {"size": "1"}, [], [("size",)], []),
    ],
)  # fmt: skip
def test_what_changed(old, new, removed, modified, added):
    found = compare(old, new, PLAN)
    assert found == (of_paths(*removed), of_paths(*modified), of_paths(*added))
    back = compare(new, old, PLAN)
    assert (back.added, back.modified, back.removed) == found


def test_items_that_are_there_twice_are_one():
    once, twice, other = ["a", "b"], ["a", "a", "b"], ["a", "a", "a", "b"]
    element = ("set", 'v:"a"')
    assert compare({"set": twice}, {"set": twice}, PLAN) == ({}, {}, {})
    assert compare({"set": twice}, {"set": other}, PLAN).modified == of_paths(element)
    found = compare({"set": once}, {"set": twice}, PLAN)
    assert (found.removed, found.added) == (of_paths(element), of_paths(element))
    found = compare({"set": twice}, {"set": once}, PLAN)
    assert (found.removed, found.added) == (of_paths(element), of_paths(element))
    assert compare({"set": twice}, {"set": ["b"]}, PLAN).removed == of_paths(element)
    assert everything({"set": twice}, PLAN)["f:set"]['v:"a"'] == {".": {}}


def test_items_without_keys_cannot_be_compared():
    with pytest.raises(TypedError) as caught:
        compare({"list": [{}]}, {"list": [{"value": 1}]}, PLAN)
    assert str(caught.value) == (
        '.list: element 0: associative list with keys has an element that omits all key fields ["name"] (and doesn\'t '
        "have default values for any key fields)"
    )


def test_a_type_may_contain_itself():
    tree = Schema("object")
    tree.properties = {"left": tree, "value": Schema("integer")}
    old, new = {"left": {"left": {"value": 1}}}, {"left": {"left": {"value": 2}}}
    assert compare(old, new, plan.of_schema(tree)).modified == of_paths(("left", "left", "value"))
