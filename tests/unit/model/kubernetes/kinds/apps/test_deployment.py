from __future__ import annotations

from typing import Any

import pytest

from tests.support.kinds import added, changed, edited, judged, row, status_judged

TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "a", "image": "nginx:1"}]}}
DEPLOYMENT: dict[str, Any] = {
    "metadata": {"name": "web", "namespace": "default", "creationTimestamp": "2026-01-02T00:00:00Z"},
    "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE},
}
POD_DEFAULTS = {
    "containers": {
        0: {
            "resources": {},
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "imagePullPolicy": "IfNotPresent",
        }
    },
    "restartPolicy": "Always",
    "dnsPolicy": "ClusterFirst",
    "securityContext": {},
    "terminationGracePeriodSeconds": 30,
    "schedulerName": "default-scheduler",
}


def test_a_minimal_deployment_gets_exactly_these_defaults() -> None:
    assert added("apps", "Deployment", DEPLOYMENT) == {
        "spec": {
            "replicas": 1,
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
            },
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
            "template": {"spec": POD_DEFAULTS},
        },
        "status": {},
    }
    assert judged("apps", "Deployment", DEPLOYMENT) == []


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        ({"spec__replicas": -1}, ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]),
        (
            {"spec__selector": {}},
            ["spec.selector: Invalid value: {}: empty selector is invalid for deployment"],
        ),
        (
            {"spec__template__metadata__labels": {"app": "x"}},
            ['spec.template.metadata.labels: Invalid value: {"app":"x"}: `selector` does not match template `labels`'],
        ),
        (
            {"spec__template__spec__restartPolicy": "Never"},
            ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
        ),
        (
            {"spec__strategy": {"type": "Recreate", "rollingUpdate": {}}},
            ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
        ),
        (
            {"spec__strategy__rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}},
            ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0'],
        ),
        (
            {"spec__strategy__rollingUpdate": {"maxUnavailable": "101%"}},
            ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%'],
        ),
        (
            {"spec__progressDeadlineSeconds": 5, "spec__minReadySeconds": 5},
            ["spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds"],
        ),
        (
            {"spec__template__spec__containers": []},
            ["spec.template.spec.containers: Required value"],
        ),
    ],
)
def test_each_mistake_is_named(changes: dict[str, Any], texts: list[str]) -> None:
    assert judged("apps", "Deployment", edited(DEPLOYMENT, **changes)) == texts


def test_a_selector_is_needed_and_stays() -> None:
    found = judged("apps", "Deployment", edited(DEPLOYMENT, spec__selector=None))
    assert found[0] == "spec.selector: Required value"
    assert changed("apps", "Deployment", DEPLOYMENT, spec__selector={"matchLabels": {"app": "x"}}) == [
        'spec.selector: Invalid value: {"matchLabels":{"app":"x"}}: field is immutable'
    ]
    assert changed("apps", "Deployment", DEPLOYMENT, spec__replicas=5) == []


def test_status() -> None:
    assert status_judged("apps", "Deployment", DEPLOYMENT, {"replicas": 1, "readyReplicas": 2}) == [
        "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"
    ]
    was = {"collisionCount": 2}
    assert status_judged("apps", "Deployment", DEPLOYMENT, {"collisionCount": 1}, was) == [
        "status.collisionCount: Invalid value: 1: cannot be decremented"
    ]


def test_columns() -> None:
    found = edited(DEPLOYMENT, spec__replicas=3, status={"readyReplicas": 2, "updatedReplicas": 3})
    assert row("apps", "Deployment", found, wide=True) == {
        "Ready": "2/3",
        "Up-to-date": 3,
        "Available": 0,
        "Age": "3h4m",
        "Containers": "a",
        "Images": "nginx:1",
        "Selector": "app=web",
    }
