from __future__ import annotations

from typing import Any

import pytest

from tests.support.kinds import added, changed, edited, judged, row

VOLUME: dict[str, Any] = {
    "metadata": {"name": "disk"},
    "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/data"}},
}


def test_defaults() -> None:
    assert added("", "PersistentVolume", VOLUME) == {
        "spec": {
            "persistentVolumeReclaimPolicy": "Retain",
            "volumeMode": "Filesystem",
            "hostPath": {"type": ""},
        },
        "status": {"phase": "Pending"},
    }
    assert judged("", "PersistentVolume", VOLUME) == []


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        ({"spec__accessModes": []}, ["spec.accessModes: Required value"]),
        (
            {"spec__accessModes": ["ReadWriteOncePod", "ReadWriteOnce"]},
            ["spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes"],
        ),
        (
            {"spec__capacity": {"storage": "0"}},
            ['spec.capacity[storage]: Invalid value: "0": must be greater than 0'],
        ),
        ({"spec__hostPath": None}, ["spec: Required value: must specify a volume type"]),
        (
            {"spec__nfs": {"server": "a", "path": "/"}},
            ["spec.nfs: Forbidden: may not specify more than 1 volume type"],
        ),
        (
            {"spec__hostPath": None, "spec__local": {"path": "/x"}},
            ["spec.nodeAffinity: Required value: Local volume requires node affinity"],
        ),
        (
            {"spec__hostPath": {"path": "/"}, "spec__persistentVolumeReclaimPolicy": "Recycle"},
            [
                "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'",
            ],
        ),
    ],
)
def test_each_mistake_is_named(changes: dict[str, Any], texts: list[str]) -> None:
    assert judged("", "PersistentVolume", edited(VOLUME, **changes)) == texts


def test_its_source_stays() -> None:
    assert changed("", "PersistentVolume", VOLUME, spec__claimRef={"name": "a", "namespace": "b"}) == []
    [text] = changed("", "PersistentVolume", VOLUME, spec__hostPath={"path": "/other"})
    start = "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation\n@@"
    assert text.startswith(start) and '+  "path": "/other"' in text
    assert changed("", "PersistentVolume", VOLUME, spec__volumeMode="Block") == [
        'volumeMode: Invalid value: "Block": field is immutable'
    ]


def test_columns() -> None:
    found = edited(VOLUME, spec__claimRef={"name": "a", "namespace": "b"}, spec__storageClassName="fast")
    assert row("", "PersistentVolume", found, wide=True) == {
        "Capacity": "1Gi",
        "Access Modes": "RWO",
        "Reclaim Policy": "",
        "Status": "",
        "Claim": "b/a",
        "StorageClass": "fast",
        "VolumeAttributesClass": "<unset>",
        "Reason": "",
        "Age": "<unknown>",
        "VolumeMode": "<unset>",
    }
