"""Kubernetes' conformance list, "should support API operations": one life for each kind that it names."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.kubernetes import JSON_PATCH, LiveKubernetes, Namespace

CONTAINERS = [{"name": "c", "image": "i"}]
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": CONTAINERS}}
SELECTOR = {"matchLabels": {"a": "b"}}
REFERENCE = {"kind": "Pod", "name": "p"}


class Case(NamedTuple):
    """`body`: all but the metadata. `change`: a merge patch. `status`: one for the subresource, if it is there."""

    plural: str
    group: str
    body: dict[str, Any]
    change: dict[str, Any]
    status: dict[str, Any] = {}
    namespaced: bool = True


LABEL = {"metadata": {"labels": {"changed": "yes"}}}
POD = {"spec": {"containers": CONTAINERS}}
CONDITION = {
    "type": "Mine",
    "status": "True",
    "reason": "Test",
    "message": "told",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}
CONDITIONS = {"status": {"conditions": [CONDITION]}}
JOB = {"metadata": {}, "spec": {"restartPolicy": "Never", "containers": CONTAINERS}}
INGRESS = {
    "rules": [
        {
            "http": {
                "paths": [
                    {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {"number": 80}}}}
                ]
            }
        }
    ]
}
CASES = [
    Case("configmaps", "", {"data": {"a": "1"}}, {"data": {"a": "2"}}),
    Case("endpoints", "", {"subsets": [{"addresses": [{"ip": "10.1.1.1"}], "ports": [{"port": 80}]}]}, LABEL),
    Case("events", "", {"involvedObject": REFERENCE, "reason": "Test", "type": "Normal"}, {"message": "new"}),
    Case("limitranges", "", {"spec": {"limits": [{"type": "Container", "max": {"cpu": "1"}}]}}, LABEL),
    Case(
        "persistentvolumeclaims",
        "",
        {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}},
        LABEL,
        CONDITIONS,
    ),
    Case("pods", "", POD, LABEL, CONDITIONS),
    Case("podtemplates", "", {"template": TEMPLATE}, LABEL),
    Case(
        "replicationcontrollers",
        "",
        {"spec": {"selector": {"a": "b"}, "template": TEMPLATE}},
        {"spec": {"replicas": 2}},
        CONDITIONS,
    ),
    Case(
        "resourcequotas",
        "",
        {"spec": {"hard": {"pods": "90"}}},
        {"spec": {"hard": {"pods": "91"}}},
        {"status": {"hard": {"pods": "9"}}},
    ),
    Case("secrets", "", {"data": {"a": "Yg=="}}, {"stringData": {"a": "c"}}),
    Case("serviceaccounts", "", {"automountServiceAccountToken": False}, {"automountServiceAccountToken": True}),
    Case("services", "", {"spec": {"ports": [{"port": 80}]}}, {"spec": {"selector": {"x": "y"}}}, CONDITIONS),
    Case("controllerrevisions", "apps/v1", {"revision": 1, "data": {"a": 1}}, {"revision": 2}),
    Case("daemonsets", "apps/v1", {"spec": {"selector": SELECTOR, "template": TEMPLATE}}, LABEL, CONDITIONS),
    Case(
        "deployments",
        "apps/v1",
        {"spec": {"selector": SELECTOR, "template": TEMPLATE}},
        {"spec": {"replicas": 2}},
        CONDITIONS,
    ),
    Case(
        "replicasets",
        "apps/v1",
        {"spec": {"selector": SELECTOR, "template": TEMPLATE}},
        {"spec": {"replicas": 2}},
        CONDITIONS,
    ),
    Case(
        "statefulsets",
        "apps/v1",
        {"spec": {"serviceName": "s", "selector": SELECTOR, "template": TEMPLATE}},
        {"spec": {"replicas": 2}},
        CONDITIONS,
    ),
    Case(
        "jobs",
        "batch/v1",
        {"spec": {"template": JOB}},
        {"spec": {"suspend": True}},
        {"status": {"ready": 0, "terminating": 0}},
    ),
    Case(
        "cronjobs",
        "batch/v1",
        {"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": JOB}}}},
        {"spec": {"suspend": True}},
        {"status": {"lastScheduleTime": "2026-01-01T00:00:00Z"}},
    ),
    Case(
        "horizontalpodautoscalers",
        "autoscaling/v2",
        {"spec": {"maxReplicas": 2, "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}}},
        {"spec": {"maxReplicas": 3}},
        {"status": {"currentReplicas": 1, "desiredReplicas": 1}},
    ),
    Case(
        "leases",
        "coordination.k8s.io/v1",
        {"spec": {"holderIdentity": "me", "leaseDurationSeconds": 30}},
        {"spec": {"leaseDurationSeconds": 40}},
    ),
    Case(
        "endpointslices",
        "discovery.k8s.io/v1",
        {"addressType": "IPv4", "endpoints": [{"addresses": ["10.1.1.1"]}], "ports": [{"port": 80}]},
        {"endpoints": []},
    ),
    Case(
        "events",
        "events.k8s.io/v1",
        {
            "regarding": REFERENCE,
            "reason": "Test",
            "type": "Normal",
            "action": "Do",
            "reportingController": "example.com/c",
            "reportingInstance": "i",
            "eventTime": "2026-01-01T00:00:00.000000Z",
        },
        {"series": {"count": 2, "lastObservedTime": "2026-01-02T00:00:00.000000Z"}},
    ),
    Case(
        "ingresses",
        "networking.k8s.io/v1",
        {"spec": INGRESS},
        LABEL,
        {"status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}},
    ),
    Case("networkpolicies", "networking.k8s.io/v1", {"spec": {"podSelector": {}}}, LABEL),
    Case(
        "poddisruptionbudgets",
        "policy/v1",
        {"spec": {"selector": SELECTOR, "minAvailable": 1}},
        {"spec": {"minAvailable": "50%"}},
        {"status": {"disruptionsAllowed": 1, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1}},
    ),
    Case(
        "roles",
        "rbac.authorization.k8s.io/v1",
        {"rules": []},
        {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    ),
    Case(
        "rolebindings",
        "rbac.authorization.k8s.io/v1",
        {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}},
        {"subjects": [{"kind": "User", "name": "u", "apiGroup": "rbac.authorization.k8s.io"}]},
    ),
    Case("csistoragecapacities", "storage.k8s.io/v1", {"storageClassName": "c"}, {"capacity": "1Gi"}),
    Case(
        "resourceclaims",
        "resource.k8s.io/v1",
        {"spec": {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "d.example.com"}}]}}},
        LABEL,
    ),
    Case("nodes", "", {"spec": {}}, {"spec": {"unschedulable": True}}, CONDITIONS, False),
    Case(
        "persistentvolumes",
        "",
        {"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}},
        LABEL,
        {"status": {"message": "told"}},
        False,
    ),
    Case("ingressclasses", "networking.k8s.io/v1", {"spec": {"controller": "example.com/c"}}, LABEL, {}, False),
    Case(
        "ipaddresses",
        "networking.k8s.io/v1",
        {"spec": {"parentRef": {"resource": "services", "name": "s", "namespace": "d"}}},
        LABEL,
        {},
        False,
    ),
    Case("servicecidrs", "networking.k8s.io/v1", {"spec": {"cidrs": ["10.77.0.0/24"]}}, LABEL, CONDITIONS, False),
    Case(
        "flowschemas",
        "flowcontrol.apiserver.k8s.io/v1",
        {"spec": {"priorityLevelConfiguration": {"name": "global-default"}, "matchingPrecedence": 9000}},
        {"spec": {"matchingPrecedence": 8000}},
        {"status": {"conditions": [CONDITION]}},
        False,
    ),
    Case(
        "prioritylevelconfigurations",
        "flowcontrol.apiserver.k8s.io/v1",
        {"spec": {"type": "Limited", "limited": {"nominalConcurrencyShares": 2, "limitResponse": {"type": "Reject"}}}},
        {"spec": {"limited": {"nominalConcurrencyShares": 4}}},
        {"status": {"conditions": [CONDITION]}},
        False,
    ),
    Case("runtimeclasses", "node.k8s.io/v1", {"handler": "h"}, LABEL, {}, False),
    Case("priorityclasses", "scheduling.k8s.io/v1", {"value": 7}, {"description": "new"}, {}, False),
    Case("clusterroles", "rbac.authorization.k8s.io/v1", {"rules": []}, LABEL, {}, False),
    Case("csinodes", "storage.k8s.io/v1", {"spec": {"drivers": []}}, LABEL, {}, False),
    Case("csidrivers", "storage.k8s.io/v1", {"spec": {"attachRequired": False}}, LABEL, {}, False),
    Case(
        "storageclasses",
        "storage.k8s.io/v1",
        {"provisioner": "example.com/p"},
        {"allowVolumeExpansion": True},
        {},
        False,
    ),
    Case(
        "volumeattachments",
        "storage.k8s.io/v1",
        {"spec": {"attacher": "example.com/a", "nodeName": "n", "source": {"persistentVolumeName": "v"}}},
        LABEL,
        {"status": {"attached": True}},
        False,
    ),
    Case("deviceclasses", "resource.k8s.io/v1", {"spec": {}}, LABEL, {}, False),
]


SINGLE_WORDS = ("services", "statefulsets", "servicecidrs")


def name_of(case: Case) -> str:
    """What fits the kind's own rules for names: some are names in DNS, some single words, one an address."""
    if case.plural == "ipaddresses":
        return "10.96.200.7"
    return f"{case.plural}{'' if case.plural in SINGLE_WORDS else '.example.com'}"


def holds(found: Any, wanted: Any) -> bool:
    """Pure: whether all of `wanted` is in `found`; items of lists in their order. An empty list is shown as null.

    >>> holds({"a": {"b": 1}, "c": 2}, {"a": {"b": 1}}), holds([{"a": 1, "b": 2}], [{"a": 1}]), holds([], [])
    (True, True, False)
    """
    if wanted == []:
        return found is None
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(holds(found.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        same = isinstance(found, list) and len(found) == len(wanted)
        return same and all(holds(*pair) for pair in zip(found, wanted, strict=True))
    return bool(found == wanted)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.plural}.{case.group or 'v1'}")
def test_a_life(ns: Namespace, case: Case) -> None:
    """Each kind: create, get, list in a namespace and in all, watch, patch, update, status, delete, delete all."""
    start = f"/apis/{case.group}" if case.group else "/api/v1"
    base = ns.path(case.plural, group=case.group) if case.namespaced else f"{start}/{case.plural}"
    name = name_of(case)
    path, select = f"{base}/{name}", f"labelSelector=conformance={ns.name}"
    stream = ns.admin.watch(f"{base}?watch=1&{select}")
    body = {"metadata": {"name": name, "labels": {"conformance": ns.name}}, **case.body}
    if case.plural == "events":  # of something in the same namespace
        about = "regarding" if case.group else "involvedObject"
        body[about] = {**REFERENCE, "namespace": ns.name}
    made = ns.admin.ok("POST", base, body)
    assert holds(made, case.body) and stream.told() == ("ADDED", name)
    assert ns.admin.get(path) == made
    for where in {base, f"{start}/{case.plural}"}:
        assert [one["metadata"]["uid"] for one in ns.admin.get(f"{where}?{select}")["items"]] == [
            made["metadata"]["uid"]
        ]
    patched = ns.admin.patch(path, case.change)
    assert patched.status == 200, patched.body
    plain = {key: value for key, value in case.change.items() if key != "stringData"}
    assert holds(patched.json, plain) and stream.told() == ("MODIFIED", name)
    updated = patched.json
    updated["metadata"].setdefault("annotations", {})["updated"] = "yes"
    assert ns.admin.ok("PUT", path, updated)["metadata"]["annotations"]["updated"] == "yes"
    assert stream.told() == ("MODIFIED", name)
    if case.status:
        told = ns.admin.patch(f"{path}/status", case.status)
        assert told.status == 200 and holds(told.json, case.status), told.body
        assert ns.admin.get(f"{path}/status") == ns.admin.get(path) and stream.told() == ("MODIFIED", name)
        again = ns.admin.ok("PUT", f"{path}/status", ns.admin.get(path))
        assert holds(again, case.status)
    free(ns, path)
    answer = ns.admin.ask("DELETE", f"{path}?gracePeriodSeconds=0&propagationPolicy=Background")
    assert answer.status == 200, answer.body
    gone = next(event for event in iter(stream.next, None) if event["type"] == "DELETED")
    assert gone["object"]["metadata"]["uid"] == made["metadata"]["uid"]
    stream.close()
    ns.admin.ok("POST", base, body)
    free(ns, path)
    ns.admin.ok("DELETE", f"{base}?{select}", {"gracePeriodSeconds": 0, "propagationPolicy": "Background"})
    assert ns.admin.get(f"{base}?{select}")["items"] == []


def free(ns: Namespace, path: str) -> None:
    """Takes the finalizers that protect it, as its controller would."""
    if ns.admin.get(path)["metadata"].get("finalizers"):
        assert ns.admin.patch(path, [{"op": "remove", "path": "/metadata/finalizers"}], JSON_PATCH).status == 200


# Scale


@pytest.mark.parametrize("plural", ["deployments", "replicasets", "statefulsets"])
def test_scale(ns: Namespace, plural: str) -> None:
    """Workloads: the scale subresource is read, patched and updated, and the object follows."""
    case = next(one for one in CASES if one.plural == plural)
    ns.create(plural, {"metadata": {"name": "w"}, **case.body}, case.group)
    path = ns.path(plural, "w", "scale", group=case.group)
    scale = ns.admin.get(path)
    assert (scale["kind"], scale["spec"]["replicas"], scale["status"]["selector"]) == ("Scale", 1, "a=b")
    assert ns.admin.patch(path, {"spec": {"replicas": 3}}).json["spec"] == {"replicas": 3}
    scale = ns.admin.get(path)
    scale["spec"]["replicas"] = 4
    assert ns.admin.ok("PUT", path, scale)["spec"]["replicas"] == 4
    assert ns.admin.get(ns.path(plural, "w", group=case.group))["spec"]["replicas"] == 4


# Certificates


@pytest.fixture(scope="module")
def request_for_jane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("csr")
    words = ("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "k", "-out", "r", "-subj", "/CN=jane")
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    yield base64.b64encode((folder / "r").read_bytes()).decode()


def test_certificates(cluster: LiveKubernetes, request_for_jane: str) -> None:
    """Certificates: a request lives as other objects do, and is approved at a path of its own."""
    base = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    spec = {"request": request_for_jane, "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"]}
    made = cluster.admin.ok("POST", base, {"metadata": {"name": "conformance"}, "spec": spec})
    assert made["spec"]["username"] and made["spec"]["request"] == request_for_jane
    made["status"] = {"conditions": [{"type": "Approved", "status": "True", "reason": "Test", "message": ""}]}
    assert cluster.admin.ok("PUT", f"{base}/conformance", made).get("status", {}) == {}
    made = cluster.admin.get(f"{base}/conformance")
    made["status"] = {"conditions": [{"type": "Approved", "status": "True", "reason": "Test", "message": ""}]}
    found = cluster.admin.ok("PUT", f"{base}/conformance/approval", made)
    assert found["status"]["conditions"][0]["type"] == "Approved"
    cluster.admin.ok("DELETE", f"{base}/conformance")
