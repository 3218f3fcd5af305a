import copy

import pytest

from corral.cluster.apiserver.patch import merge_patch, strategic
from corral.model.kubernetes.status import StatusError


@pytest.mark.parametrize(
    ("old", "patch", "new"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({"a": "foo"}, {"a": {"b": 1, "c": None}}, {"a": {"b": 1}}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_examples_of_the_rfc(old, patch, new):
    before = copy.deepcopy((old, patch))
    assert merge_patch.apply(old, patch) == new
    assert (old, patch) == before


@pytest.mark.parametrize(
    ("patch", "text"),
    [
        ([], "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"),
        (1, "error decoding patch: json: cannot unmarshal number into Go value of type map[string]interface {}"),
        (None, "Invalid JSON Patch"),
    ],
)
def test_a_patch_is_an_object(patch, text):
    with pytest.raises(StatusError) as caught:
        merge_patch.apply({}, patch)
    assert (caught.value.code, caught.value.message) == (400, text)


def test_what_is_set_is_not_shared_with_the_patch():
    patch = {"a": [{"b": 1}]}
    merge_patch.apply({}, patch)["a"][0]["b"] = 2
    assert patch == {"a": [{"b": 1}]}


def test_what_is_nested_too_deep_is_refused():
    patch = {}
    for _ in range(5000):
        patch = {"a": patch}
    for function in (merge_patch.apply, lambda obj, patch: strategic.apply(obj, patch, None)):
        with pytest.raises(StatusError) as caught:
            function({}, patch)
        assert (caught.value.code, caught.value.message) == (400, "json: exceeded max depth")
