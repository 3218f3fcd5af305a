from __future__ import annotations

from tests.support.kinds import added, changed, edited, judged, row

GROUP = "storage.k8s.io"


def test_drivers() -> None:
    driver = {"metadata": {"name": "d.example.com"}}
    assert added(GROUP, "CSIDriver", driver) == {
        "spec": {
            "attachRequired": True,
            "podInfoOnMount": False,
            "storageCapacity": False,
            "fsGroupPolicy": "ReadWriteOnceWithFSType",
            "requiresRepublish": False,
            "seLinuxMount": False,
            "volumeLifecycleModes": ["Persistent"],
        }
    }
    assert judged(GROUP, "CSIDriver", driver) == []
    tokens = edited(driver, spec={"tokenRequests": [{"audience": "a"}, {"audience": "a", "expirationSeconds": 1}]})
    assert judged(GROUP, "CSIDriver", tokens) == [
        'spec.tokenRequests[1].audience: Duplicate value: "a"',
        "spec.tokenRequests[1].expirationSeconds: Invalid value: 1: may not specify a duration less than 10 minutes",
    ]
    assert changed(GROUP, "CSIDriver", driver, spec__attachRequired=False) == [
        "spec.attachRequired: Invalid value: false: field is immutable"
    ]
    assert row(GROUP, "CSIDriver", driver)["TokenRequests"] == "<unset>"


def test_nodes_capacities_and_attachments() -> None:
    node = {"spec": {"drivers": [{"name": "d.example.com", "nodeID": "1"}]}}
    assert judged(GROUP, "CSINode", node) == []
    assert judged(GROUP, "CSINode", {"spec": {"drivers": [{"name": "d"}]}}) == [
        "spec.drivers[0].nodeID: Required value"
    ]
    assert changed(GROUP, "CSINode", node, spec__drivers__0__nodeID="2") == [
        'CSINodeDriver: Invalid value: {"name":"d.example.com","nodeID":"2"}: field is immutable'
    ]
    assert judged(GROUP, "CSIStorageCapacity", {"capacity": "-1"}) == [
        "storageClassName: Required value",
        'capacity: Invalid value: "-1": must be greater than or equal to 0',
    ]
    attachment = {"spec": {"attacher": "a.b", "nodeName": "n", "source": {"persistentVolumeName": "p"}}}
    assert judged(GROUP, "VolumeAttachment", attachment) == []
    assert judged(GROUP, "VolumeAttachment", edited(attachment, spec__source={})) == [
        "spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName"
    ]
    assert row(GROUP, "VolumeAttachment", attachment)["PV"] == "p"
