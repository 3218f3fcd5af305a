from __future__ import annotations

from typing import Any

import pytest

from tests.support.kinds import added, changed, edited, judged, row

GROUP = "resource.k8s.io"
CLAIM: dict[str, Any] = {
    "spec": {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu.example.com"}}]}}
}
SLICE: dict[str, Any] = {
    "spec": {
        "driver": "gpu.example.com",
        "nodeName": "n",
        "pool": {"name": "n", "resourceSliceCount": 1, "generation": 1},
        "devices": [{"name": "a"}],
    }
}


def test_defaults_and_changes() -> None:
    assert added(GROUP, "ResourceClaim", CLAIM) == {
        "spec": {"devices": {"requests": {0: {"exactly": {"allocationMode": "ExactCount", "count": 1}}}}},
        "status": {},
    }
    [text] = changed(GROUP, "ResourceClaim", CLAIM, spec__devices={})
    assert text == 'spec: Invalid value: {"devices":{}}: field is immutable'
    assert changed(GROUP, "ResourceSlice", SLICE, spec__driver="b") == [
        'spec.driver: Invalid value: "b": field is immutable'
    ]
    assert row(GROUP, "ResourceClaim", CLAIM)["State"] == "pending"
    assert row(GROUP, "ResourceSlice", SLICE) == {
        "Node": "n",
        "Driver": "gpu.example.com",
        "Pool": "n",
        "Age": "<unknown>",
    }


@pytest.mark.parametrize(
    ("kind", "obj", "texts"),
    [
        ("ResourceClaim", CLAIM, []),
        (
            "ResourceClaim",
            edited(CLAIM, spec__devices__requests=[{"name": "a"}]),
            ["spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required"],
        ),
        (
            "ResourceClaim",
            edited(CLAIM, spec__devices__requests__0__exactly={"allocationMode": "All", "count": 2}),
            [
                "spec.devices.requests[0].exactly.deviceClassName: Required value",
                "spec.devices.requests[0].exactly.count: Invalid value: 2: must not be specified when allocationMode "
                "is 'All'",
            ],
        ),
        ("ResourceClaimTemplate", {"spec": CLAIM}, []),
        ("ResourceSlice", SLICE, []),
        (
            "ResourceSlice",
            edited(SLICE, spec__allNodes=True, spec__pool={"name": ""}),
            [
                "spec.pool.name: Required value",
                "spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero",
                "spec: Invalid value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, "
                "`perDeviceNodeSelection` is "
                "required, but multiple fields are set",
            ],
        ),
        (
            "DeviceClass",
            {"spec": {"selectors": [{"cel": {}}], "config": [{"opaque": {"driver": "d"}}]}},
            [
                "spec.selectors[0].cel.expression: Required value",
                "spec.config[0].opaque.parameters: Required value",
            ],
        ),
    ],
)
def test_rules(kind: str, obj: dict[str, Any], texts: list[str]) -> None:
    assert judged(GROUP, kind, obj) == texts
