"""What objects use up of a quota."""

from __future__ import annotations

from typing import Any

from corral.cluster.apiserver.admission.usage import fits_scopes, missing_of_pod, usage_of


def shown(plural: str, obj: dict[str, Any]) -> dict[str, str]:
    return {name: str(amount) for name, amount in usage_of("", plural, obj).items()}


def container(**requests: str) -> dict[str, Any]:
    return {"name": "c", "resources": {"requests": requests, "limits": requests}}


def test_pods() -> None:
    spec = {"containers": [container(cpu="1"), container(cpu="500m")], "initContainers": [container(cpu="2")]}
    found = shown("pods", {"spec": {**spec, "overhead": {"cpu": "100m"}}})
    assert (found["pods"], found["cpu"], found["requests.cpu"], found["limits.cpu"]) == ("1", "2100m", "2100m", "2100m")
    assert shown("pods", {"spec": spec, "status": {"phase": "Succeeded"}}) == {"count/pods": "1"}


def test_services_and_claims() -> None:
    found = shown("services", {"spec": {"type": "LoadBalancer", "ports": [{}, {}]}})
    assert (found["services.loadbalancers"], found["services.nodeports"]) == ("1", "2")
    claim = {"spec": {"storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}}}}
    assert shown("persistentvolumeclaims", claim)["fast.storageclass.storage.k8s.io/requests.storage"] == "1Gi"


def test_what_must_be_said() -> None:
    pod = {"spec": {"containers": [{"name": "b"}, {"name": "a"}]}}
    assert missing_of_pod(pod, {"limits.cpu": "1", "requests.memory": "1", "pods": "1"}) == (
        "limits.cpu for: a,b; requests.memory for: a,b"
    )


def test_scopes() -> None:
    def fits(pod: dict[str, Any], **spec: Any) -> bool:
        return fits_scopes({"spec": spec}, "pods", {"spec": pod})

    assert fits({"activeDeadlineSeconds": 5}, scopes=["Terminating"]) and not fits({}, scopes=["Terminating"])
    assert fits({"containers": [container(cpu="1")]}, scopes=["NotBestEffort"])
    term = {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}
    assert fits({"priorityClassName": "high"}, scopeSelector={"matchExpressions": [term]})
    assert not fits({}, scopeSelector={"matchExpressions": [term]})
    assert not fits_scopes({"spec": {"scopes": ["BestEffort"]}}, "services", {})
