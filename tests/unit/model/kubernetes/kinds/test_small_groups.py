"""The groups with a kind or two: scheduling, coordination, discovery, node, policy, apiregistration, reviews."""

from __future__ import annotations

from typing import Any

import pytest

from corral.model.kubernetes.kinds import KINDS
from tests.support.kinds import added, changed, edited, judged, row

SLICE: dict[str, Any] = {
    "addressType": "IPv4",
    "endpoints": [{"addresses": ["10.0.0.1"]}],
    "ports": [{"port": 80}],
}
SERVICE = {"namespace": "default", "name": "api"}
API: dict[str, Any] = {
    "metadata": {"name": "v1.example.com"},
    "spec": {
        "group": "example.com",
        "version": "v1",
        "groupPriorityMinimum": 1000,
        "versionPriority": 15,
        "service": SERVICE,
    },
}
CASES: list[tuple[str, str, dict[str, Any], list[str]]] = [
    ("scheduling.k8s.io", "PriorityClass", {"metadata": {"name": "high"}, "value": 10}, []),
    (
        "scheduling.k8s.io",
        "PriorityClass",
        {"metadata": {"name": "system-mine"}},
        [
            "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. "
            "error: system-mine is not a known system priority class"
        ],
    ),
    (
        "scheduling.k8s.io",
        "PriorityClass",
        {"metadata": {"name": "a"}, "value": 1000000001},
        ["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"],
    ),
    (
        "coordination.k8s.io",
        "Lease",
        {"spec": {"leaseDurationSeconds": 0, "leaseTransitions": -1}},
        [
            "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
            "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
        ],
    ),
    ("discovery.k8s.io", "EndpointSlice", SLICE, []),
    (
        "discovery.k8s.io",
        "EndpointSlice",
        {**SLICE, "addressType": "IPv6"},
        ['endpoints[0].addresses[0]: Invalid value: "10.0.0.1": must be a valid IPv6 address'],
    ),
    (
        "discovery.k8s.io",
        "EndpointSlice",
        {**SLICE, "endpoints": [{}], "ports": [{"name": "a"}, {"name": "a"}]},
        [
            "endpoints[0].addresses: Required value: must contain at least 1 address",
            'ports[1].name: Duplicate value: "a"',
        ],
    ),
    (
        "policy",
        "PodDisruptionBudget",
        {"spec": {"minAvailable": "101%", "maxUnavailable": -1}},
        [
            'spec: Invalid value: {"minAvailable":"101%","maxUnavailable":-1}: minAvailable and maxUnavailable cannot '
            "be both set",
            'spec.minAvailable: Invalid value: "101%": must not be greater than 100%',
            "spec.maxUnavailable: Invalid value: -1: must be greater than or equal to 0",
        ],
    ),
    ("apiregistration.k8s.io", "APIService", API, []),
    (
        "apiregistration.k8s.io",
        "APIService",
        edited(API, metadata__name="v1", spec__versionPriority=0, spec__service__name=""),
        [
            'metadata.name: Invalid value: "v1": must be `spec.version+"."+spec.group`: "v1.example.com"',
            "spec.versionPriority: Invalid value: 0: must be positive and less than 1000",
            "spec.service.name: Required value",
        ],
    ),
    (
        "authorization.k8s.io",
        "SubjectAccessReview",
        {"spec": {"resourceAttributes": {}}},
        ['spec.user: Invalid value: "": at least one of user or group must be specified'],
    ),
    ("authorization.k8s.io", "SelfSubjectAccessReview", {"spec": {"nonResourceAttributes": {"path": "/"}}}, []),
    (
        "authentication.k8s.io",
        "TokenRequest",
        {"spec": {"expirationSeconds": 60}},
        ["spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes"],
    ),
    ("node.k8s.io", "RuntimeClass", {"handler": "runc", "scheduling": {"nodeSelector": {"a": "b"}}}, []),
]


@pytest.mark.parametrize(("group", "kind", "obj", "texts"), CASES)
def test_rules(group: str, kind: str, obj: dict[str, Any], texts: list[str]) -> None:
    assert judged(group, kind, obj) == texts


def test_defaults() -> None:
    preempts = {"preemptionPolicy": "PreemptLowerPriority"}
    assert added("scheduling.k8s.io", "PriorityClass", {}) == {"value": 0, **preempts}
    assert added("scheduling.k8s.io", "PriorityClass", {"value": 7}) == preempts
    assert added("discovery.k8s.io", "EndpointSlice", SLICE) == {"ports": {0: {"name": "", "protocol": "TCP"}}}
    assert added("apiregistration.k8s.io", "APIService", API) == {"spec": {"service": {"port": 443}}, "status": {}}
    assert added("authentication.k8s.io", "TokenRequest", {}) == {"spec": {"expirationSeconds": 3600}}


def test_a_spec_is_there_whoever_sent_none() -> None:
    """As Go shows it: a struct that is no pointer is never left out."""
    counts = dict.fromkeys(("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"), 0)
    assert added("policy", "PodDisruptionBudget", {}) == {"spec": {}, "status": counts}
    assert added("coordination.k8s.io", "Lease", {}) == {"spec": {}}
    assert added("resource.k8s.io", "DeviceClass", {}) == {"spec": {}}
    assert added("resource.k8s.io", "ResourceClaim", {}) == {"spec": {"devices": {}}, "status": {}}
    template = {"spec": {"metadata": {}, "spec": {"devices": {}}}}
    assert added("resource.k8s.io", "ResourceClaimTemplate", {}) == template


def test_what_stays() -> None:
    assert changed("scheduling.k8s.io", "PriorityClass", {"value": 1}, value=2) == [
        "value: Forbidden: may not be changed in an update."
    ]
    critical = {"metadata": {"name": "system-node-critical", "resourceVersion": "1"}, "value": 2000001000}
    assert judged("scheduling.k8s.io", "PriorityClass", {**critical, "value": 5}) == []  # which is a change's to refuse
    assert changed("discovery.k8s.io", "EndpointSlice", SLICE, addressType="FQDN") == [
        'addressType: Invalid value: "FQDN": field is immutable'
    ]
    assert changed("node.k8s.io", "RuntimeClass", {"handler": "a"}, handler="b") == [
        'handler: Invalid value: "b": field is immutable'
    ]


def test_columns() -> None:
    assert row("coordination.k8s.io", "Lease", {"spec": {"holderIdentity": "me"}})["Holder"] == "me"
    assert row("discovery.k8s.io", "EndpointSlice", SLICE) == {
        "AddressType": "IPv4",
        "Ports": "80",
        "Endpoints": "10.0.0.1",
        "Age": "<unknown>",
    }
    budget = {"spec": {"minAvailable": 1}, "status": {"disruptionsAllowed": 2}}
    assert row("policy", "PodDisruptionBudget", budget) == {
        "Min Available": "1",
        "Max Unavailable": "N/A",
        "Allowed Disruptions": 2,
        "Age": "<unknown>",
    }
    down = {"conditions": [{"type": "Available", "status": "False", "reason": "Gone"}]}
    assert row("apiregistration.k8s.io", "APIService", {**API, "status": down}) == {
        "Service": "default/api",
        "Available": "False (Gone)",
        "Age": "<unknown>",
    }
    made = {"metadata": {"creationTimestamp": "2026-01-02T03:00:00Z"}}
    assert row("apiextensions.k8s.io", "CustomResourceDefinition", made) == {"Created At": "2026-01-02T03:00:00Z"}
    assert row("scheduling.k8s.io", "PriorityClass", {"value": 5})["Value"] == 5


def test_leases_are_written_by_those_that_read_them() -> None:
    assert not KINDS["coordination.k8s.io", "Lease"].allow_unconditional_update
