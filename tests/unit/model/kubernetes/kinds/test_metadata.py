from __future__ import annotations

from typing import Any

import pytest

from corral.model.kubernetes.kinds import metadata

GOOD = {"name": "web", "namespace": "default"}
OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "1", "controller": True}
LABEL = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


@pytest.mark.parametrize(
    ("found", "texts"),
    [
        (GOOD, []),
        ({"namespace": "default"}, ["metadata.name: Required value: name or generateName is required"]),
        ({"name": "web"}, ["metadata.namespace: Required value"]),
        ({**GOOD, "generateName": "web-"}, []),
        ({**GOOD, "labels": {"a": "-"}}, [f'metadata.labels: Invalid value: "-": {LABEL}']),
        (
            {**GOOD, "annotations": {"a": "x" * 262145}},
            ["metadata.annotations: Too long: may not be more than 262144 bytes"],
        ),
        ({**GOOD, "annotations": {"A/B": "anything at all"}}, []),
        ({**GOOD, "ownerReferences": [OWNER]}, []),
        (
            {**GOOD, "ownerReferences": [{"apiVersion": "v1"}]},
            [
                f"metadata.ownerReferences[0].{key}: Required value: must not be empty"
                for key in ("kind", "name", "uid")
            ],
        ),
        (
            {**GOOD, "finalizers": ["orphan", "foregroundDeletion"]},
            [
                'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and '
                "foregroundDeletion cannot be both set"
            ],
        ),
        (
            {**GOOD, "managedFields": [{"operation": "Edit"}]},
            ['metadata.managedFields[0].operation: Invalid value: "Edit": must be `Apply` or `Update`'],
        ),
    ],
)
def test_each_mistake_is_named(found: dict[str, Any], texts: list[str]) -> None:
    assert [str(one) for one in metadata.check({"metadata": found}, True)] == texts


def test_one_controller_and_no_events() -> None:
    twice = [OWNER, {**OWNER, "name": "b"}]
    [text] = [str(one) for one in metadata.check({"metadata": {**GOOD, "ownerReferences": twice}}, True)]
    assert text.endswith('Found "true" in references for ReplicaSet/web and ReplicaSet/b')
    event = {**OWNER, "apiVersion": "v1", "kind": "Event"}
    [text] = [str(one) for one in metadata.check({"metadata": {**GOOD, "ownerReferences": [event]}}, True)]
    assert text.endswith("/v1, Kind=Event is disallowed from being an owner")
    assert metadata.controller_of({"metadata": {"ownerReferences": [OWNER]}}) == OWNER


def test_what_has_no_namespace() -> None:
    assert [str(one) for one in metadata.check({"metadata": GOOD}, False)] == [
        "metadata.namespace: Forbidden: not allowed on this type"
    ]


def test_changes() -> None:
    old = {"metadata": {**GOOD, "resourceVersion": "1", "uid": "a", "deletionTimestamp": "2026-01-02T03:04:05Z"}}
    assert list(metadata.check_update(old, old)) == []
    new = {"metadata": {**old["metadata"], "resourceVersion": "", "uid": "b", "finalizers": ["a.b/c"]}}
    assert [str(one) for one in metadata.check_update(new, old)] == [
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new "
        'finalizers []string{"a.b/c"}',
        'metadata.resourceVersion: Invalid value: "": must be specified for an update',
        'metadata.uid: Invalid value: "b": field is immutable',
    ]
