"""Which objects a quota with scopes is about."""

from __future__ import annotations

from typing import Any

import pytest

from corral.model.kubernetes.quota.scopes import counts_in

Object = dict[str, Any]


def pod(**spec: Any) -> Object:
    return {"metadata": {}, "spec": {"containers": [{"name": "main"}], **spec}}


def priority(operator: str, *values: str) -> Object:
    one = {"scopeName": "PriorityClass", "operator": operator, "values": list(values)}
    return {"spec": {"scopeSelector": {"matchExpressions": [one]}}}


CROSSING = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"namespaces": ["other"]}]}}


@pytest.mark.parametrize(
    ("quota", "pod", "counts"),
    [
        ({"spec": {"scopes": ["Terminating"]}}, pod(activeDeadlineSeconds=5), True),
        ({"spec": {"scopes": ["Terminating"]}}, pod(), False),
        ({"spec": {"scopes": ["CrossNamespacePodAffinity"]}}, pod(affinity=CROSSING), True),
        ({"spec": {"scopes": ["CrossNamespacePodAffinity"]}}, pod(), False),
        ({"spec": {"scopes": ["BestEffort"]}}, pod(), True),
        ({"spec": {"scopes": ["NotBestEffort"]}}, pod(resources={"limits": {"cpu": "1"}}), True),
        ({"spec": {"scopes": ["BestEffort"]}}, {}, True),
        ({}, pod(), True),
        (priority("In", "high"), pod(priorityClassName="high"), True),
        (priority("NotIn", "high"), pod(priorityClassName="high"), False),
        (priority("Exists"), pod(), False),
        (priority("DoesNotExist"), pod(), True),
    ],
)
def test_scopes(quota: Object, pod: Object, counts: bool) -> None:
    assert counts_in(quota, "", "pods", pod) is counts


def test_quotas_with_scopes_are_about_pods_and_claims_of_a_class() -> None:
    attributes = {"scopeName": "VolumeAttributesClass", "operator": "In", "values": ["gold"]}
    quota = {"spec": {"scopeSelector": {"matchExpressions": [attributes]}}}
    gold = {"spec": {"volumeAttributesClassName": "gold"}}
    assert counts_in(quota, "", "persistentvolumeclaims", gold)
    assert not counts_in(quota, "", "persistentvolumeclaims", {"spec": {}})
    assert not counts_in({"spec": {"scopes": ["BestEffort"]}}, "", "services", {})
    assert not counts_in({"spec": {"scopes": ["BestEffort"]}}, "metrics.k8s.io", "pods", pod())
