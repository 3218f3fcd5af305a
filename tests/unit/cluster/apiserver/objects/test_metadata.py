"""What is wrong with an object's metadata, in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest

from corral.cluster.apiserver.objects.metadata import (
    ALPHABET,
    check_change,
    check_new,
    check_owners,
    generate_name,
    keep_old,
    random_suffix,
)
from corral.model.kubernetes.kind import Kind

OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": "u"}


def test_random_ends() -> None:
    found = {random_suffix() for _ in range(200)}
    assert len(found) > 190 and all(len(one) == 5 and set(one) <= set(ALPHABET) for one in found)
    assert generate_name("x" * 60, "abcde") == "x" * 58 + "abcde"


@pytest.mark.parametrize(
    ("metadata", "namespaced", "texts"),
    [
        ({"name": "a", "namespace": "n"}, True, []),
        ({"name": "a"}, True, ["metadata.namespace: Required value"]),
        ({"name": "a", "namespace": "n"}, False, ["metadata.namespace: Forbidden: not allowed on this type"]),
        ({}, False, ["metadata.name: Required value: name or generateName is required"]),
        ({"name": "a", "generateName": "ok-"}, False, []),
        ({"name": "a", "finalizers": ["orphan", "foregroundDeletion"]}, False, [
            'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: '
            "finalizer orphan and foregroundDeletion cannot be both set"]),
        ({"name": "a", "annotations": {"k": "v" * 262144}}, False, [
            "metadata.annotations: Too long: may not be more than 262144 bytes"]),
    ],
)  # fmt: skip
def test_new_objects(metadata: dict[str, Any], namespaced: bool, texts: list[str]) -> None:
    assert [str(one) for one in check_new({"metadata": metadata}, Kind(), namespaced)] == texts


def test_a_generated_name_that_would_not_do() -> None:
    found = check_new({"metadata": {"name": "a", "generateName": "No-"}}, Kind(), False)
    assert [one.field for one in found] == ["metadata.generateName"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"apiVersion": ""}, 'metadata.ownerReferences.apiVersion: Invalid value: "": version must not be empty'),
        ({"kind": ""}, 'metadata.ownerReferences.kind: Invalid value: "": kind must not be empty'),
        ({"uid": ""}, 'metadata.ownerReferences.uid: Invalid value: "": uid must not be empty'),
        ({"kind": "Event"}, "is disallowed from being an owner"),
    ],
)
def test_owners(change: dict[str, str], text: str) -> None:
    assert text in str(check_owners([{**OWNER, **change}])[0])


def test_one_controller_at_most() -> None:
    two = [{**OWNER, "controller": True}, {**OWNER, "name": "other", "controller": True}]
    assert "Only one reference can have Controller set to true" in str(check_owners(two)[0])
    assert check_owners([two[0], OWNER]) == []


@pytest.mark.parametrize("field", ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp"])
def test_what_never_changes(field: str) -> None:
    old = {"name": "a", "namespace": "n", "uid": "u", "creationTimestamp": "t"}
    assert [str(one) for one in check_change({**old, field: "other"}, old)] == [
        f'metadata.{field}: Invalid value: "other": field is immutable'
    ]


def test_no_new_finalizers_on_the_way_out() -> None:
    old = {"name": "a", "deletionTimestamp": "t", "finalizers": ["a/b"]}
    found = check_change({**old, "finalizers": ["a/b", "c/d"]}, old)
    assert str(found[0]) == (
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, "
        'found new finalizers []string{"c/d"}'
    )
    assert check_change({**old, "finalizers": []}, old) == []


def test_what_stays_without_a_word() -> None:
    new = {"name": "a", "creationTimestamp": "mine", "generation": 9, "selfLink": "/x"}
    keep_old(new, {"name": "a", "uid": "u", "creationTimestamp": "t", "generation": 2, "deletionTimestamp": "d"})
    assert new == {"name": "a", "uid": "u", "creationTimestamp": "t", "generation": 2, "deletionTimestamp": "d"}
