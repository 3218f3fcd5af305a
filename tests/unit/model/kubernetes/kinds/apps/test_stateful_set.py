from __future__ import annotations

from typing import Any

import pytest

from corral.model.kubernetes.kinds.apps.stateful_set import FIXED
from tests.support.kinds import added, changed, edited, judged, row
from tests.unit.model.kubernetes.kinds.apps.test_deployment import DEPLOYMENT, POD_DEFAULTS

CLAIM = {
    "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
SET = edited(DEPLOYMENT, spec__serviceName="web", spec__volumeClaimTemplates=[CLAIM])


def test_defaults() -> None:
    assert added("apps", "StatefulSet", SET) == {
        "spec": {
            "podManagementPolicy": "OrderedReady",
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0, "maxUnavailable": 1}},
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            "replicas": 1,
            "revisionHistoryLimit": 10,
            "template": {"spec": POD_DEFAULTS},
            "volumeClaimTemplates": {
                0: {
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "spec": {"volumeMode": "Filesystem"},
                    "status": {"phase": "Pending"},
                }
            },
        },
        "status": {"availableReplicas": 0, "replicas": 0},
    }


def test_claims_count_as_volumes() -> None:
    mounted = edited(SET, spec__template__spec__containers__0__volumeMounts=[{"name": "data", "mountPath": "/d"}])
    assert judged("apps", "StatefulSet", mounted) == []
    assert judged("apps", "StatefulSet", edited(mounted, spec__volumeClaimTemplates=[])) == [
        'spec.template.spec.containers[0].volumeMounts[0].name: Not found: "data"'
    ]


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        (
            {"spec__podManagementPolicy": "X"},
            ["spec.podManagementPolicy: Invalid value: \"X\": must be 'OrderedReady' or 'Parallel'"],
        ),
        (
            {"spec__updateStrategy": {"type": "OnDelete", "rollingUpdate": {"partition": 1}}},
            [
                'spec.updateStrategy.rollingUpdate: Invalid value: {"partition":1}: only allowed for updateStrategy '
                "'RollingUpdate'"
            ],
        ),
        ({"spec__replicas": -1}, ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]),
        (
            {"spec__updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}}},
            ["spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: cannot be 0"],
        ),
    ],
)
def test_each_mistake_is_named(changes: dict[str, Any], texts: list[str]) -> None:
    assert judged("apps", "StatefulSet", edited(SET, **changes)) == texts


def test_what_may_change() -> None:
    assert changed("apps", "StatefulSet", SET, spec__replicas=3, spec__minReadySeconds=1) == []
    assert changed("apps", "StatefulSet", SET, spec__serviceName="other") == [f"spec: Forbidden: {FIXED}"]
    assert changed("apps", "StatefulSet", SET, spec__volumeClaimTemplates=[]) == [f"spec: Forbidden: {FIXED}"]
    assert FIXED.endswith(
        "'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', "
        "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
    )


def test_columns_and_revisions() -> None:
    found = edited(SET, spec__replicas=2, status={"readyReplicas": 1})
    assert row("apps", "StatefulSet", found) == {"Ready": "1/2", "Age": "3h4m"}
    revision = {"metadata": {"name": "web-1"}, "data": {"a": 1}, "revision": 1}
    assert judged("apps", "ControllerRevision", revision) == []
    assert judged("apps", "ControllerRevision", {"revision": -1}) == [
        "data: Required value: data is mandatory",
        "revision: Invalid value: -1: must be greater than or equal to 0",
    ]
    assert changed("apps", "ControllerRevision", revision, data={"a": 2}) == [
        'data: Invalid value: {"a":2}: field is immutable'
    ]
