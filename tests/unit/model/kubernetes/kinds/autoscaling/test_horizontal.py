from __future__ import annotations

from typing import Any

import pytest

from corral.model.kubernetes.kinds.autoscaling.conversion import BEHAVIOR, METRICS, from_v1, to_v1
from corral.model.kubernetes.schema.zeros import written
from tests.support.kinds import added, edited, judged, row

HPA: dict[str, Any] = {
    "apiVersion": "autoscaling/v2",
    "metadata": {"name": "web"},
    "spec": {"maxReplicas": 5, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}},
}
GROUP, KIND = "autoscaling", "HorizontalPodAutoscaler"
CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
PODS = {"type": "Pods", "pods": {"metric": {"name": "rps"}, "target": {"type": "AverageValue", "averageValue": "10"}}}


def test_defaults() -> None:
    assert added(GROUP, KIND, HPA) == {
        "spec": {"minReplicas": 1, "metrics": [CPU]},
        "status": {"desiredReplicas": 0},
    }
    behavior = added(GROUP, KIND, edited(HPA, spec__behavior={"scaleDown": {"selectPolicy": "Min"}}))["spec"][
        "behavior"
    ]
    assert behavior == {
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Max",
            "policies": [
                {"type": "Pods", "value": 4, "periodSeconds": 15},
                {"type": "Percent", "value": 100, "periodSeconds": 15},
            ],
        },
        "scaleDown": {"policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]},
    }
    assert judged(GROUP, KIND, HPA) == []


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        (
            {"spec__maxReplicas": 0},
            [
                "spec.maxReplicas: Invalid value: 0: must be greater than 0",
                "spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`",
            ],
        ),
        (
            {"spec__minReplicas": 0},
            [
                "spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to "
                "zero replicas"
            ],
        ),
        ({"spec__scaleTargetRef__kind": ""}, ["spec.scaleTargetRef.kind: Required value"]),
        (
            {"spec__metrics": [{**PODS, "resource": CPU["resource"]}]},
            [
                "spec.metrics[0].resource: Forbidden: must populate the given metric source only",
            ],
        ),
        (
            {"spec__metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization"}}}]},
            [
                "spec.metrics[0].resource.target.averageUtilization: Required value: must set either a "
                "target raw value "
                "or a target utilization"
            ],
        ),
        (
            {"spec__behavior": {"scaleUp": {"policies": [{"type": "Pods", "value": 0, "periodSeconds": 1801}]}}},
            [
                "spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero",
                "spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to "
                "1800",
            ],
        ),
    ],
)
def test_each_mistake_is_named(changes: dict[str, Any], texts: list[str]) -> None:
    assert judged(GROUP, KIND, edited(HPA, **changes)) == texts


def test_the_older_version() -> None:
    stored = edited(HPA, spec__metrics=[CPU, PODS], spec__behavior={"scaleUp": {"selectPolicy": "Max"}})
    old = to_v1(stored)
    assert old["apiVersion"] == "autoscaling/v1" and old["spec"]["targetCPUUtilizationPercentage"] == 80
    assert old["metadata"]["annotations"] == {
        METRICS: '[{"type":"Pods","pods":{"metricName":"rps","targetAverageValue":"10"}}]',
        BEHAVIOR: '{"scaleUp":{"selectPolicy":"Max"}}',
    }
    back = from_v1(old)
    assert back["spec"]["behavior"] == {"scaleUp": {"selectPolicy": "Max"}}
    assert back["spec"]["metrics"] == [PODS, CPU] and "annotations" not in back["metadata"]


def test_columns() -> None:
    current = [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 40}}}]
    found = edited(HPA, spec__metrics=[CPU, PODS, PODS], status={"currentMetrics": current, "currentReplicas": 2})
    assert row(GROUP, KIND, found) == {
        "Reference": "Deployment/web",
        "Targets": "cpu: 40%/80%, <unknown>/10 + 1 more...",
        "MinPods": "<unset>",
        "MaxPods": 5,
        "Replicas": 2,
        "Age": "<unknown>",
    }


def test_each_version_shows_its_own_zeros() -> None:
    named = {"kind": "HorizontalPodAutoscaler", "metadata": {}, "spec": {}, "status": {"desiredReplicas": 0}}
    newer = written({"apiVersion": "autoscaling/v2", **named})
    assert newer["status"] == {"currentMetrics": None, "desiredReplicas": 0}
    older = {**to_v1({"apiVersion": "autoscaling/v2", **named}), "apiVersion": "autoscaling/v1"}
    assert written(older)["status"] == {"currentReplicas": 0, "desiredReplicas": 0}
