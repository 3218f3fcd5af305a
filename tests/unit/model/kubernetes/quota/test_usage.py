from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from corral.model.kubernetes.quota.usage import usage

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
Object = dict[str, Any]


def shown(group: str, plural: str, obj: Object) -> dict[str, str]:
    return {name: str(one) for name, one in usage(group, plural, obj, NOW).items()}


def pod(**spec: Any) -> Object:
    return {"metadata": {}, "spec": {"containers": [{"name": "main"}], **spec}}


@pytest.mark.parametrize(
    ("pod", "counts"),
    [
        (pod(), True),
        ({**pod(), "status": {"phase": "Failed"}}, False),
        ({**pod(), "metadata": {"deletionTimestamp": "2026-01-01T11:00:00Z", "deletionGracePeriodSeconds": 30}}, False),
        ({**pod(), "metadata": {"deletionTimestamp": "2026-01-01T12:00:00Z", "deletionGracePeriodSeconds": 30}}, True),
    ],
)
def test_a_pod_that_has_ended_uses_nothing_but_its_place_in_the_store(pod: Object, counts: bool) -> None:
    found = shown("", "pods", pod)
    assert found.get("pods") == ("1" if counts else None)
    assert found["count/pods"] == "1"


def test_extended_resources_count_by_what_is_requested() -> None:
    resources = {"requests": {"example.com/gpu": "2"}, "limits": {"example.com/gpu": "2"}}
    found = shown("", "pods", pod(containers=[{"name": "main", "resources": resources}]))
    assert found == {"count/pods": "1", "pods": "1", "requests.example.com/gpu": "2"}


@pytest.mark.parametrize(
    ("spec", "balancers", "ports"),
    [
        ({"type": "ClusterIP", "ports": [{}]}, "0", "0"),
        ({"type": "NodePort", "ports": [{}, {}]}, "0", "2"),
        ({"type": "LoadBalancer", "ports": [{}, {}]}, "1", "2"),
        ({"type": "LoadBalancer", "ports": [{"nodePort": 1}, {}], "allocateLoadBalancerNodePorts": False}, "1", "1"),
    ],
)
def test_services(spec: Object, balancers: str, ports: str) -> None:
    found = shown("", "services", {"spec": spec})
    assert (found["services.loadbalancers"], found["services.nodeports"]) == (balancers, ports)


def test_claims_count_in_their_class_with_the_larger_of_what_is_asked_and_given() -> None:
    spec = {"storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"metadata": {}, "spec": spec, "status": {"allocatedResources": {"storage": "2Gi"}}}
    assert shown("", "persistentvolumeclaims", claim) == {
        "count/persistentvolumeclaims": "1",
        "persistentvolumeclaims": "1",
        "requests.storage": "2Gi",
        "fast.storageclass.storage.k8s.io/persistentvolumeclaims": "1",
        "fast.storageclass.storage.k8s.io/requests.storage": "2Gi",
    }


def test_what_is_missing_is_nothing() -> None:
    """Admission counts before anybody has looked whether the object is whole."""
    assert shown("", "pods", {}) == {"count/pods": "1", "pods": "1"}
    assert shown("", "services", {})["services.nodeports"] == "0"
    assert shown("", "persistentvolumeclaims", {})["requests.storage"] == "0"
    assert (
        shown("", "services", {"spec": {"type": "LoadBalancer", "ports": [{}], "allocateLoadBalancerNodePorts": None}})[
            "services.nodeports"
        ]
        == "1"
    )
