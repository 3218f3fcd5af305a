import copy

import pytest

from corral.cluster.apiserver.patch import strategic
from corral.model.kubernetes.schema.types import Schema
from corral.model.kubernetes.status import StatusError

TEXT, NUMBER = Schema("string"), Schema("integer")
ENVIRONMENT = Schema("object", name="x.EnvVar", properties={"name": TEXT, "value": TEXT})
PORT = Schema("object", name="x.Port", properties={"containerPort": NUMBER, "protocol": TEXT})


def merged(items, key=""):
    return Schema("array", items=items, patch_strategy=("merge",), patch_merge_key=key)


CONTAINER = Schema(
    "object",
    name="x.Container",
    properties={
        "name": TEXT,
        "image": TEXT,
        "args": Schema("array", items=TEXT),
        "env": merged(ENVIRONMENT, "name"),
        "ports": merged(PORT, "containerPort"),
    },
)
STRATEGY = Schema(
    "object",
    name="x.Strategy",
    properties={"type": TEXT, "rollingUpdate": Schema("object", properties={"maxSurge": NUMBER})},
    patch_strategy=("retainKeys",),
)
ROOT = Schema(
    "object",
    name="x.Root",
    properties={
        "metadata": Schema(
            "object", name="x.Meta", properties={"labels": Schema("object", values=TEXT), "finalizers": merged(TEXT)}
        ),
        "containers": merged(CONTAINER, "name"),
        "strategy": STRATEGY,
        "whole": Schema("object", properties={"a": TEXT}, patch_strategy=("replace",)),
        "keyless": merged(CONTAINER),
        "any": Schema("object", preserve_unknown=True),
        "lists": merged(Schema("array", items=TEXT)),
        "named": Schema("object", values=Schema("object", properties={"a": TEXT})),
    },
)


def patched(old, patch):
    before = copy.deepcopy((old, patch))
    found = strategic.apply(old, patch, ROOT)
    assert (old, patch) == before
    return found


def containers(*names):
    return [{"name": name} for name in names]


@pytest.mark.parametrize(
    ("old", "patch", "new"),
    [
        ({"metadata": {"labels": {"a": "1"}}}, {"metadata": {"labels": {"b": "2"}}}, {"a": "1", "b": "2"}),
        ({"metadata": {"labels": {"a": "1"}}}, {"metadata": {"labels": {"a": None, "z": None}}}, {}),
        ({"metadata": {"labels": {"a": "1"}}}, {"metadata": {"labels": {"$patch": "replace", "b": "2"}}}, {"b": "2"}),
        ({"metadata": {"labels": {"a": "1"}}}, {"metadata": {"labels": {"$patch": "delete"}}}, {}),
        ({}, {"metadata": {"labels": {"a": "1", "b": None}}}, {"a": "1"}),
    ],
)
def test_maps(old, patch, new):
    assert patched(old, patch)["metadata"]["labels"] == new


def test_directives_at_the_top():
    assert patched({"any": {"a": 1}}, {"$patch": "replace", "any": {"b": 2}}) == {"any": {"b": 2}}
    assert patched({"any": {"a": 1}}, {"$patch": "delete"}) == {}


@pytest.mark.parametrize(
    ("old", "patch", "new"),
    [
        (containers("a", "b"), [{"name": "b", "image": "x"}], [{"name": "a"}, {"name": "b", "image": "x"}]),
        (containers("a", "b"), [{"name": "c"}], containers("c", "a", "b")),
        (containers("a", "b"), [{"name": "a", "$patch": "delete"}], containers("b")),
        (containers("a", "b"), [{"name": "z", "$patch": "delete"}], containers("a", "b")),
        (containers("a", "b"), [{"$patch": "replace"}, {"name": "c"}], containers("c")),
        (containers("a", "b"), [{"name": "c"}, {"$patch": "replace"}, {"name": "d"}], containers("c", "d")),
        (
            [{"name": "a", "image": "x", "env": [{"name": "E", "value": "1"}]}],
            [{"name": "a", "$patch": "delete"}, {"name": "b"}],
            containers("b"),
        ),
        (
            [{"name": "a", "env": [{"name": "E", "value": "1"}]}],
            [{"name": "a", "env": [{"name": "F", "value": "2"}, {"name": "E", "value": None}]}],
            [{"name": "a", "env": [{"name": "F", "value": "2"}, {"name": "E"}]}],
        ),
        ([{"name": "a", "args": ["1"]}], [{"name": "a", "args": ["2"]}], [{"name": "a", "args": ["2"]}]),
        (containers("a"), None, None),
    ],
)
def test_lists_of_objects(old, patch, new):
    assert patched({"containers": old}, {"containers": patch}).get("containers") == new


def test_a_new_list_comes_without_directives():
    assert patched({}, {"containers": [{"name": "a", "$patch": "delete"}, {"name": "b"}]}) == {
        "containers": [{"name": "b"}]
    }


@pytest.mark.parametrize(
    ("order", "changes", "new"),
    [
        ("ba", None, "bac"),
        ("cab", None, "cab"),
        ("da", "d", "dabc"),
        ("abd", "d", "abdc"),
        ("ad", "d", "adbc"),
        ("", None, "abc"),
    ],
)
def test_the_patch_gives_the_order(order, changes, new):
    patch = {"$setElementOrder/containers": containers(*order)}
    if changes:
        patch["containers"] = containers(*changes)
    found = patched({"containers": containers(*"abc")}, patch)["containers"]
    assert [one["name"] for one in found] == list(new)


def test_what_stands_before_in_the_live_list_stays_before():
    patch = {"$setElementOrder/containers": containers("b", "d"), "containers": containers("d")}
    found = patched({"containers": containers("a", "b", "c")}, patch)["containers"]
    assert found == containers("a", "b", "d", "c")


@pytest.mark.parametrize(
    ("old", "order", "added", "gone", "new"),
    [("abd", "bc", "c", "a", "bdc"), ("ad", "bc", "bc", "a", "dbc"), ("abd", "bc", "c", "", "abcd")],
)
def test_a_new_item_takes_the_place_of_a_deleted_one(old, order, added, gone, new):
    deleted = [{"name": name, "$patch": "delete"} for name in gone]
    patch = {"$setElementOrder/containers": containers(*order), "containers": [*containers(*added), *deleted]}
    found = patched({"containers": containers(*old)}, patch)["containers"]
    assert "".join(one["name"] for one in found) == new


def test_lists_of_texts():
    def finalizers(patch):
        return patched({"metadata": {"finalizers": ["a", "b"]}}, {"metadata": patch})["metadata"]["finalizers"]

    assert finalizers({"finalizers": ["c", "b"]}) == ["c", "a", "b"]
    assert finalizers({"finalizers": ["c"]}) == ["c", "a", "b"]
    assert finalizers({"$deleteFromPrimitiveList/finalizers": ["a", "z"]}) == ["b"]
    assert finalizers({"$setElementOrder/finalizers": ["b", "a"]}) == ["b", "a"]
    both = {"$setElementOrder/finalizers": ["c", "b"], "finalizers": ["c"]}
    assert finalizers({**both, "$deleteFromPrimitiveList/finalizers": ["a"]}) == ["c", "b"]


def test_of_a_union_only_the_retained_keys_stay():
    old = {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}
    patch = {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}
    assert patched(old, patch) == {"strategy": {"type": "Recreate"}}


def test_a_field_may_be_replaced_whole():
    assert patched({"whole": {"a": "1"}}, {"whole": {}}) == {"whole": {}}
    assert patched({"any": {"a": {"b": 1}}}, {"any": {"a": {"c": 2}}}) == {"any": {"a": {"b": 1, "c": 2}}}
    assert patched({"any": "text"}, {"any": {"a": None, "b": [{"c": None}]}}) == {"any": {"b": [{}]}}


@pytest.mark.parametrize(
    ("old", "patch", "code", "text"),
    [
        ({}, {"$patch": "merge"}, 400, "unknown patch type: merge in map: map[$patch:merge]"),
        ({}, [], 400, "json: cannot unmarshal array into Go value of type map[string]interface {}"),
        (
            {"containers": containers("a")},
            {"containers": [{"image": "x"}]},
            400,
            "map: map[image:x] does not contain declared merge key: name",
        ),
        (
            {"containers": containers("a")},
            {"containers": [{"name": "a", "$patch": "fly"}]},
            400,
            "unknown patch type: fly in map: map[$patch:fly name:a]",
        ),
        (
            {"containers": containers("a")},
            {"containers": [{"name": "a", "$patch": "merge"}]},
            400,
            "merging lists cannot yet be specified in the patch",
        ),
        (
            {"containers": containers("a")},
            {"containers": ["a"]},
            400,
            "list element types are not identical: [[map[name:a]] [a]]",
        ),
        ({"keyless": containers("a")}, {"keyless": [{}]}, 400, "cannot merge lists without merge key for struct"),
        (
            {"strategy": {"type": "a"}},
            {"strategy": {"$retainKeys": ["x"], "type": "b"}},
            400,
            "invalid patch format of retainKeys",
        ),
        ({"strategy": {}}, {"strategy": {"$retainKeys": "x"}}, 400, "invalid patch format of retainKeys"),
        ({}, {"$deleteFromPrimitiveList": ["x"]}, 400, "invalid patch format of primitive list"),
        ({}, {"$setElementOrder": ["x"]}, 400, "invalid patch format of setElementOrder list"),
        (
            {},
            {"$setElementOrder/containers": "x"},
            400,
            "expected a []interface {}, but received a string",
        ),
        (
            {"containers": containers("a")},
            {"$setElementOrder/containers": containers("b"), "containers": containers("c")},
            400,
            "The order in patch list:\n[map[name:c]]\n doesn't match $setElementOrder list:\n[map[name:b]]\n",
        ),
        (
            {"nope": {"a": 1}},
            {"nope": {"a": 2}},
            400,
            'unable to find api field in struct Root for the json field "nope"',
        ),
        (
            {"named": {"a": {"a": "1"}}},
            {"named": {"a": {"a": "2"}}},
            400,
            "merging an object in json but data type is not struct, instead is: map",
        ),
        (
            {"lists": [["a"]]},
            {"lists": [["b"]]},
            422,
            "the server rejected our request due to an error in our request",
        ),
    ],
)
def test_what_is_refused(old, patch, code, text):
    with pytest.raises(StatusError) as caught:
        patched(old, patch)
    assert (caught.value.code, caught.value.message) == (code, text)
