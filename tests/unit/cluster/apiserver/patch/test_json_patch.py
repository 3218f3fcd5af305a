import copy

import pytest

from corral.cluster.apiserver.patch import json_patch
from corral.model.kubernetes.status import StatusError

OBJECT = {"a": {"b": [1, 2, 3], "c/d": 1, "e~f": 2, "n": None}, "s": "text"}


def op(verb, path, **more):
    return {"op": verb, "path": path, **more}


@pytest.mark.parametrize(
    ("operations", "path", "value"),
    [
        ([op("add", "/a/b/0", value=0)], ("a", "b"), [0, 1, 2, 3]),
        ([op("add", "/a/b/3", value=4)], ("a", "b"), [1, 2, 3, 4]),
        ([op("add", "/a/b/-", value=4)], ("a", "b"), [1, 2, 3, 4]),
        ([op("add", "/a/b/-1", value=4)], ("a", "b"), [1, 2, 3, 4]),
        ([op("add", "/x", value={"y": 1}), op("add", "/x/z", value=2)], ("x",), {"y": 1, "z": 2}),
        ([op("remove", "/a/b/1")], ("a", "b"), [1, 3]),
        ([op("remove", "/a/b/-1")], ("a", "b"), [1, 2]),
        ([op("replace", "/a/c~1d", value=9)], ("a", "c/d"), 9),
        ([op("replace", "/a/e~0f", value=9)], ("a", "e~f"), 9),
        ([op("replace", "/new", value=9)], ("new",), 9),
        ([{"op": "move", "from": "/a/b/0", "path": "/a/b/2"}], ("a", "b"), [2, 3, 1]),
        ([{"op": "copy", "from": "/a/b", "path": "/t"}, op("add", "/t/-", value=4)], ("a", "b"), [1, 2, 3]),
        ([op("test", "/a/n"), op("test", "/missing", value=None), op("test", "/a/b", value=[1, 2, 3])], ("s",), "text"),
        ([op("replace", "", value={"k": 1})], ("k",), 1),
    ],
)
def test_what_operations_do(operations, path, value):
    before = copy.deepcopy(OBJECT)
    found = json_patch.apply(OBJECT, operations)
    for key in path:
        found = found[key]
    assert found == value
    assert before == OBJECT


@pytest.mark.parametrize(
    "operation",
    [
        {},
        {"op": "add"},
        {"op": ["add"], "path": "/a"},
        {"op": "fly", "path": "/a"},
        op("add", 1, value=1),
        op("add", "", value=1),
        op("add", "/a/b/5", value=1),
        op("add", "/a/b/x", value=1),
        op("add", "/a/b/-5", value=1),
        op("add", "/q/r", value=1),
        op("add", "/s/r", value=1),
        op("remove", "/q"),
        op("remove", "/a/b/3"),
        op("replace", "/a/b/3", value=1),
        op("replace", "", value="text"),
        op("replace", "", value=[]),
        op("test", "/s", value="other"),
        op("test", "/a/b/0", value=True),
        op("test", "/a/b/0", value=1.0),
        {"op": "move", "from": "/q", "path": "/r"},
        {"op": "move", "from": "/a", "path": "/a/b"},
        {"op": "copy", "from": "/a/b/9", "path": "/r"},
        {"op": "copy", "path": "/r"},
    ],
)
def test_what_does_not_fit_is_refused_as_upstream_refuses_it(operation):
    with pytest.raises(StatusError) as caught:
        json_patch.apply(OBJECT, [operation])
    assert (caught.value.code, caught.value.reason) == (422, "Invalid")
    assert caught.value.message == "the server rejected our request due to an error in our request"


def test_what_is_no_patch_is_a_bad_request():
    for operations, text in (
        ({}, "json: cannot unmarshal object into Go value of type jsonpatch.Patch"),
        (["x"], "json: cannot unmarshal string into Go value of type jsonpatch.Operation"),
    ):
        with pytest.raises(StatusError) as caught:
            json_patch.apply(OBJECT, operations)
        assert (caught.value.code, caught.value.message) == (400, text)


def test_there_are_at_most_ten_thousand_operations():
    many = [op("test", "/s", value="text")] * 10_000
    assert json_patch.apply(OBJECT, many) == OBJECT
    with pytest.raises(StatusError) as caught:
        json_patch.apply(OBJECT, [*many, many[0]])
    assert caught.value.code == 413
    assert caught.value.message == "The allowed maximum operations in a JSON patch is 10000, got 10001"


def test_copies_of_copies_end_at_three_megabytes():
    doubling = [{"op": "copy", "from": "/a", "path": f"/a/{number}"} for number in range(40)]
    with pytest.raises(StatusError) as caught:
        json_patch.apply({"a": {"x": "y" * 100}}, doubling)
    assert caught.value.code == 422
