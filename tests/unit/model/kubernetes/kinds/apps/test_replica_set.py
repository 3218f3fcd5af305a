from __future__ import annotations

from tests.support.kinds import added, changed, judged, row, status_judged
from tests.unit.model.kubernetes.kinds.apps.test_deployment import DEPLOYMENT, POD_DEFAULTS


def test_defaults_changes_status_and_columns() -> None:
    assert added("apps", "ReplicaSet", DEPLOYMENT) == {
        "spec": {"replicas": 1, "template": {"spec": POD_DEFAULTS}},
        "status": {"replicas": 0},
    }
    assert judged("apps", "ReplicaSet", DEPLOYMENT) == []
    assert changed("apps", "ReplicaSet", DEPLOYMENT, spec__selector={"matchLabels": {"b": "c"}}) == [
        'spec.selector: Invalid value: {"matchLabels":{"b":"c"}}: field is immutable'
    ]
    assert status_judged("apps", "ReplicaSet", DEPLOYMENT, {"replicas": 1, "availableReplicas": 1}) == [
        "status.availableReplicas: Invalid value: 1: cannot be greater than readyReplicas"
    ]
    assert row("apps", "ReplicaSet", DEPLOYMENT, wide=True)["Selector"] == "app=web"
