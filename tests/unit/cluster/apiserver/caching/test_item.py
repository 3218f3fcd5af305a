"""Objects as bytes: cut, joined again, and never mistaken."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from corral.cluster.apiserver.caching.item import Item, stored_bytes

texts = st.text(st.characters(codec="utf-8"), max_size=20)
values = st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts, lambda inner: st.lists(
    inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8)  # fmt: skip
labels = st.dictionaries(texts, texts, max_size=3)


@given(labels, st.dictionaries(texts, values, max_size=4), st.integers(1, 2**63 - 1))
def test_what_goes_in_comes_out_with_its_revision(labels: dict[str, str], rest: dict, revision: int) -> None:
    metadata = {"name": "a", "labels": labels, "annotations": {'"metadata":{': '"metadata":{'}}
    obj = {**rest, "metadata": metadata, "kind": 'K"metadata":{', "apiVersion": "v1"}
    item = Item("n/a", revision, stored_bytes({**obj, "metadata": {**metadata, "resourceVersion": "1"}}))
    expected = {**metadata, "resourceVersion": str(revision)}
    assert item.object() == {**obj, "metadata": expected}
    assert item.at(revision + 1).object() == {**obj, "metadata": {**metadata, "resourceVersion": str(revision + 1)}}
    assert item.labels == labels and item.body.startswith(b'"metadata":{"resourceVersion":"%d"' % revision)


def test_an_object_that_was_not_stored_shows_no_revision() -> None:
    value = stored_bytes({"kind": "K", "apiVersion": "v1", "metadata": {"name": "a"}})
    assert Item("n/a", 0, value).body == b'"metadata":{"name":"a"}}'
    empty = stored_bytes({"kind": "K", "apiVersion": "v1", "metadata": {}})
    assert Item("n/a", 3, empty).body == b'"metadata":{"resourceVersion":"3"}}'
    assert Item("n/a", 3, empty).at(12).body == b'"metadata":{"resourceVersion":"12"}}'
    assert Item("n/a", 0, value).at(4).body == b'"metadata":{"resourceVersion":"4","name":"a"}}'


def test_views_are_shared_and_copies_are_not() -> None:
    item = Item("n/a", 1, stored_bytes({"kind": "K", "apiVersion": "v1", "metadata": {"name": "a"}}))
    assert item.view() is item.view() and item.object() is not item.object()


def test_what_is_shared_is_without_the_owners_of_fields_and_may_be_forgotten() -> None:
    metadata = {"name": "a", "managedFields": [{"manager": "m"}]}
    item = Item("n/a", 3, stored_bytes({"kind": "Pod", "apiVersion": "v1", "metadata": metadata}))
    shared = item.view()
    assert shared["metadata"] == {"resourceVersion": "3", "name": "a"} and item.view() is shared
    assert item.object()["metadata"]["managedFields"] == [{"manager": "m"}]
    item.forget_view()
    assert item.view() is not shared and item.view() == shared
