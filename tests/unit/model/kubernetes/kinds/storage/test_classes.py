from __future__ import annotations

from tests.support.kinds import added, changed, judged, row

GROUP = "storage.k8s.io"
CLASS = {"metadata": {"name": "fast"}, "provisioner": "example.com/disk"}


def test_storage_classes() -> None:
    assert added(GROUP, "StorageClass", CLASS) == {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"}
    assert judged(GROUP, "StorageClass", CLASS) == []
    assert judged(GROUP, "StorageClass", {"reclaimPolicy": "Recycle", "volumeBindingMode": "Late"}) == [
        "provisioner: Required value",
        'reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"',
        'volumeBindingMode: Unsupported value: "Late": supported values: "Immediate", "WaitForFirstConsumer"',
    ]
    assert changed(GROUP, "StorageClass", CLASS, provisioner="b", parameters={"a": "b"}, reclaimPolicy="Retain") == [
        "parameters: Forbidden: updates to parameters are forbidden.",
        "provisioner: Forbidden: updates to provisioner are forbidden.",
        "reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden.",
    ]
    assert row(GROUP, "StorageClass", CLASS) == {
        "Name": "fast",
        "Provisioner": "example.com/disk",
        "ReclaimPolicy": "Delete",
        "VolumeBindingMode": "Immediate",
        "AllowVolumeExpansion": False,
        "Age": "<unknown>",
    }


def test_volume_attributes_classes() -> None:
    found = {"driverName": "d.example.com", "parameters": {"iops": "1"}}
    assert judged(GROUP, "VolumeAttributesClass", found) == []
    assert judged(GROUP, "VolumeAttributesClass", {"driverName": "d"}) == [
        "parameters: Required value: must contain at least one key/value pair"
    ]
    assert changed(GROUP, "VolumeAttributesClass", found, driverName="e") == [
        "driverName: Forbidden: updates to driverName are forbidden."
    ]
