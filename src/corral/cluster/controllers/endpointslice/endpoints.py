"""What a pod is as an endpoint of a Service. Pure. Follows k8s.io/endpointslice (utils.go, reconciler.go)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.conditions import pod_ready

FAMILIES: Final = ("IPv4", "IPv6")


def family(address: str) -> str:
    """
    >>> family("10.0.0.1"), family("fd00::1")
    ('IPv4', 'IPv6')
    """
    return "IPv6" if ":" in address else "IPv4"


def pod_addresses(pod: Object) -> list[str]:
    status = pod.get("status") or {}
    found = [one["ip"] for one in status.get("podIPs") or () if one.get("ip")]
    return found or ([status["podIP"]] if status.get("podIP") else [])


def address_types(service: Object) -> tuple[str, ...]:
    """Of which families a Service has endpoints. One that is headless and from before families were chosen has both.

    >>> address_types({"spec": {"ipFamilies": ["IPv6"]}}), address_types({"spec": {"clusterIP": "10.96.0.7"}})
    (('IPv6',), ('IPv4',))
    """
    spec = service["spec"]
    if spec.get("ipFamilies"):
        return tuple(spec["ipFamilies"])
    address = spec.get("clusterIP") or "None"
    return FAMILIES if address == "None" else (family(address),)


def may_be_endpoint(pod: Object, *, terminating: bool = True) -> bool:
    """Whether a pod can be asked at all: it has an address and has not ended.

    >>> may_be_endpoint({"metadata": {}, "status": {"phase": "Succeeded", "podIP": "10.0.0.1"}})
    False
    """
    if (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded"):
        return False
    return bool(pod_addresses(pod)) and (terminating or not meta.deleting(pod))


def find_port(pod: Object, port: Mapping[str, Any]) -> int | None:
    """The number behind a Service's port in this pod; None: the pod has no port of that name and protocol.

    >>> pod = {"spec": {"containers": [{"ports": [{"name": "http", "containerPort": 8080}]}]}}
    >>> find_port(pod, {"port": 80, "targetPort": "http"}), find_port(pod, {"port": 80}), find_port(pod, {"port": 80, "targetPort": 81})
    (8080, 80, 81)
    """  # noqa: E501
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target or int(port["port"])
    for container in _long_running(pod["spec"]):
        for one in container.get("ports") or ():
            if one.get("name") == target and one.get("protocol", "TCP") == port.get("protocol", "TCP"):
                return int(one["containerPort"])
    return None


def _long_running(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from spec.get("containers") or ()
    yield from (one for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always")


def endpoint_ports(service: Object, pod: Object) -> tuple[Object, ...]:
    """The ports of an EndpointSlice that can hold this pod. Names that the pod does not have are left out."""
    found = []
    for port in service["spec"].get("ports") or ():
        number = find_port(pod, port)
        if number is not None:
            one = {"name": port.get("name", ""), "port": number, "protocol": port.get("protocol", "TCP")}
            if "appProtocol" in port:
                one["appProtocol"] = port["appProtocol"]
            found.append(one)
    return tuple(found)


def wants_hostname(pod: Object, service: Object) -> bool:
    """Whether the pod's own name is known below the Service's."""
    spec = pod["spec"]
    return bool(spec.get("hostname")) and spec.get("subdomain") == meta.name(service)


def make_endpoint(pod: Object, zone: str, service: Object, kind: str) -> Object:
    """A pod as an endpoint of one address family.

    A pod that is being deleted is no longer ready, but serves as long as its probe says so.

    >>> pod = {"metadata": {"name": "web-1", "namespace": "a", "uid": "u", "deletionTimestamp": "…"}, "spec": {},
    ...        "status": {"podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]}}
    >>> found = make_endpoint(pod, "", {"metadata": {"name": "web"}, "spec": {}}, "IPv4")
    >>> found["addresses"], found["conditions"]
    (['10.0.0.1'], {'ready': False, 'serving': True, 'terminating': True})
    """
    serving, terminating = pod_ready(pod), meta.deleting(pod)
    ready = bool(service["spec"].get("publishNotReadyAddresses")) or (serving and not terminating)
    made: Object = {
        "addresses": [one for one in pod_addresses(pod) if family(one) == kind],
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        "targetRef": {"kind": "Pod", "namespace": meta.namespace(pod), "name": meta.name(pod), "uid": meta.uid(pod)},
    }
    node = pod["spec"].get("nodeName")
    if node:
        made["nodeName"] = node
    if zone:
        made["zone"] = zone
    if wants_hostname(pod, service):
        made["hostname"] = pod["spec"]["hostname"]
    hints = _hints(service["spec"].get("trafficDistribution"), made) if ready else None
    return {**made, "hints": hints} if hints else made


def _hints(distribution: str | None, endpoint: Object) -> Object | None:
    """For whom an endpoint is near: its own zone, its own node."""
    node, zone = endpoint.get("nodeName"), endpoint.get("zone")
    zones = {"forZones": [{"name": zone}]} if zone else {}
    match distribution:
        case "PreferClose" | "PreferSameZone":
            return zones or None
        case "PreferSameNode":
            return {**zones, "forNodes": [{"name": node}]} if node else zones or None
        case _:
            return None
