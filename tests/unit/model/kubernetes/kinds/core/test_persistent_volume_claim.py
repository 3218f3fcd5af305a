from __future__ import annotations

from typing import Any

import pytest

from tests.support.kinds import added, changed, edited, judged, row

CLAIM: dict[str, Any] = {
    "metadata": {"name": "data", "namespace": "default"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
BOUND = edited(CLAIM, spec__volumeName="disk", status={"phase": "Bound", "capacity": {"storage": "1Gi"}})


def test_defaults() -> None:
    assert added("", "PersistentVolumeClaim", CLAIM) == {
        "spec": {"volumeMode": "Filesystem"},
        "status": {"phase": "Pending"},
    }
    source = {"kind": "PersistentVolumeClaim", "name": "a"}
    assert added("", "PersistentVolumeClaim", edited(CLAIM, spec__dataSource=source))["spec"]["dataSourceRef"] == source


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        ({"spec__accessModes": []}, ["spec.accessModes: Required value: at least 1 access mode is required"]),
        ({"spec__resources": {}}, ["spec.resources[storage]: Required value"]),
        (
            {"spec__accessModes": ["RWO"]},
            [
                'spec.accessModes: Unsupported value: "RWO": supported values: "ReadOnlyMany", "ReadWriteMany", '
                '"ReadWriteOnce", "ReadWriteOncePod"'
            ],
        ),
        (
            {"spec__dataSource": {"kind": "Secret", "name": "a"}},
            [
                "spec.dataSource: Invalid value: \"Secret\": must be 'PersistentVolumeClaim' when referencing the "
                "default apiGroup",
                "spec.dataSourceRef: Invalid value: \"Secret\": must be 'PersistentVolumeClaim' when referencing the "
                "default apiGroup",
            ],
        ),
    ],
)
def test_each_mistake_is_named(changes: dict[str, Any], texts: list[str]) -> None:
    assert judged("", "PersistentVolumeClaim", edited(CLAIM, **changes)) == texts


def test_what_may_change() -> None:
    assert changed("", "PersistentVolumeClaim", CLAIM, spec__volumeName="disk") == []
    assert changed("", "PersistentVolumeClaim", CLAIM, spec__storageClassName="fast") == []
    assert changed("", "PersistentVolumeClaim", BOUND, spec__resources={"requests": {"storage": "2Gi"}}) == []
    [text] = changed("", "PersistentVolumeClaim", CLAIM, spec__resources={"requests": {"storage": "2Gi"}})
    assert text.partition("\n")[0] == (
        "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for "
        "bound claims"
    )
    assert changed("", "PersistentVolumeClaim", BOUND, spec__resources={"requests": {"storage": "1Mi"}}) == [
        "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"
    ]


def test_columns() -> None:
    found = edited(BOUND, status__accessModes=["ReadWriteOnce"], spec__storageClassName="fast")
    assert row("", "PersistentVolumeClaim", found) == {
        "Status": "Bound",
        "Volume": "disk",
        "Capacity": "1Gi",
        "Access Modes": "RWO",
        "StorageClass": "fast",
        "VolumeAttributesClass": "<unset>",
        "Age": "<unknown>",
    }
    assert row("", "PersistentVolumeClaim", CLAIM)["Capacity"] == ""
