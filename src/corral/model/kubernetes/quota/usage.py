"""What an object uses of a quota's resources. Pure.

Follows k8s.io/kubernetes/pkg/quota/v1/evaluator/core and k8s.io/apiserver/pkg/quota/v1/generic.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from corral.model.kubernetes import quantity
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.fields import number, objects, part, text
from corral.model.kubernetes.quota.pods import PLAIN, Amounts, pod_amounts

_ONE: Final = quantity.of(1)
_OLD_NAMES: Final = ("configmaps", "secrets", "resourcequotas", "replicationcontrollers")  # core kinds
_DEVICES: Final = ".deviceclass.resource.k8s.io/devices"
_MOST_DEVICES: Final = 32  # that a claim can get
_CLASS: Final = "volume.beta.kubernetes.io/storage-class"


def count_name(group: str, plural: str) -> str:
    """
    >>> count_name("apps", "deployments"), count_name("", "pods")
    ('count/deployments.apps', 'count/pods')
    """
    return f"count/{plural}.{group}" if group else f"count/{plural}"


def resource_of(name: str) -> tuple[str, str] | None:
    """Which kind (group, plural) the amount of this name is counted in; None: of no known kind.

    >>> resource_of("requests.cpu"), resource_of("count/deployments.apps"), resource_of("services.nodeports")
    (('', 'pods'), ('apps', 'deployments'), ('', 'services'))
    """
    if name.startswith("count/"):
        plural, _, group = name.removeprefix("count/").partition(".")
        return group, plural
    if name in _OLD_NAMES:
        return "", name
    if name == "services" or name.startswith("services."):
        return "", "services"
    if name in ("persistentvolumeclaims", "requests.storage") or ".storageclass.storage.k8s.io/" in name:
        return "", "persistentvolumeclaims"
    if name.endswith(_DEVICES):
        return "resource.k8s.io", "resourceclaims"
    if name == "pods" or name in PLAIN or name.startswith(("requests.", "limits.", "hugepages-")):
        return "", "pods"
    return None


def usage(group: str, plural: str, obj: Object, now: datetime) -> Amounts:
    """All that the object counts for, by the names that quotas use.

    >>> ports = {"spec": {"type": "NodePort", "ports": [{"port": 80}, {"port": 81}]}}
    >>> {name: str(one) for name, one in usage("", "services", ports, datetime.now()).items()}
    {'count/services': '1', 'services': '1', 'services.loadbalancers': '0', 'services.nodeports': '2'}
    """
    found: Amounts = {count_name(group, plural): _ONE}
    if group == "":
        match plural:
            case "pods":
                found |= _of_pod(obj, now)
            case "services":
                found |= _of_service(part(obj, "spec"))
            case "persistentvolumeclaims":
                found |= _of_claim(obj)
            case _ if plural in _OLD_NAMES:
                found[plural] = _ONE
    elif (group, plural) == ("resource.k8s.io", "resourceclaims"):
        found |= {f"{name}{_DEVICES}": quantity.of(count) for name, count in _devices_of(part(obj, "spec")).items()}
    return found


def has_ended(pod: Object, now: datetime) -> bool:
    """Whether a pod uses nothing any more: it has ended, or its node has had all the time to end it."""
    if part(pod, "status").get("phase") in ("Failed", "Succeeded"):
        return True
    metadata = part(pod, "metadata")
    deleted, grace = metadata.get("deletionTimestamp"), metadata.get("deletionGracePeriodSeconds")
    if not deleted or grace is None:
        return False
    return now > datetime.fromisoformat(deleted) + timedelta(seconds=grace)


def _of_pod(pod: Object, now: datetime) -> Amounts:
    if has_ended(pod, now):
        return {}
    found: Amounts = {"pods": _ONE}
    for name, amount in pod_amounts(pod, "requests").items():
        found[f"requests.{name}"] = amount
        if name in PLAIN or name.startswith("hugepages-"):
            found[name] = amount
    found |= {f"limits.{name}": one for name, one in pod_amounts(pod, "limits").items() if name in PLAIN}
    return found


def _of_service(spec: dict[str, Any]) -> Amounts:
    kind, ports = spec.get("type"), len(objects(spec, "ports"))
    balanced = kind == "LoadBalancer"
    if balanced and spec.get("allocateLoadBalancerNodePorts") is False:
        ports = sum(1 for one in objects(spec, "ports") if number(one, "nodePort"))
    node_ports = ports if balanced or kind == "NodePort" else 0
    return {
        "services": _ONE,
        "services.loadbalancers": quantity.of(int(balanced)),
        "services.nodeports": quantity.of(node_ports),
    }


def _of_claim(claim: Object) -> Amounts:
    spec = part(claim, "spec")
    asked = quantity.of_json(part(spec, "resources", "requests").get("storage"))
    allocated = quantity.of_json(part(claim, "status", "allocatedResources").get("storage"))
    storage = max(asked, allocated)
    found = {"persistentvolumeclaims": _ONE, "requests.storage": storage}
    name = part(claim, "metadata", "annotations").get(_CLASS) or spec.get("storageClassName")
    if name:
        prefix = f"{name}.storageclass.storage.k8s.io/"
        found |= {f"{prefix}persistentvolumeclaims": _ONE, f"{prefix}requests.storage": storage}
    return found


def _devices_of(spec: dict[str, Any]) -> dict[str, int]:
    """How many devices of each class a claim may get; of alternatives, the most that any of them wants of a class.

    >>> first = [{"deviceClassName": "a", "count": 2}, {"deviceClassName": "a", "count": 1}]
    >>> requests = [{"exactly": {"deviceClassName": "a", "allocationMode": "All"}}, {"firstAvailable": first}]
    >>> _devices_of({"devices": {"requests": requests}})
    {'a': 34}
    """
    found: dict[str, int] = {}
    for request in objects(part(spec, "devices"), "requests"):
        most: dict[str, int] = {}
        for one in (*objects(request, "firstAvailable"), part(request, "exactly")):
            if name := text(one, "deviceClassName"):
                count = _MOST_DEVICES if one.get("allocationMode") == "All" else number(one, "count") or 1
                most[name] = max(most.get(name, 0), count)
        for name, count in most.items():
            found[name] = found.get(name, 0) + count
    return found
